//! The nodes of maps: those that are to be read, and those that were.

use std::collections::HashSet;
use std::ops::Range;

use super::form::MapForm;

/// Bits of a key below the block.
const BLOCK_SHIFT: u32 = 6;

/// A block of the map that has not been read yet.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) block: u64,
    /// Of an extent tree: `eh_depth`. Of indirect blocks: how many levels of
    /// pointers, from 1.
    pub(super) depth: u16,
    /// What it may map, counted from the start of the contents.
    pub(super) logical: Range<u64>,
}

impl Node {
    /// Block and depth; the same block may be part of maps of both forms.
    pub(super) fn key(&self, form: MapForm) -> u64 {
        let form = match form {
            MapForm::Extents => 0,
            MapForm::Pointers => 1 << 5,
        };
        // A block has at least 10 bits, so its number at most 54.
        self.block << BLOCK_SHIFT | form | u64::from(self.depth)
    }
}

/// Nodes that were read, each from its depth.
#[derive(Debug)]
pub struct NodesRead {
    /// See [`Node::key`].
    remembered: HashSet<u64>,
    remembered_max: usize,
    /// Nodes that were too many to be remembered.
    forgotten: u64,
}

/// What it means that a node is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It was not read before, or that is no longer remembered.
    First,
    /// It was.
    Again,
    /// More were than there can be.
    TooMany,
}

impl NodesRead {
    /// Remembers at most `remembered_max` nodes.
    #[must_use]
    pub fn new(remembered_max: usize) -> Self {
        Self {
            remembered: HashSet::new(),
            remembered_max,
            forgotten: 0,
        }
    }

    /// Takes in a node. At most `limit` are read that are not remembered.
    pub fn insert(&mut self, key: u64, limit: u64) -> Entry {
        if self.remembered.contains(&key) {
            return Entry::Again;
        }
        if self.remembered.len() < self.remembered_max {
            self.remembered.insert(key);
        } else if self.forgotten < limit {
            self.forgotten = self.forgotten.saturating_add(1);
        } else {
            return Entry::TooMany;
        }
        Entry::First
    }

    /// Takes in the nodes of `other`, which are at most `limit` with those that
    /// are there.
    ///
    /// # Errors
    ///
    /// [`Clash`] if not all of them can be right.
    pub fn join(&mut self, other: &Self, limit: u64) -> Result<(), Clash> {
        // A set has no order, and what is told has to be the same each time.
        let mut keys: Vec<_> = other.remembered.iter().copied().collect();
        keys.sort_unstable();
        self.forgotten = self.forgotten.saturating_add(other.forgotten);
        for key in keys {
            match self.insert(key, limit) {
                Entry::First => {}
                Entry::Again => {
                    let block = key >> BLOCK_SHIFT;
                    return Err(Clash::Shared { block });
                }
                Entry::TooMany => return Err(Clash::TooMany),
            }
        }
        if self.forgotten > limit {
            return Err(Clash::TooMany);
        }
        Ok(())
    }
}

/// Why the nodes of two parts of a filesystem cannot all be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// A block is a node in both: the first of them.
    Shared {
        /// The block.
        block: u64,
    },
    /// There are more than the filesystem can hold.
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_parts_share_is_told_in_the_same_way_each_time() {
        let read = |blocks: &[u64]| {
            let mut read = NodesRead::new(4);
            for block in blocks {
                assert_eq!(read.insert(block << BLOCK_SHIFT | 1, 9), Entry::First);
            }
            read
        };
        let mut all = read(&[]);
        assert_eq!(all.join(&read(&[5, 6]), 9), Ok(()));
        assert_eq!(
            all.join(&read(&[8, 6, 5]), 9),
            Err(Clash::Shared { block: 5 })
        );
        assert_eq!(all.insert(6 << BLOCK_SHIFT | 1, 9), Entry::Again);
        // From another depth it is another node.
        assert_eq!(all.insert(6 << BLOCK_SHIFT | 2, 9), Entry::First);
    }

    #[test]
    fn too_many_are_told() {
        let mut read = NodesRead::new(2);
        for key in 0..5 {
            assert_eq!(read.insert(key, 3), Entry::First);
        }
        assert_eq!(read.insert(9, 3), Entry::TooMany);
        assert_eq!(read.insert(1, 3), Entry::Again);
        let mut all = NodesRead::new(0);
        assert_eq!(all.join(&read, 5), Ok(()));
        assert_eq!(all.join(&NodesRead::new(0), 4), Err(Clash::TooMany));
    }
}
