//! Bytes by offset.
//!
//! Everything above this crate speaks of a disk in two ways: as bytes that can
//! be read and written at an offset ([`ReadAt`], [`WriteAt`]), and as
//! [`Extent`]s that tile it. This crate is also the only one of the workspace
//! that makes system calls.

mod access;
mod extent;
mod memory;

pub use access::{ReadAt, Store, WriteAt};
pub use extent::{Extent, ExtentKind, Merge, tiles};
pub use memory::MemoryDisk;
