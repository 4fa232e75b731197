//! The structures of ext2, ext3 and ext4 as checked types: bytes in, meaning out.
//!
//! The superblock and what follows from it ([`Volume`](volume::Volume)), group
//! descriptors, bitmaps, inodes and their block maps, each with its checksum. What
//! is wrong with them is a value: see [`finding`]. Which bytes of a filesystem
//! matter is the question of the crate `ext-blocks`.
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

pub mod bitmap;
pub mod block_map;
pub mod checksum;
pub mod error;
pub mod feature;
pub mod finding;
pub mod geometry;
pub mod group;
pub mod inode;
pub mod reserved;
pub mod runs;
pub mod superblock;
pub mod volume;

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
