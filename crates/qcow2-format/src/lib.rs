//! The qcow2 format, versions 2 and 3, as types.
//!
//! This crate decodes bytes into checked types and encodes them again. It reads and
//! writes no files: the caller supplies the bytes. Decoding is total: any bytes give a
//! value or an exact [`Error`], never a panic, and every stored length is compared with
//! a named limit of [`limits`] before it is used.
//!
//! | on disk | here |
//! |---|---|
//! | header, cluster 0 | [`Header`], [`feature`], [`extension`] |
//! | guest to host mapping | [`L1Entry`], [`L2Entry`], [`subcluster`] |
//! | reference counts | [`refcount`] |
//! | internal snapshots | [`snapshot`] |
//! | persistent bitmaps | [`bitmap`] |
//!
//! "Spec" in the documentation is QEMU's `docs/interop/qcow2`; its section
//! titles are quoted. All integers on disk are big endian.
//!
//! ```
//! use qcow2_format::{ClusterBits, Header, Version};
//!
//! let mut header = Header::new(Version::V3, ClusterBits::DEFAULT, 1 << 30);
//! header.l1_entries = 2;
//! header.l1_table_offset.0 = 0x3_0000;
//! header.refcount_table_offset.0 = 0x1_0000;
//! header.refcount_table_clusters = 1;
//! let bytes = header.encode()?;
//! assert_eq!(Header::decode(&bytes)?, header);
//! # Ok::<(), qcow2_format::Error>(())
//! ```

#![cfg_attr(not(test), no_std)]
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

extern crate alloc;

mod bytes;
mod error;
mod geometry;
mod rule;

pub mod bitmap;
pub mod entry;
pub mod extension;
pub mod feature;
pub mod header;
pub mod limits;
pub mod refcount;
pub mod snapshot;
pub mod subcluster;

pub use entry::words::{L2Words, Named};
pub use entry::{EntryContext, L1Entry, L2Entry};
pub use error::Error;
pub use error::bitmap::BitmapError;
pub use error::kind::ErrorKind;
pub use error::refcount::RefcountError;
pub use geometry::{ClusterBits, Geometry, GuestOffset, HostOffset};
pub use header::{Header, Version};
pub use refcount::RefcountOrder;

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
