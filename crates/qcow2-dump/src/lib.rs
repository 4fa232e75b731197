//! Every byte of a qcow2 image's file accounted for, structure by structure.
//!
//! ```text
//! header ──▶ walk: what names which bytes ──▶ a map of a part of the file ──▶ ranges that tile it
//! ```
//!
//! [`account()`] shows ranges that tile the file, each with its [`Kind`], and adds them up.
//! [`place()`] finds one structure, and [`header_fields`] and [`entry`] read what is in it.
//! What an image says is never taken for true: a table that lies outside of the file is
//! passed over and counted. What is read is bounded by what is in the file, memory by
//! constants.

mod account;
mod emit;
mod error;
mod fields;
mod file;
mod kind;
mod place;
mod refcounts;
mod walk;

pub use account::{Account, account};
pub use emit::Total;
pub use error::Error;
pub use fields::{Field, entry, header_fields};
pub use kind::Kind;
pub use place::{Place, Structure, place};

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
