//! Which bytes of a btrfs filesystem are in use, on one of its devices.
//!
//! [`find()`] looks for a superblock on a disk, or on a part of one.
//! [`Candidate::open`] reads the trees that tell what is free; the [`Filesystem`] is then a
//! [`Tiling`](blockio::Tiling) of the disk.
//!
//! The rule is that **free must be proven**. A byte is free only if
//!
//! - the first superblock is sound, no other one is newer, and every feature is known,
//! - every block of a tree on the way has a right checksum and is what refers to it says,
//! - chunk tree and device tree agree, block groups and chunks do, and all sums are right,
//! - the extent tree calls it free, and the free space tree does, if there is a valid one,
//! - no tree refers to it ([`Proof::References`]), and
//! - the log does not, which holds what was synced since the last commit.
//!
//! If one of the first ones does not hold, **every** byte is in use, and
//! [`Filesystem::trust`] says why.
//!
//! Always in use are the first MiB, 64 KiB at each place of a superblock, and the bytes
//! after the filesystem. Of several devices, only the disk at hand is looked at: if a block
//! that decides is on another one, every byte is in use.
//!
//! Memory: 16 bytes for each run of used bytes, 32 MiB at most; if there are more runs, the
//! shortest gaps between them are in use, too. And a bit for each block of a tree.
//!
//! Sources: Linux, `include/uapi/linux/btrfs_tree.h` and `Documentation/filesystems/btrfs`;
//! "On-disk Format" of the btrfs documentation.
//!
//! ```
//! use btrfs_blocks::{Error, Options, find};
//!
//! /// Bytes of `disk` that an image must hold.
//! fn needed_bytes(disk: &impl blockio::ReadAt) -> Result<u64, Error> {
//!     let Some(candidate) = find(disk)? else {
//!         return Ok(disk.size());
//!     };
//!     let filesystem = candidate.open(disk, &Options::default())?;
//!     Ok(filesystem.info().used_bytes)
//! }
//!
//! let unknown = blockio::MemoryDisk::new(vec![0; 4096]);
//! assert_eq!(needed_bytes(&unknown)?, 4096);
//! # Ok::<_, Error>(())
//! ```

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod bytes;
mod candidate;
mod checksum;
mod error;
mod filesystem;
mod finding;
mod key;
mod layout;
mod runs;
mod superblock;
mod survey;
mod tree;
mod volume;

pub use candidate::{Candidate, find};
pub use error::{Error, ErrorKind, Structure};
pub use filesystem::{Filesystem, Info, Keep, Log, Options, Proof};
pub use finding::{BlockFault, Distrust, Finding, Trust};

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
