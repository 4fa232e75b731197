//! A reference to a block of a tree.

use crate::finding::{BlockFault, Distrust};
use crate::key::Key;
use crate::superblock::Root;

/// A reference to a block, and what has to be true of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pointer {
    pub(crate) at: u64,
    pub(crate) generation: u64,
    pub(crate) level: u8,
    /// The first key; `None` of a root.
    pub(crate) first: Option<Key>,
    /// The tree, for reports.
    pub(crate) tree: u64,
    /// The tree that its blocks name; `None` of subvolumes, which share blocks.
    pub(crate) owner: Option<u64>,
}

impl Pointer {
    /// The root of a tree whose blocks are in no other one.
    pub(crate) const fn to_own(root: Root, tree: u64) -> Self {
        let mut pointer = Self::to_shared(root, tree);
        pointer.owner = Some(tree);
        pointer
    }

    /// The root of a tree that shares blocks with others.
    pub(crate) const fn to_shared(root: Root, tree: u64) -> Self {
        Self {
            at: root.at,
            generation: root.generation,
            level: root.level,
            first: None,
            tree,
            owner: None,
        }
    }

    pub(crate) const fn fault(&self, fault: BlockFault) -> Distrust {
        Distrust::TreeBlock {
            tree: self.tree.cast_signed(),
            at: self.at,
            fault,
        }
    }
}
