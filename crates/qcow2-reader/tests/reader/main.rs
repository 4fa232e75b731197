//! Images put together byte by byte, right and wrong, through the public API.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod arbitrary;
mod common;
mod content;
mod refusals;
mod unpack;
