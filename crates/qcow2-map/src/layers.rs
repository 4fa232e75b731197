//! The images and files that a disk is made of, one over the other.

pub(crate) mod chain;
pub(crate) mod layer;
