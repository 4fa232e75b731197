//! A filesystem whose names tell nothing: for metadata that is shown to others.
//!
//! [`scramble()`] makes a view of a
//! filesystem in which names of files and of attributes, targets of links, the
//! label and the last mount point are replaced by others of the same length, in a
//! way that only a key can undo, and in which no rest of an old one is left in any
//! block of metadata. All
//! else stays: checksums that were right are right, those that were wrong are
//! wrong in the same bits, and e2fsck finds what it found before.
//!
//! ```text
//! inodes ─┬─ directories ─ entries, index ──┐
//!         ├─ targets of links ──────────────┤ names: one-to-one for each length
//!         └─ attributes ────────────────────┤
//! superblocks ──────────────────────────────┘──▶ patches over the disk
//! ```

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        reason = "a test that overflows fails"
    )
)]

mod attributes;
mod base;
mod directory;
mod inode;
mod link;
mod map;
mod names;
mod pass;
mod patches;
mod report;
mod scramble;
mod text;

pub use directory::Unindexed;
pub use names::key::ScrambleKey;
pub use report::ScrambleReport;
pub use scramble::{CannotScramble, Scrambled, scramble};

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
