//! The two forms of a map.

use crate::inode::Inode;

use super::extents;

/// What `i_block` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapForm {
    /// The root of an extent tree.
    Extents,
    /// Block pointers.
    Pointers,
}

impl MapForm {
    /// What the flags of `inode` say.
    #[must_use]
    pub const fn of(inode: &Inode) -> Self {
        if inode.has_extents() {
            Self::Extents
        } else {
            Self::Pointers
        }
    }

    /// What the bytes of `inode` look like.
    #[must_use]
    pub fn looks(inode: &Inode) -> Self {
        if extents::looks_like_node(&inode.i_block) {
            Self::Extents
        } else {
            Self::Pointers
        }
    }
}
