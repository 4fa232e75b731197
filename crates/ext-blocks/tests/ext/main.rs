//! Filesystems of a few hundred bytes, assembled by hand: for every rule that
//! proves a block free, one that keeps it and one that breaks it.

#![expect(
    clippy::unwrap_used,
    clippy::single_range_in_vec_init,
    reason = "helpers of tests may panic, and a list of runs may have one"
)]

mod claims;
mod fsck;
mod groups;
mod hostile;
mod image;
mod inodes;
mod journal;
mod log;
mod metadata;
mod mmp;
mod trust;
mod unclean;
mod used;
