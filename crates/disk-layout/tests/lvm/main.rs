//! Volumes of LVM2 assembled by hand, made by the tools, and damaged.

#![expect(
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::single_range_in_vec_init,
    reason = "helpers of tests may panic, count in small numbers, and have lists of one"
)]

mod disk;
mod doubt;
mod hostile;
mod select;
mod sound;
