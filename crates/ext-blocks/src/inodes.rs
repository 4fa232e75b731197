//! The inodes of a filesystem, and the blocks they refer to.

pub(crate) mod never_used;
pub(crate) mod references;
pub(crate) mod tables;
