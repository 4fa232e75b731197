//! Volumes of LVM2 assembled by hand, made by the tools, and damaged.

#![expect(
    clippy::unwrap_used,
    clippy::as_conversions,
    reason = "helpers of tests may panic, and count in small numbers"
)]

mod disk;
mod doubt;
mod fields;
mod hostile;
mod select;
mod sound;
