//! Partition tables assembled by hand, made by other people's programs, and damaged.

#![expect(
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::single_range_in_vec_init,
    reason = "helpers of tests may panic, count in small numbers, and have lists of one"
)]

mod disk;
mod gpt;
mod gpt_fields;
mod grow;
mod hostile;
mod mbr;
mod parts;
mod select;
mod tools;
mod wiped;
