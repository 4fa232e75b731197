//! What is on a disk, and which of its bytes must be kept.
//!
//! - [`table`] reads partition tables: MBR with logical partitions, and GPT.
//! - [`swap`] says which bytes of Linux swap are in use.

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        reason = "a test that overflows fails"
    )
)]

pub mod swap;
pub mod table;
