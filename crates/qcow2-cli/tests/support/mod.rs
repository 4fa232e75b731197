//! What the suites share whose cases are data: how a case ends, how much is
//! tested, the judges, what is done to a mounted filesystem and what is in it, and
//! one disk through the program and back.

#![allow(dead_code, reason = "each suite needs a part of it")]

pub(crate) mod blocks;
pub(crate) mod judge;
pub(crate) mod load;
pub(crate) mod mounts;
pub(crate) mod round_trip;
pub(crate) mod suite;
pub(crate) mod tree;
pub(crate) mod verdict;
pub(crate) mod whole;
