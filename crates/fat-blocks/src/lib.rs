//! Which bytes of a FAT12, FAT16, FAT32 or exFAT filesystem are in use.
//!
//! [`detect()`] looks at a disk, or at a part of one. If it finds a filesystem of the
//! family it reads the FAT or the allocation bitmap once and walks all directories;
//! the [`Filesystem`] is then a [`Tiling`](blockio::Tiling) of the disk.
//!
//! The rule is that **free must be proven**. A cluster is free only if
//!
//! - the boot sector describes a filesystem that fits on the disk,
//! - no mark says that it was not unmounted,
//! - all copies of the FAT agree and call the cluster free (exFAT: the bitmap does, and
//!   the checksum of the boot region is right), and
//! - the whole directory tree agrees with that: every chain is as long as the size of its
//!   file asks for, no two share a cluster, and none needs a cluster that is free, bad or
//!   does not exist.
//!
//! If one of these does not hold, **every** byte is in use, and [`Filesystem::trust`] says
//! why. Nothing smaller is sound: the FAT is the map of free clusters and the list of the
//! clusters of files in one. A chain that ends early, or in a free cluster, has lost the
//! names of the clusters after that, so any free one may hold them. Cameras and other
//! devices leave such chains without setting a mark. In exFAT a file in one piece has no
//! chain, and a bitmap that contradicts one file may be as wrong about another.
//!
//! FSINFO and `PercentInUse` are never believed: most programs do not keep them. Always
//! in use are bad, reserved and lost clusters, the boot regions and their backups, all
//! FATs, and the bytes after the last cluster.
//!
//! Memory: two bits a cluster and 16 MiB of the FAT at most, which is 80 MiB for a FAT32 of
//! 2 TiB with clusters of 8 KiB; a FAT of up to 16 MiB is read once, the pages of a
//! larger one again as the walk needs them.
//!
//! Sources: Microsoft, "FAT: General Overview of On-Disk Format" 1.03 and "exFAT file
//! system specification"; the marks of Linux and Windows.
//!
//! ```
//! use fat_blocks::{Detected, Error, Options, detect};
//!
//! /// Bytes of `disk` that an image must hold.
//! fn needed_bytes(disk: &impl blockio::ReadAt) -> Result<u64, Error> {
//!     let Detected::Fat(filesystem) = detect(disk, &Options::default())? else {
//!         return Ok(disk.size());
//!     };
//!     Ok(filesystem.info().used_bytes)
//! }
//!
//! let unknown = blockio::MemoryDisk::new(vec![0; 4096]);
//! assert_eq!(needed_bytes(&unknown)?, 4096);
//! # Ok::<_, Error>(())
//! ```

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod bits;
mod bytes;
mod chains;
mod claims;
mod clusters;
mod detect;
mod error;
mod exfat;
mod fat;
mod filesystem;
mod finding;

pub use clusters::CLUSTERS_MAX;
pub use detect::detect;
pub use error::{Error, ErrorKind, Structure};
pub use filesystem::{Detected, Filesystem, Info, Kind, Options};
pub use finding::{ClusterFault, Distrust, Finding, Trust};

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
