//! Access to bytes by offset.
//!
//! The crates above this one see a disk in two ways: as bytes that can be read and
//! written at an offset ([`ReadAt`], [`WriteAt`]), and as [`Extent`]s that tile it.
//! This crate makes no system calls; the crate `hostdisk` provides files and block
//! devices.
//!
//! - [`Holes`] asks where data is, once for each range.
//! - [`OnlyChanged`] writes only bytes that differ.
//! - [`salvage::Lost`] holds the parts of a disk that could not be read.
//! - [`MemoryDisk`] is a disk in memory, [`Window`] a part of a disk.
//! - [`Tiling`] is a disk that can tell what its bytes are.
//! - [`Spool`] is space for data that is too large for memory.
//! - [`OnProgress`] receives the progress of a job and can stop it.
//!
//! Sources and targets can be given by reference, by value, or as a `Box` or `Arc`.
//!
//! ```
//! use blockio::{MemoryDisk, ReadAt, WriteAt, nonzero_runs};
//!
//! let disk = MemoryDisk::default();
//! disk.write_at(1024, b"data")?;
//! let mut bytes = vec![0; 1028];
//! disk.read_at(0, &mut bytes)?;
//! assert!(nonzero_runs(&bytes, 512).eq([1024..1028]));
//! # Ok::<(), std::io::Error>(())
//! ```

mod access;
mod cursor;
mod extent;
mod holes;
mod memory;
mod only_changed;
mod progress;
pub mod salvage;
mod spool;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tiling;
mod window;
mod zero;

pub use access::{Handle, ReadAt, Reflink, Store, WriteAt, len_u64};
pub use cursor::Cursor;
pub use extent::{Extent, ExtentKind, Merge, tiles};
pub use holes::Holes;
pub use memory::MemoryDisk;
pub use only_changed::{GoesBack, OnlyChanged};
pub use progress::{OnProgress, Progress};
pub use spool::{NewSpool, Spool};
pub use tiling::{AllData, BoxError, Extents, Tiling, clip};
pub use window::Window;
pub use zero::{is_zero, nonzero_runs};

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
