//! Filesystems made by mkfs.btrfs, and filled by it or by the kernel, restored with zeros in
//! the place of what is free.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod devices;
mod disk;
mod kernel;
mod makes;
mod second_reader;
