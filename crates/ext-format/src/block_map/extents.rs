//! The nodes of an extent tree as they are stored.

use crate::runs::BlockRun;
use crate::superblock::{join, u16_at, u32_at};

/// `eh_magic`.
const EXTENT_MAGIC: u16 = 0xf30a;

/// Size of the header of a node, and of each of its entries, in bytes.
const EXTENT_BYTES: usize = 12;

/// Longest initialised extent, in blocks; a longer one is unwritten and this
/// much shorter.
const EXTENT_BLOCKS_MAX: u16 = 0x8000;

/// Whether `bytes` begin as a node of an extent tree.
pub(super) fn looks_like_node(bytes: &[u8]) -> bool {
    u16_at(bytes, 0) == EXTENT_MAGIC
}

/// `eh_depth`: levels of nodes below.
pub(super) fn depth_of(bytes: &[u8]) -> u16 {
    u16_at(bytes, 6)
}

/// Whether `bytes` are a node of an extent tree with `depth` levels of nodes
/// below, according to its header.
pub(super) fn is_node(bytes: &[u8], depth: u16) -> bool {
    let entries = u16_at(bytes, 2);
    let max = u16_at(bytes, 4);
    // The header takes the room of one entry.
    let room = (bytes.len() / EXTENT_BYTES).saturating_sub(1);
    looks_like_node(bytes) && entries <= max && usize::from(max) <= room && depth_of(bytes) == depth
}

/// The part of a node in a block that its checksum covers, and the checksum.
pub(super) fn covered(bytes: &[u8]) -> (&[u8], u32) {
    let max = usize::from(u16_at(bytes, 4));
    let end = max.saturating_add(1).saturating_mul(EXTENT_BYTES);
    (bytes.get(..end).unwrap_or_default(), u32_at(bytes, end))
}

/// The entries of a node, in `bytes`.
pub(super) fn entries(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let entries = usize::from(u16_at(bytes, 2));
    bytes.chunks_exact(EXTENT_BYTES).skip(1).take(entries)
}

/// The first logical block of an entry.
pub(super) fn logical(entry: &[u8]) -> u64 {
    u64::from(u32_at(entry, 0))
}

/// The node that an entry of a node above the leaves names.
pub(super) fn child(entry: &[u8]) -> u64 {
    join(u32_at(entry, 4), u32::from(u16_at(entry, 8)))
}

/// The blocks of an entry of a leaf, and whether they are unwritten.
pub(super) fn extent(entry: &[u8]) -> (BlockRun, bool) {
    let start = join(u32_at(entry, 8), u32::from(u16_at(entry, 6)));
    let length = u16_at(entry, 4);
    let unwritten = length
        .checked_sub(EXTENT_BLOCKS_MAX)
        .filter(|length| *length > 0);
    let count = u64::from(unwritten.unwrap_or(length));
    (BlockRun::new(start, count), unwritten.is_some())
}
