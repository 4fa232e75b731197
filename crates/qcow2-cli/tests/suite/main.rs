//! The program as a user runs it, and writer and reader against each other.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod blocks;
mod chain;
mod compress;
mod compressed_input;
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
mod roundtrip;
mod salvage;
mod salvage_unpack;
mod standard_files;
mod unpack;
