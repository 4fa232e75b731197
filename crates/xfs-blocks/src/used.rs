//! What every byte of the disk is.

pub(crate) mod extents;
pub(crate) mod free_map;
pub(crate) mod kept;
pub(crate) mod metadata;
pub(crate) mod survey;
