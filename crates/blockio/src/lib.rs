//! Bytes by offset.
//!
//! Everything above this crate speaks of a disk in two ways: as bytes that can
//! be read and written at an offset ([`ReadAt`], [`WriteAt`]), and as
//! [`Extent`]s that tile it. This crate is also the only one of the workspace
//! that makes system calls.
//!
//! - [`Disk`] is a file or block device to read, [`open_beneath`] opens one that
//!   a file names, and [`in_use`] tells who else uses it. [`Direct`] reads it past the page cache, [`Salvage`] although it
//!   fails, and [`Freeze`] keeps a mounted filesystem as it is meanwhile.
//! - [`Target`] is an output that appears whole or not at all;
//!   [`StreamTarget`] writes to a pipe, [`OnlyChanged`] writes what differs.
//! - [`Holes`] asks where data is, once for each range of it.
//! - [`MemoryDisk`] is a disk in memory, [`Spool`] one in a file without a name.
//!
//! ```no_run
//! use blockio::{Disk, ReadAt, Target, TargetOptions, WriteAt, in_use};
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

mod access;
mod beneath;
mod cursor;
mod direct;
mod disk;
mod error;
mod extent;
pub mod freeze;
mod holes;
mod identity;
pub mod in_use;
mod memory;
mod only_changed;
mod random;
pub mod salvage;
mod space;
mod spool;
mod stream;
mod sysfs;
mod target;
mod terminal;
mod uncached;
mod zero;

pub use access::{ReadAt, Reflink, Store, WriteAt, len_u64};
pub use beneath::open_beneath;
pub use cursor::Cursor;
pub use direct::Direct;
pub use disk::Disk;
pub use error::{Error, ErrorKind};
pub use extent::{Extent, ExtentKind, Merge, tiles};
pub use freeze::{Freeze, FreezeOptions};
pub use holes::Holes;
pub use identity::{Identity, Stamp};
pub use memory::MemoryDisk;
pub use only_changed::{GoesBack, OnlyChanged};
pub use random::random_bytes;
pub use salvage::Salvage;
pub use space::free_bytes;
pub use spool::Spool;
pub use stream::StreamTarget;
pub use target::{Target, TargetOptions, abandon_all};
pub use terminal::TerminalState;
pub use uncached::Uncached;
pub use zero::{is_zero, nonzero_runs};
