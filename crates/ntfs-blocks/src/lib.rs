//! Which bytes of an NTFS volume are in use.
//!
//! [`find()`] looks at a disk, or at a part of one. If it finds a boot sector of NTFS,
//! [`Candidate::open`] reads the volume; the [`Filesystem`] is then a
//! [`Tiling`](blockio::Tiling) of the disk.
//!
//! The rule is that **free must be proven**. A cluster is free only if
//!
//! - the boot sector describes a volume that fits on the disk,
//! - the first file records agree with their copies in `$MFTMirr`,
//! - the volume was unmounted: its flags say so, `$LogFile` is empty or was closed, and no
//!   system hibernates on it,
//! - no shadow copies need what free clusters hold,
//! - `$Bitmap` calls the cluster free, and has the right length and a bit that is set for
//!   every cluster that does not exist,
//! - all file records in use are sound, all their run lists and attribute lists included,
//!   and no two have a cluster in common, and
//! - none of them has the cluster.
//!
//! If a file has a cluster that `$Bitmap` calls free, that cluster is in use, and
//! [`Filesystem::damage`] says so. If one of the others does not hold, **every** byte is in
//! use, and [`Filesystem::trust`] says why: a record that cannot be read may be all that
//! knows of its clusters.
//!
//! Always in use are bad clusters, and the bytes after the last cluster, up to the end of
//! the disk: there lies the backup of the boot sector.
//!
//! The file records are read once, in pieces of 1 MiB, and once more for each further 2^28
//! clusters (1 TiB of clusters of 4 KiB) up to the last one that a file has. Memory: two
//! bits for each of those, which is 64 MiB at most, a bit for each file record, and about
//! 110 bytes for each part of an attribute of the files that need several records, of which
//! 2^20 are followed.
//!
//! Sources: the NTFS documentation of the Linux-NTFS project, Microsoft's "NTFS on-disk
//! structures" and `[MS-FSCC]`, and for shadow copies the documentation of libvshadow.
//!
//! ```
//! use ntfs_blocks::{Error, Options, find};
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

mod boot;
mod bytes;
mod detect;
mod error;
mod fault;
mod filesystem;
mod finding;
mod limits;
mod map;
mod mft;
mod record;
mod references;
mod state;
mod stream;

pub use detect::{Candidate, find};
pub use error::{Error, ErrorKind, Structure};
pub use fault::{Fault, Kind};
pub use filesystem::{Evidence, Filesystem, Info, Options};
pub use finding::{Damage, Distrust, Finding, LogFault, Trust};
pub use limits::{CLUSTERS_MAX, RECORDS_MAX};

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
