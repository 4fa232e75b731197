//! A walk through all leaves of a tree, in the order of their keys.

use blockio::ReadAt;

use super::block::Block;
use super::pointer::Pointer;
use super::reader::Reader;
use crate::finding::{BlockFault, Step};
use crate::key::Key;

/// A walk through a tree. It ends: keys ascend from each block to the next one, and a block
/// begins with the key that refers to it, so that no block is met twice.
#[derive(Debug)]
pub(crate) struct Walk<'r, 'd, R: ?Sized> {
    reader: &'r Reader<'d, R>,
    root: Option<Pointer>,
    /// The nodes on the way, each with what refers to it and the number of its next child.
    path: Vec<(Block, Pointer, usize)>,
    last: Option<Key>,
    /// Stops above the leaves.
    skips_leaves: bool,
}

impl<'r, 'd, R: ReadAt + ?Sized> Walk<'r, 'd, R> {
    pub(crate) const fn new(reader: &'r Reader<'d, R>, root: Pointer) -> Self {
        Self {
            reader,
            root: Some(root),
            path: Vec::new(),
            last: None,
            skips_leaves: false,
        }
    }

    /// Asks `wants` about leaves, but does not read them.
    pub(crate) const fn without_leaves(mut self) -> Self {
        self.skips_leaves = true;
        self
    }

    /// The next leaf.
    pub(crate) fn next(&mut self) -> Step<Option<Block>> {
        self.next_wanted(&mut |_| Ok(true))
    }

    /// The next leaf, without the blocks that `wants` does not want, and all below them.
    pub(crate) fn next_wanted(
        &mut self,
        wants: &mut dyn FnMut(&Pointer) -> Step<bool>,
    ) -> Step<Option<Block>> {
        while let Some(pointer) = self.next_pointer() {
            if !wants(&pointer)? || (self.skips_leaves && pointer.level == 0) {
                continue;
            }
            let block = self.reader.read(&pointer)?;
            if pointer.level > 0 {
                self.path.push((block, pointer, 0));
                continue;
            }
            self.ascends(&block, &pointer)?;
            return Ok(Some(block));
        }
        Ok(None)
    }

    fn next_pointer(&mut self) -> Option<Pointer> {
        if let Some(root) = self.root.take() {
            return Some(root);
        }
        while let Some((block, pointer, index)) = self.path.last_mut() {
            if let Some(child) = block.child(*index, pointer) {
                *index = index.saturating_add(1);
                return Some(child);
            }
            self.path.pop();
        }
        None
    }

    fn ascends(&mut self, leaf: &Block, pointer: &Pointer) -> Step<()> {
        let Some(last) = leaf.count().checked_sub(1) else {
            return Ok(());
        };
        if self.last.is_some_and(|last| last >= leaf.key(0)) {
            return Err(pointer.fault(BlockFault::Items).into());
        }
        self.last = Some(leaf.key(last));
        Ok(())
    }
}
