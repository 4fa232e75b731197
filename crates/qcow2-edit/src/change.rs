//! A change of an image, which is done whole or not at all.

pub(crate) mod allocator;
pub(crate) mod flags;
pub(crate) mod gate;
pub(crate) mod refcounts;
pub(crate) mod sector;
pub(crate) mod transaction;
