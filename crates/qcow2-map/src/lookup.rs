//! From guest bytes to host bytes, in one image.

pub(crate) mod l1;
pub(crate) mod runs;
pub(crate) mod table_cache;
pub(crate) mod tables;
pub(crate) mod walk;
