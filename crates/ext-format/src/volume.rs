//! A superblock that is believed, and what follows from it.

use crate::geometry::Geometry;
use crate::group::Layout;
use crate::reserved::Reserved;
use crate::superblock::Superblock;

/// A superblock that is believed, and what follows from it.
#[derive(Debug)]
pub struct Volume {
    /// The superblock, as it is stored.
    pub superblock: Superblock,
    /// What is needed to find and check the metadata of groups.
    pub layout: Layout,
    /// Inodes and blocks that the filesystem keeps for itself.
    pub reserved: Reserved,
}

impl Volume {
    /// What follows from `sb`; `from_backup` if it is not the first superblock.
    #[must_use]
    pub fn new(sb: &Superblock, geometry: Geometry, from_backup: bool) -> Self {
        Self {
            superblock: sb.clone(),
            layout: Layout::new(sb, geometry, from_backup),
            reserved: Reserved::new(sb),
        }
    }
}
