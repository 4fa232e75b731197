//! A superblock that is believed, and what follows from it.

use crate::geometry::Geometry;
use crate::group::Layout;
use crate::roles::Roles;
use crate::superblock::Superblock;

/// A superblock that is believed, and what follows from it.
#[derive(Debug)]
pub(crate) struct Volume {
    pub(crate) superblock: Superblock,
    pub(crate) layout: Layout,
    pub(crate) roles: Roles,
}

impl Volume {
    pub(crate) fn new(sb: &Superblock, geometry: Geometry, from_copy: bool) -> Self {
        Self {
            superblock: sb.clone(),
            layout: Layout::new(sb, geometry, from_copy),
            roles: Roles::new(sb),
        }
    }
}
