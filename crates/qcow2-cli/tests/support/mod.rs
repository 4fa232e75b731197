//! What the suites share whose cases are data: how a case ends, how much is
//! tested, the judges, and one disk through the program and back.

#![allow(dead_code, reason = "each suite needs a part of it")]

pub(crate) mod round_trip;
pub(crate) mod suite;
pub(crate) mod verdict;
