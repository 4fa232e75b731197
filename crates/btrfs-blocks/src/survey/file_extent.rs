//! A reference of a file to its contents. Linux, `struct btrfs_file_extent_item`.

use std::ops::Range;

use super::item::{range, unsound};
use crate::bytes::{byte, le64};
use crate::finding::Distrust;
use crate::key::item;
use crate::tree::Item;

const INLINE: u8 = 0;
const REGULAR: u8 = 1;
const PREALLOCATED: u8 = 2;
const BYTES: usize = 53;

/// The contents that an item of `tree` refers to, if it is such a reference: `None` of all
/// others, of holes, and of contents within the item.
pub(super) fn contents(tree: u64, item: &Item<'_>) -> Result<Option<Range<u64>>, Distrust> {
    if item.key.kind != item::EXTENT_DATA {
        return Ok(None);
    }
    match byte(item.bytes, 20) {
        INLINE => return Ok(None),
        REGULAR | PREALLOCATED if item.bytes.len() == BYTES => {}
        _ => return Err(unsound(tree, item.key, "a file extent of no known kind")),
    }
    match le64(item.bytes, 21) {
        0 => Ok(None),
        start => match range(start, le64(item.bytes, 29)) {
            Some(range) if !range.is_empty() => Ok(Some(range)),
            _ => Err(unsound(tree, item.key, "a file extent without a length")),
        },
    }
}
