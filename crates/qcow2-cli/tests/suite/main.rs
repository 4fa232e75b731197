//! The program as a user runs it, and writer and reader against each other.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod blocks;
mod chain;
mod claims;
mod compress;
mod compressed_input;
mod containers;
mod crash;
mod device;
mod encrypted;
mod filesystem;
mod flips;
mod from_pipes;
mod info;
mod mounted;
mod mounts;
mod pack;
mod pipes;
mod put_back;
mod recipes;
mod reflink;
mod report;
mod roundtrip;
mod salvage;
mod salvage_unpack;
mod signals;
mod small_over_large;
mod standard_files;
mod target_limits;
mod unpack;
mod wrong_bitmaps;
