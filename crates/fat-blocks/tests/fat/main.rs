//! Filesystems assembled by hand, made by mkfs.fat, mtools and mkfs.exfat, and damaged.

#![expect(
    clippy::unwrap_used,
    clippy::as_conversions,
    reason = "helpers of tests may panic, and count in small numbers"
)]

mod exfat;
mod exfat_image;
mod fields;
mod hostile;
mod image;
mod survey;
mod tools;
mod tree;
mod vast;
