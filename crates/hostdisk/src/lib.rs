//! The disks of this machine: regular files and block devices of Linux.
//!
//! This is the only library of the workspace that makes system calls. To the others,
//! the files that it opens are [`ReadAt`](blockio::ReadAt) or
//! [`WriteAt`](blockio::WriteAt).
//!
//! - [`Disk`] is a file or block device to read, [`open_beneath`] opens one that
//!   another file names, and [`in_use`] detects other uses of it. [`Direct`] reads it
//!   without the page cache, [`Salvage`] reads it although it fails, and [`Freeze`]
//!   keeps a mounted filesystem unchanged in the meantime.
//! - [`Target`] is an output that appears whole or not at all; [`StreamTarget`]
//!   writes to a pipe.
//! - [`InPlace`] gives free blocks of a disk back to the storage; [`EditedFile`] is
//!   read and written in place.
//! - [`Spool`] is scratch space in a nameless file.
//!
//! ```no_run
//! use blockio::{ReadAt, WriteAt};
//! use hostdisk::{Disk, Target, TargetOptions, in_use};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let disk = Disk::open("disk.img")?;
//! if let Some(by) = in_use::source_in_use(&disk)? {
//!     return Err(format!("disk.img: {by}").into());
//! }
//! let options = TargetOptions {
//!     sources: vec![disk.identity()],
//!     ..TargetOptions::default()
//! };
//! let target = Target::create("sector.img", &options)?;
//! let mut sector = [0; 512];
//! disk.read_at(0, &mut sector)?;
//! target.write_at(0, &sector)?;
//! target.commit()?;
//! # Ok(())
//! # }
//! ```

mod beneath;
mod disk;
mod error;
pub mod freeze;
mod identity;
mod in_place;
pub mod in_use;
mod output;
mod random;
pub mod salvage;
mod space;
mod spool;
mod stream;
mod sysfs;

pub use beneath::open_beneath;
pub use disk::{Direct, Disk, Uncached};
pub use error::{Error, ErrorKind};
pub use freeze::{Freeze, FreezeOptions};
pub use identity::{Identity, Stamp};
pub use in_place::{EditedFile, GiveBack, InPlace, allocated_bytes, punch_unit_bytes};
pub use output::{Target, TargetOptions, abandon_all};
pub use random::random_bytes;
pub use salvage::Salvage;
pub use space::free_bytes;
pub use spool::Spool;
pub use stream::StreamTarget;

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
