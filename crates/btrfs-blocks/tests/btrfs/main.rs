//! Filesystems assembled by hand, made by mkfs.btrfs and the kernel, and damaged.

#![expect(
    clippy::unwrap_used,
    clippy::as_conversions,
    reason = "helpers of tests may panic, and count in small numbers"
)]

#[path = "../../examples/btrfs_runs.rs"]
#[expect(dead_code, reason = "a test calls what `main` calls")]
mod btrfs_runs;
mod doubt;
mod hostile;
mod image;
mod items;
mod spread;
mod superblock;
mod trees;
mod used;
