//! Which bytes of an XFS filesystem are in use.

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod bytes;
mod checksum;
mod error;
mod feature;
mod finding;
mod geometry;
mod log;
mod superblock;

pub use error::{Error, ErrorKind, Structure};
pub use finding::{Distrust, Trust};
pub use log::LogFault;
pub use superblock::GROUPS_MAX;
