//! Images put together byte by byte, right and wrong, through the public API.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod arbitrary;
mod arrival;
mod builder;
mod chain;
mod common;
mod compressed;
mod content;
mod costs;
mod flips;
mod gate;
mod pipe;
mod reflink;
mod refusals;
mod salvage;
mod slices;
mod snapshots;
mod subclusters;
mod trust;
mod unpack;
