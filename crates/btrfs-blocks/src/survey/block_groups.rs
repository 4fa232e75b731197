//! Block groups: one for each chunk, with the bytes of its extents.

use blockio::ReadAt;

use super::item::unsound;
use crate::bytes::le64;
use crate::finding::{Distrust, Step};
use crate::key::{item, tree};
use crate::tree::{Item, Pointer, Reader, Walk};
use crate::volume::{Chunks, flags};

const BYTES: usize = 24;

/// A block group, as it is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    start: u64,
    length: u64,
    used: u64,
    flags: u64,
}

/// The block group that `item` of a tree describes.
pub(super) fn group(tree: u64, item: &Item<'_>) -> Result<Group, Distrust> {
    if item.bytes.len() != BYTES {
        return Err(unsound(tree, item.key, "its length"));
    }
    Ok(Group {
        start: item.key.object,
        length: item.key.offset,
        used: le64(item.bytes, 0),
        flags: le64(item.bytes, 16),
    })
}

/// Reads the tree of block groups.
pub(super) fn read<R: ReadAt + ?Sized>(reader: &Reader<'_, R>, root: Pointer) -> Step<Vec<Group>> {
    let mut groups = Vec::new();
    let mut walk = Walk::new(reader, root);
    while let Some(leaf) = walk.next()? {
        for item in leaf.items() {
            if item.key.kind == item::BLOCK_GROUP {
                // Each has a chunk, of which there is a limit.
                if groups.len() >= reader.chunks.len() {
                    return Err(Distrust::BlockGroup {
                        start: item.key.object,
                    }
                    .into());
                }
                groups.push(group(tree::BLOCK_GROUP, &item)?);
            }
        }
    }
    Ok(groups)
}

/// Holds block groups against chunks and the bytes of their extents, and returns the bytes
/// of all.
pub(super) fn check(chunks: &Chunks, groups: &[Group], sums: &[u64]) -> Result<u64, Distrust> {
    let mut all = 0u64;
    let mut groups = groups.iter();
    for (chunk, computed) in chunks.all().iter().zip(sums) {
        let start = chunk.start;
        let same = |group: &&Group| {
            (group.start, group.length) == (start, chunk.length)
                && group.flags & flags::TYPES == chunk.flags & flags::TYPES
        };
        let Some(group) = groups.next().filter(same) else {
            return Err(Distrust::BlockGroup { start });
        };
        if group.used != *computed {
            return Err(Distrust::GroupSum {
                start,
                stored: group.used,
                computed: *computed,
            });
        }
        all = all.saturating_add(*computed);
    }
    match groups.next() {
        None => Ok(all),
        Some(left) => Err(Distrust::BlockGroup { start: left.start }),
    }
}
