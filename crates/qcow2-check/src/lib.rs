//! Whether a qcow2 image agrees with itself: every host cluster that a disk needs is
//! counted in its refcount, and has one use.
//!
//! ```text
//! image ── qcow2-map ──▶ references ──▶ counts ─┬▶ findings, as values
//!                                   refcounts ──┘
//! ```
//!
//! [`audit()`] checks one image file as `qemu-img check` does, and goes further: all disks in
//! it, its entries and flags, and if asked its compressed clusters. A [`Fault`] holds what a
//! repair needs.
//!
//! [`check()`] is for those who read a disk, and costs less. It shows each [`Finding`] to the caller, who says whether to go on; nothing is
//! written. [`doubtful`] returns the parts of a damaged disk that cannot be trusted.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//!
//! use qcow2_check::{Scope, check};
//! use qcow2_map::{ImageMap, MapOptions};
//!
//! # fn open() -> std::io::Result<Vec<u8>> { Ok(Vec::new()) }
//! let map = ImageMap::open(open()?, &MapOptions::default())?;
//! check(&map, Scope::All, |finding| {
//!     println!("{finding}");
//!     ControlFlow::Continue(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod audit;
mod check;
mod counts;
mod crossing;
mod doubt;
mod error;
mod finding;
mod metadata;
mod owners;
mod parts;
mod refcounts;
mod references;
mod streams;
mod survey;

pub use audit::{
    Audit, AuditOptions, Clusters, DiskId, Entry, Fault, FaultKind, Owner, Repair, Severity, audit,
};
pub use check::{Checked, Scope, check};
pub use doubt::doubtful;
pub use error::Error;
pub use finding::{Finding, FindingKind, Use};
pub use refcounts::RefcountTable;

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
