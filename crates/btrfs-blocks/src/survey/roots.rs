//! The root tree: where the other trees begin.

use std::ops::Range;

use blockio::ReadAt;

use super::file_extent::contents;
use super::item::{no_tree, unsound};
use crate::bytes::{byte, le32, le64};
use crate::finding::{Distrust, Step};
use crate::key::{Key, item, tree};
use crate::superblock::Root;
use crate::tree::{Item, Pointer, Reader, Walk};

/// Bytes of a root item before the fields that were added later.
const BYTES_MIN: usize = 239;

/// Most contents that the root tree itself refers to: the old cache of free space has a few
/// for each block group.
const CACHE_MAX: usize = 1 << 20;

/// The trees that tell what is free.
pub(super) struct Roots {
    pub(super) extents: Pointer,
    pub(super) devices: Pointer,
    pub(super) free_space: Option<Pointer>,
    pub(super) block_groups: Option<Pointer>,
    /// The old cache of free space.
    pub(super) cache: Vec<Range<u64>>,
}

/// A tree that the root tree names.
pub(super) struct Named {
    pub(super) root: Root,
    /// Whether all that its blocks refer to is there: not if its deletion has begun.
    pub(super) is_whole: bool,
}

/// Reads where the trees begin.
pub(super) fn read<R: ReadAt + ?Sized>(reader: &Reader<'_, R>, root: Root) -> Step<Roots> {
    let [mut extents, mut devices, mut free_space, mut block_groups] = [None; 4];
    let mut cache = Vec::new();
    let mut walk = Walk::new(reader, Pointer::to_own(root, tree::ROOT));
    while let Some(leaf) = walk.next()? {
        for item in leaf.items() {
            if let Some(range) = contents(tree::ROOT, &item)? {
                cache.push(range);
            }
            let slot = match item.key {
                Key {
                    kind: item::ROOT,
                    offset: 0,
                    object,
                } => match object {
                    tree::EXTENT => &mut extents,
                    tree::DEV => &mut devices,
                    tree::FREE_SPACE => &mut free_space,
                    tree::BLOCK_GROUP => &mut block_groups,
                    _ => continue,
                },
                _ => continue,
            };
            *slot = Some(Pointer::to_own(named(&item)?.root, item.key.object));
        }
        if cache.len() > CACHE_MAX {
            return Err(Distrust::TooMany {
                what: "contents in the root tree",
                limit: blockio::len_u64(CACHE_MAX),
            }
            .into());
        }
    }
    Ok(Roots {
        extents: extents.ok_or(no_tree(tree::EXTENT))?,
        devices: devices.ok_or(no_tree(tree::DEV))?,
        free_space,
        block_groups,
        cache,
    })
}

/// The tree that an item of the root tree, or of the log's, names.
pub(super) fn named(item: &Item<'_>) -> Result<Named, Distrust> {
    let bytes = item.bytes;
    if bytes.len() < BYTES_MIN {
        return Err(unsound(tree::ROOT, item.key, "a root that is too short"));
    }
    // While it is deleted, the last key that was is in bytes 220 to 237.
    let is_deleted = le32(bytes, 216) == 0 || le64(bytes, 220) != 0;
    Ok(Named {
        root: Root {
            at: le64(bytes, 176),
            level: byte(bytes, 238),
            generation: le64(bytes, 160),
        },
        is_whole: !is_deleted && item.key.object != tree::RELOCATION,
    })
}
