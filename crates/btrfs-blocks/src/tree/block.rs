//! A block of a tree. Linux, `struct btrfs_header`, `btrfs_item` and `btrfs_key_ptr`.

use crate::bytes::{array, byte, le32, le64, usize_of};
use crate::checksum::Checksum;
use crate::finding::BlockFault;
use crate::key::{KEY_BYTES, Key};
use crate::superblock::Superblock;

use super::pointer::Pointer;

const HEAD_BYTES: usize = 101;
const ITEM_BYTES: usize = 25;
const CHILD_BYTES: usize = 33;

/// What all blocks of a filesystem have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    fsid: [u8; 16],
    checksum: Checksum,
    pub(super) bytes: usize,
}

impl Shape {
    pub(super) fn of(superblock: &Superblock) -> Self {
        Self {
            fsid: superblock.tree_fsid(),
            checksum: superblock.checksum(),
            bytes: usize_of(superblock.node.into()),
        }
    }
}

/// A block that was found sound.
#[derive(Debug)]
pub(crate) struct Block {
    bytes: Vec<u8>,
    count: usize,
}

/// An item of a leaf.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'b> {
    pub(crate) key: Key,
    pub(crate) bytes: &'b [u8],
}

impl Block {
    /// Holds `bytes` against what `pointer` says of them.
    pub(super) fn check(
        bytes: Vec<u8>,
        pointer: &Pointer,
        shape: &Shape,
    ) -> Result<Self, (BlockFault, Vec<u8>)> {
        match fault(&bytes, pointer, shape) {
            Ok(count) => Ok(Self { bytes, count }),
            Err(fault) => Err((fault, bytes)),
        }
    }

    pub(crate) fn level(&self) -> u8 {
        byte(&self.bytes, 100)
    }

    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// The key of the item or the child of that number.
    pub(crate) fn key(&self, index: usize) -> Key {
        let bytes = if self.level() == 0 {
            ITEM_BYTES
        } else {
            CHILD_BYTES
        };
        Key::decode(&self.bytes, place(index, bytes))
    }

    /// The items of a leaf.
    pub(crate) fn items(&self) -> impl Iterator<Item = Item<'_>> {
        let count = if self.level() == 0 { self.count } else { 0 };
        (0..count).map(|index| {
            let at = place(index, ITEM_BYTES);
            let (from, to) = item_range(&self.bytes, at);
            Item {
                key: Key::decode(&self.bytes, at),
                bytes: self.bytes.get(from..to).unwrap_or(&[]),
            }
        })
    }

    /// The child of that number.
    pub(crate) fn child(&self, index: usize, parent: &Pointer) -> Option<Pointer> {
        let level = self.level().checked_sub(1)?;
        let at = place(index, CHILD_BYTES);
        (index < self.count).then(|| Pointer {
            at: le64(&self.bytes, at.saturating_add(KEY_BYTES)),
            generation: le64(&self.bytes, at.saturating_add(KEY_BYTES + 8)),
            level,
            first: Some(Key::decode(&self.bytes, at)),
            tree: parent.tree,
            owner: parent.owner,
        })
    }
}

/// Where the item or child of that number is described.
const fn place(index: usize, bytes: usize) -> usize {
    HEAD_BYTES.saturating_add(index.saturating_mul(bytes))
}

/// Where the bytes of the item that is described at `at` are.
fn item_range(block: &[u8], at: usize) -> (usize, usize) {
    let bytes = block.get(at..).unwrap_or(&[]);
    let from = usize_of(le32(bytes, KEY_BYTES).into()).saturating_add(HEAD_BYTES);
    let to = from.saturating_add(usize_of(le32(bytes, KEY_BYTES + 4).into()));
    (from, to)
}

/// How many items or children a sound block has.
fn fault(block: &[u8], pointer: &Pointer, shape: &Shape) -> Result<usize, BlockFault> {
    if !shape.checksum.is_right(block) {
        return Err(BlockFault::Checksum);
    }
    if array(block, 0x20) != shape.fsid {
        return Err(BlockFault::Filesystem);
    }
    if le64(block, 0x30) != pointer.at {
        return Err(BlockFault::Place);
    }
    if le64(block, 0x50) != pointer.generation {
        return Err(BlockFault::Generation);
    }
    if byte(block, 100) != pointer.level {
        return Err(BlockFault::Level);
    }
    if pointer
        .owner
        .is_some_and(|owner| le64(block, 0x58) != owner)
    {
        return Err(BlockFault::Owner);
    }
    let count = usize_of(le32(block, 0x60).into());
    let is_root = pointer.first.is_none();
    if count == 0 && !(is_root && pointer.level == 0) {
        return Err(BlockFault::Items);
    }
    let is_sound = if pointer.level == 0 {
        leaf_is_sound(block, count)
    } else {
        node_is_sound(block, count)
    };
    if !is_sound {
        return Err(BlockFault::Items);
    }
    let first = pointer.first;
    if first.is_some_and(|first| Key::decode(block, HEAD_BYTES) != first) {
        return Err(BlockFault::FirstKey);
    }
    Ok(count)
}

/// Items ascend, and their bytes follow each other from the end of the block backward, as
/// the kernel wants it.
fn leaf_is_sound(block: &[u8], count: usize) -> bool {
    let heads_end = place(count, ITEM_BYTES);
    if heads_end > block.len() {
        return false;
    }
    let (mut last, mut end) = (None, block.len());
    for index in 0..count {
        let at = place(index, ITEM_BYTES);
        let key = Key::decode(block, at);
        let (from, to) = item_range(block, at);
        if to != end || from < heads_end || last.is_some_and(|last| last >= key) {
            return false;
        }
        (last, end) = (Some(key), from);
    }
    true
}

fn node_is_sound(block: &[u8], count: usize) -> bool {
    if place(count, CHILD_BYTES) > block.len() {
        return false;
    }
    let key = |index| Key::decode(block, place(index, CHILD_BYTES));
    (1..count).all(|index| key(index.saturating_sub(1)) < key(index))
}
