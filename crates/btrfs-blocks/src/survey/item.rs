//! What is wrong with an item, or with all of a tree.

use std::ops::Range;

use crate::finding::Distrust;
use crate::key::Key;

/// The item of `tree` with this `key` is unsound.
pub(super) const fn unsound(tree: u64, key: Key, what: &'static str) -> Distrust {
    Distrust::Item {
        tree: tree.cast_signed(),
        object: key.object,
        kind: key.kind,
        offset: key.offset,
        what,
    }
}

/// There is no such tree, or it lacks what it has to hold.
pub(super) const fn no_tree(tree: u64) -> Distrust {
    Distrust::NoTree {
        tree: tree.cast_signed(),
    }
}

/// The `length` bytes at `start`, or `None` if they pass the end of all filesystems.
pub(super) fn range(start: u64, length: u64) -> Option<Range<u64>> {
    Some(start..start.checked_add(length)?)
}
