//! Filesystems assembled by hand, made by mkfs.xfs and the kernel, and damaged.

#![expect(
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic, and count in small numbers"
)]

mod fields;
mod hostile;
mod image;
mod kept;
mod survey;
mod tools;
