//! One image: its header, the tables beside its disk, and where its parts may be.

pub(crate) mod bounds;
pub(crate) mod files;
pub(crate) mod header;
pub(crate) mod mapped_disk;
pub(crate) mod snapshots;
pub(crate) mod stream;
