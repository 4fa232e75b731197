//! Which bytes of an XFS filesystem are in use.
//!
//! [`detect()`] looks at a disk, or at a part of one. If it finds a superblock it reads the
//! log, then the headers and btrees of all allocation groups; the [`Filesystem`] is then a
//! [`Tiling`](blockio::Tiling) of the disk.
//!
//! The rule is that **free must be proven**. A block is free only if
//!
//! - the superblock describes a filesystem that fits on the disk, with features that are
//!   all known, and does not ask for a repair,
//! - the log is clean, or it was replayed in memory, and the block is free both as stored
//!   and after the replay,
//! - the two btrees of free space of its group have the same runs, and the counts in the
//!   AGF are those of the runs,
//! - nothing else of the group has the block: headers, AGFL, btrees, log, inodes, shared
//!   blocks,
//! - the rmapbt, if there is one, has no owner for it, and has one for each block that is
//!   not free; otherwise no inode refers to it (see [`Evidence`]), and
//! - the superblock of a clean filesystem counts as many free blocks as the groups.
//!
//! What is wrong in one group keeps that group, see [`Filesystem::damage`]; what is wrong
//! with the superblock, the log, the sum or an inode keeps everything, and
//! [`Filesystem::trust`] reports why. Every checksum on the way must be right.
//!
//! Always in use are the headers of all groups, the log, the bytes after the filesystem,
//! unless [`Tail::Drop`] says otherwise, and a realtime section.
//!
//! Memory: eight bytes for a free run of the group that is looked at, 32 MiB at most for all
//! others, and a spool beyond that.
//!
//! ```text
//! superblock ──▶ features, geometry ── unknown ──▶ every byte is used
//! log ── clean / replayed in memory / unclear ───▶ every byte is used
//!   │
//!   ▼ for each group
//! AGF, AGI, AGFL ─▶ bnobt = cntbt = counts ─▶ rmapbt ─▶ places of metadata
//!   │                      └── contradiction ──▶ the group is used
//!   ▼
//! sum = sb_fdblocks ─▶ inodes, if there is no rmapbt ─▶ free runs
//! ```
//!
//! Sources: "XFS Algorithms & Data Structures", 3rd edition; the names of fields are the
//! kernel's.
//!
//! ```
//! use xfs_blocks::{Error, Options, detect};
//!
//! /// Bytes of `disk` that are proven free.
//! fn free_bytes(disk: &impl blockio::ReadAt) -> Result<u64, Error> {
//!     let filesystem = detect(disk, &Options::default())?;
//!     Ok(filesystem.map_or(0, |filesystem| filesystem.free_bytes()))
//! }
//!
//! let unknown = blockio::MemoryDisk::new(vec![0; 4096]);
//! assert_eq!(free_bytes(&unknown)?, 0);
//! # Ok::<_, Error>(())
//! ```

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "a test that overflows or misses fails"
    )
)]

mod btree;
mod bytes;
mod checksum;
mod detect;
mod error;
mod filesystem;
mod finding;
mod geometry;
mod group;
mod inodes;
mod log;
mod superblock;
mod tree;
mod used;

pub use detect::{Candidate, Sought, detect, find};
pub use error::{Error, ErrorKind, Structure};
pub use filesystem::info::Info;
pub use filesystem::{Evidence, Filesystem, Keep, Options, Tail, Unclean};
pub use finding::damage::{GroupDamage, Header, InodeFault, TreeFault, User};
pub use finding::{Damage, Distrust, Finding, Trust};
pub use log::LogFault;
pub use superblock::GROUPS_MAX;
pub use tree::Tree;

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
