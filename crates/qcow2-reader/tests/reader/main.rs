//! Images put together byte by byte, right and wrong, through the public API.

mod arbitrary;
mod common;
mod content;
mod refusals;
mod unpack;
