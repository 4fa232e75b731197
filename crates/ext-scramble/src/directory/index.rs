//! The index of a directory: a tree of hashes over its blocks.

use byteorder::{ByteOrder, LittleEndian};
use ext_format::geometry::to_index;
use ext_format::superblock::{array_at, u16_at, u32_at};

use crate::directory::entries::zero;
use crate::directory::hash::Algorithm;

/// Where the entries of the root begin, and those of any other node, in bytes.
pub(crate) const ROOT_AT: usize = 0x20;
pub(crate) const NODE_AT: usize = 8;

/// Size of an entry of a node, and of its tail with a checksum, in bytes.
const ENTRY_BYTES: usize = 8;
const TAIL_BYTES: usize = 8;

/// The bits of an entry that tell a block of the directory.
const BLOCK_MASK: u32 = 0x0fff_ffff;

/// Most levels of nodes below the root, without and with `largedir`.
const LEVELS_MAX: u8 = 1;
const LARGE_LEVELS_MAX: u8 = 2;

/// `hash_version` of a hash with a secret key, which lies after each name.
const SIPHASH: u8 = 6;

/// How the hashes of an index are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hashes {
    /// They can be computed.
    Of(Algorithm),
    /// They depend on a key that is not on the disk.
    Secret,
}

/// A block of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Block of the directory.
    pub(crate) block: usize,
    /// Byte of the block at which its entries begin.
    pub(crate) at: usize,
    count: usize,
    limit: usize,
}

/// The place of a hash that the index holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    block: usize,
    at: usize,
    /// The leaf from which on names have this hash or a larger one.
    leaf: usize,
}

/// The index of a directory, in which nothing is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) hashes: Hashes,
    pub(crate) nodes: Vec<Node>,
    /// Blocks of the directory that hold entries, by the hashes of these.
    pub(crate) leaves: Vec<usize>,
    slots: Vec<Slot>,
}

/// What an index may look like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) block_bytes: usize,
    pub(crate) has_checksums: bool,
    pub(crate) has_large_directories: bool,
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "offsets in a block, and numbers of blocks in memory"
)]
impl Index {
    /// The index of the directory `blocks`, which lie one after the other.
    /// `None` where there is no sound one that leads to every block once.
    pub(crate) fn parse(blocks: &[u8], shape: Shape) -> Option<Self> {
        let root = blocks.get(..shape.block_bytes)?;
        let [version, info_bytes, levels, flags] = array_at(root, 0x1c);
        let hashes = match Algorithm::from_version(version) {
            Some(algorithm) => Hashes::Of(algorithm),
            None if version == SIPHASH => Hashes::Secret,
            None => return None,
        };
        let levels_max = if shape.has_large_directories {
            LARGE_LEVELS_MAX
        } else {
            LEVELS_MAX
        };
        let dot = u16_at(root, 4) == 12 && root.get(6) == Some(&1) && root.get(8) == Some(&b'.');
        let dotdot = root.get(0x12) == Some(&2) && root.get(0x14..0x16) == Some(b"..");
        let spans = usize::from(u16_at(root, 0x10)) + 12 == shape.block_bytes;
        let sane = info_bytes == 8 && levels <= levels_max && flags & 1 == 0;
        if !(dot && dotdot && spans && sane) {
            return None;
        }
        let mut index = Self {
            hashes,
            nodes: Vec::new(),
            leaves: Vec::new(),
            slots: Vec::new(),
        };
        let mut unseen = vec![true; blocks.len() / shape.block_bytes];
        *unseen.first_mut()? = false;
        index.take(blocks, shape, (0, ROOT_AT, levels), &mut unseen)?;
        let all_seen = !unseen.contains(&true);
        (all_seen && !index.leaves.is_empty()).then_some(index)
    }

    /// Takes in a node, which has `levels` of nodes below it, and all below.
    fn take(
        &mut self,
        blocks: &[u8],
        shape: Shape,
        (block, at, levels): (usize, usize, u8),
        unseen: &mut [bool],
    ) -> Option<()> {
        let start = block * shape.block_bytes;
        let bytes = blocks.get(start..start + shape.block_bytes)?;
        let tail = if shape.has_checksums { TAIL_BYTES } else { 0 };
        let room = (shape.block_bytes - at - tail) / ENTRY_BYTES;
        let limit = usize::from(u16_at(bytes, at));
        let count = usize::from(u16_at(bytes, at + 2));
        // All but the root look like an entry that is not there.
        let disguised = at == ROOT_AT || (u32_at(bytes, 0) == 0 && bytes.get(6) == Some(&0));
        if limit != room || count == 0 || count > limit || !disguised {
            return None;
        }
        self.nodes.push(Node {
            block,
            at,
            count,
            limit,
        });
        for (number, entry) in bytes
            .get(at..)?
            .chunks_exact(ENTRY_BYTES)
            .take(count)
            .enumerate()
        {
            if number > 0 {
                self.slots.push(Slot {
                    block,
                    at: at + number * ENTRY_BYTES,
                    leaf: self.leaves.len(),
                });
            }
            let child = to_index(u64::from(u32_at(entry, 4) & BLOCK_MASK));
            if !std::mem::take(unseen.get_mut(child)?) {
                return None;
            }
            match levels.checked_sub(1) {
                None => self.leaves.push(child),
                Some(levels) => self.take(blocks, shape, (child, NODE_AT, levels), unseen)?,
            }
        }
        Some(())
    }

    /// Writes the hash from which on names are in each leaf. The tree keeps
    /// its shape.
    pub(crate) fn set_hashes(&self, blocks: &mut [u8], block_bytes: usize, from: &[u32]) {
        for slot in &self.slots {
            let at = slot.block * block_bytes + slot.at;
            if let (Some(field), Some(hash)) = (blocks.get_mut(at..at + 4), from.get(slot.leaf)) {
                LittleEndian::write_u32(field, *hash);
            }
        }
    }
}

#[expect(clippy::arithmetic_side_effects, reason = "offsets in a block")]
impl Node {
    /// Where the checksum lies, in bytes from the start of the block.
    pub(crate) const fn checksum_at(&self) -> usize {
        self.at + self.limit * ENTRY_BYTES + TAIL_BYTES / 2
    }

    /// Zeros what no entry of the node uses in its block.
    pub(crate) fn zero_slack(&self, block: &mut [u8]) {
        if self.at == ROOT_AT {
            // After the names of `.` and `..`.
            zero(block, 9..12);
            zero(block, 0x16..0x18);
        }
        zero(
            block,
            self.covered_bytes()..self.at + self.limit * ENTRY_BYTES,
        );
    }

    /// Bytes at the start of the block that the checksum covers.
    pub(crate) const fn covered_bytes(&self) -> usize {
        self.at + self.count * ENTRY_BYTES
    }
}
