//! Volumes assembled by hand, made by mkntfs and filled by ntfs-3g, and damaged.

#![expect(
    clippy::unwrap_used,
    clippy::as_conversions,
    reason = "helpers of tests may panic, and count in small numbers"
)]

mod boot;
mod build;
mod files;
mod fuse;
mod hostile;
mod image;
mod lists;
mod log;
mod records;
mod state;
mod survey;
mod tools;
mod vast;
