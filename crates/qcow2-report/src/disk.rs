//! The disk: what of it is in use, and where it is.

pub(crate) mod compression;
pub(crate) mod parts;
pub(crate) mod pieces;
pub(crate) mod places;
pub(crate) mod walk;
