//! Which bytes of an ext2/3/4 filesystem are in use.
//!
//! [`detect()`] looks at a disk, or at a part of one. Where it finds an
//! ext2/3/4 superblock it surveys the block groups once, and
//! [`Filesystem::used_extents`] then tells what every byte of the disk is, as
//! extents that tile it; a part of it is told by [`blockio::Tiling`].
//!
//! This crate knows no other format. An ext superblock proves nothing while something
//! else may claim the disk, so the caller has to look for that: `disk-layout` does, and
//! says what it found in [`Options::other_claim`]. [`find()`] gives it the superblock
//! first, whose length tells where the filesystem ends.
//!
//! The rule is that **free must be proven**. A block is free only where a
//! consistent filesystem of known features says so, where nothing else is said to claim the
//! disk, where every checksum and count on the way agrees, and where no inode refers
//! to it. Anything less and the block, the group, or the whole disk, is in use. [`Filesystem::trust`] tells why the
//! whole disk is; [`Filesystem::damage`] why a group is.
//!
//! A filesystem that was not left clean is looked at as it will be once its journal
//! has been replayed, which is done in memory; what is in use before that, or
//! according to any part of the log, is in use as well: see [`Filesystem::unclean`].
//! [`Evidence`](trust::Evidence) tells when inodes need not be asked.
//!
//! ```text
//! superblock ── features, geometry, checksum ─┐
//! what the caller says of other claims ───────┼─▶ trust? ── no ──▶ every byte is used
//! journal ── replayed over the disk ──────────┘     │ yes
//!                                                   ▼
//! group descriptors ──▶ claimed blocks ──▶ block bitmaps ──▶ one verdict a group
//! inodes: what they refer to is used ───────────────┤
//! stored bitmaps, those in the log ─────────────────┤ joined where unclean
//!                                                   ▼
//!                           used_extents: boot block, groups, tail
//! ```
//!
//! [`Filesystem::metadata`] tells the metadata apart; [`Filesystem::recovered`] shows
//! the disk after the replay. The crate `ext-scramble` takes the names out of the metadata,
//! and `ext-format` has the structures as types.
//!
//! ```
//! use ext_blocks::{Detected, Error, Options, detect};
//!
//! /// Bytes of `disk` that an image must hold.
//! fn needed_bytes(disk: &impl blockio::ReadAt) -> Result<u64, Error> {
//!     let Detected::Ext(filesystem) = detect(disk, &Options::default())? else {
//!         return Ok(disk.size());
//!     };
//!     let mut bytes = 0;
//!     for extent in filesystem.used_extents() {
//!         let extent = extent?;
//!         if extent.kind == blockio::ExtentKind::Data {
//!             bytes += extent.length;
//!         }
//!     }
//!     Ok(bytes)
//! }
//!
//! let unknown = blockio::MemoryDisk::new(vec![0; 4096]);
//! assert_eq!(needed_bytes(&unknown)?, 4096);
//! # Ok::<_, Error>(())
//! ```
//!
//! Names of raw fields are the kernel's (`s_blocks_count_lo`), see
//! "ext4 Data Structures and Algorithms" in the kernel's documentation.

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        reason = "a test that overflows fails"
    )
)]

mod detect;
mod filesystem;
mod info;
mod inodes;
mod journal;
mod metadata;
pub mod trust;
mod used;

pub use detect::{Candidate, Sought, detect, find};
pub use ext_format::error::{Error, Halt};
pub use ext_format::finding::{Damage, Distrust, SuperblockAt};
pub use filesystem::{Detected, Filesystem, Options, Tail};
pub use info::{Info, Kind};
pub use journal::recover::{CannotRecover, Recovered};
pub use metadata::Metadata;
pub use trust::fingerprint::Fingerprint;
pub use trust::mmp;
pub use trust::{OtherClaim, Trust, Unclean};
pub use used::UsedExtents;
pub use used::discardable;

/// What was found wrong on the way, each with what it cost.
pub mod damage {
    pub use ext_format::finding::{
        Consequence, Damage, Finding, GroupMetadata, InodeDamage, JournalDamage, LogDamage,
        WalkDamage,
    };

    pub use crate::used::discardable::NotDiscarded;
}

/// What ends a run: storage that cannot be read.
pub mod error {
    pub use ext_format::error::{Error, ErrorKind, Halt, Structure};
}

/// Sizes and places that follow from the superblock alone.
pub mod geometry {
    pub use ext_format::geometry::Geometry;
}

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
