//! What is on a disk, and what of it must be kept.
//!
//! [`Disk::open`] looks at a disk: which signatures are on it, which [`Provider`] knows
//! its content, and whether that proves any byte free. The disk then says by its
//! [`Tiling`](blockio::Tiling) what each of its bytes is, and its [`Report`] says why.
//! This is the one place of the rule that **free must be proven**: content that nobody
//! knows is used whole, and so is a disk that something else claims, that may be written
//! to meanwhile, or that cannot be read where it matters.
//!
//! ```text
//! disk ── probe ──▶ nobody knows it ───────────────────────────────▶ every byte is used
//!           │ a candidate, how far it reaches
//!           ▼
//!   claims: what else is on the disk ── open ──▶ content: extents that tile it, a report
//! ```
//!
//! A disk is a list of parts: its partitions, each with a content or none, and what is
//! between them. A disk without a partition table has one part, which is all of it. Content
//! on the whole disk comes first: with a table beside it, all of the disk is used.
//!
//! ```
//! use blockio::{ExtentKind, Tiling};
//! use disk_layout::{Disk, Error, Options};
//!
//! let disk = Disk::open(vec![0; 4096], &Options::default())?;
//! let extent = disk.extents(0..4096).next();
//! assert!(matches!(extent, Some(Ok(extent)) if extent.kind == ExtentKind::Data));
//! assert!(disk.report().filesystem.is_none());
//! # Ok::<(), Error>(())
//! ```
//!
//! How one more filesystem is added is in docs/adding-a-filesystem.md; the example
//! `toy_provider` does it from outside of this crate.

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        reason = "a test that overflows fails"
    )
)]

pub mod claims;
mod disk;
mod error;
mod keep;
mod layout;
mod options;
mod parts;
mod provider;
mod providers;
mod report;
mod select;
pub mod swap;
pub mod table;
mod volumes;

pub use disk::{Disk, Usage};
pub use error::{Error, ErrorKind};
pub use ext_blocks::SuperblockAt;
pub use options::{Discard, Keep, Options, Proof};
pub use provider::{
    Belief, Candidate, Content, ExtFilesystem, OtherClaim, Part, Probe, Provider, Source,
};
pub use report::{
    Blocks, ContentReport, Damage, Evidence, FilesystemInfo, Kept, KeptWhole, Layout, PartReport,
    PhysicalVolume, Report, VolumeReport,
};
pub use select::{Selected, SelectedPart, select};
pub use volumes::{MappedPlace, Mapping, Volume, VolumeDisk};

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
