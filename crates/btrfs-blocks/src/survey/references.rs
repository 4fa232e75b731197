//! What all trees refer to: it has to be in use.

use std::ops::Range;

use blockio::ReadAt;

use super::file_extent::contents;
use super::item::range;
use super::roots::{Named, named};
use super::visited::Visited;
use crate::filesystem::Keep;
use crate::finding::{BlockFault, Distrust, Step};
use crate::key::{item, tree};
use crate::runs::Runs;
use crate::superblock::Root;
use crate::tree::{Pointer, Reader, Walk};

/// Walks all trees that the root tree names, and the root tree, and holds what they refer to
/// against what is `used`. Leaves of trees that cannot refer to contents are not read.
pub(super) fn check<R: ReadAt + ?Sized>(
    reader: &Reader<'_, R>,
    root: Root,
    used: &Runs,
    keep: Keep,
) -> Step<()> {
    let mut references = References {
        reader,
        used,
        keep,
        visited: Visited::default(),
    };
    references.walk(Pointer::to_own(root, tree::ROOT))?;
    let mut walk = Walk::new(reader, Pointer::to_own(root, tree::ROOT));
    while let Some(leaf) = walk.next()? {
        for item in leaf.items().filter(|item| item.key.kind == item::ROOT) {
            let Named { root, is_whole } = named(&item)?;
            if is_whole {
                references.walk(Pointer::to_shared(root, item.key.object))?;
            }
        }
    }
    Ok(())
}

struct References<'r, 'd, R: ?Sized> {
    reader: &'r Reader<'d, R>,
    used: &'r Runs,
    keep: Keep,
    /// Blocks that were met: snapshots share most of theirs.
    visited: Visited,
}

impl<R: ReadAt + ?Sized> References<'_, '_, R> {
    fn walk(&mut self, root: Pointer) -> Step<()> {
        let tree = root.tree;
        let mut walk = Walk::new(self.reader, root);
        let has_contents = has_contents(tree);
        if !has_contents {
            walk = walk.without_leaves();
        }
        loop {
            let mut wants = |pointer: &Pointer| {
                let Some(block) = range(pointer.at, self.reader.node_bytes()) else {
                    return Err(pointer.fault(BlockFault::Unmapped).into());
                };
                self.is_used(tree, &block)?;
                let is_read = pointer.level > 0 || has_contents;
                Ok(is_read && self.visited.insert(pointer.at))
            };
            let Some(leaf) = walk.next_wanted(&mut wants)? else {
                return Ok(());
            };
            for item in leaf.items() {
                let contents = contents(tree, &item)?;
                if let (Some(range), Keep::Used) = (contents, self.keep) {
                    self.is_used(tree, &range)?;
                }
            }
        }
    }

    fn is_used(&self, tree: u64, range: &Range<u64>) -> Result<(), Distrust> {
        if self.used.holds(range) {
            return Ok(());
        }
        Err(Distrust::Reference {
            tree: tree.cast_signed(),
            at: range.start,
        })
    }
}

/// Whether a tree may refer to contents: subvolumes, and the trees that hold the old cache
/// of free space and what a balance moves.
const fn has_contents(tree: u64) -> bool {
    matches!(tree, tree::ROOT | tree::FS | tree::DATA_RELOCATION)
        || (tree >= tree::FIRST_FREE && tree <= tree::LAST_FREE)
}
