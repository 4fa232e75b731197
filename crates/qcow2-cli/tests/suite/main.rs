//! The program as a user runs it, and writer and reader against each other.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod blocks;
mod containers;
mod device;
mod edit;
mod info;
mod mounts;
mod pack;
mod pipes;
mod recipes;
mod reflink;
mod roundtrip;
mod signals;
mod unpack;
