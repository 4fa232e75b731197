//! Blocks of one directory: entries, the root and the nodes of an index.

use ext_format::checksum::Checksums;
use ext_format::superblock::{array_at, u32_at};

use crate::directory::entries::{Format, HEADER_BYTES, Rewritten, put_u32, rename, zero};
use crate::directory::hash::Hasher;
use crate::directory::index::{Node, Shape};
use crate::names::{Case, Names};

/// Size of the tail of a leaf, which holds its checksum, in bytes.
const TAIL_BYTES: usize = 12;

/// The tail but for the checksum: an entry that is not there, of 12 bytes and
/// of a type that no file has.
pub(super) const TAIL: [u8; 8] = [0, 0, 0, 0, 12, 0, 0, 0xde];

/// What a filesystem keeps in its directories.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) block_bytes: usize,
    pub(crate) checksums: Checksums,
    pub(crate) hasher: Hasher,
    pub(crate) has_data: bool,
    pub(crate) has_large_directories: bool,
}

/// A directory, as its inode tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Directory {
    pub(crate) number: u32,
    pub(crate) i_generation: u32,
    /// `EXT4_INDEX_FL`.
    pub(crate) is_indexed: bool,
    pub(crate) is_encrypted: bool,
    pub(crate) case: Case,
}

/// Scrambles one directory.
pub(crate) struct Scrambler<'a> {
    pub(crate) style: Style,
    pub(crate) directory: Directory,
    pub(crate) names: &'a Names,
}

#[expect(clippy::arithmetic_side_effects, reason = "offsets in a block")]
impl Scrambler<'_> {
    /// Scrambles one block of a directory that has no index, or shall have
    /// none.
    pub(crate) fn block(&self, block: &mut [u8]) -> Rewritten {
        if self.directory.is_indexed && self.flatten(block) {
            return Rewritten::default();
        }
        self.leaf(block)
    }

    /// Scrambles the entries of one area in an inode.
    pub(crate) fn inline(&self, area: &mut [u8]) -> Rewritten {
        let case = self.directory.case;
        rename(area, self.format(), |name| self.names.map(name, case))
    }

    /// Scrambles a block of entries.
    pub(super) fn leaf(&self, block: &mut [u8]) -> Rewritten {
        let covered = self.area_bytes(block);
        let wrong = self.leaf_error(block, covered);
        // The tail looks like an entry, and a damaged one may reach into it.
        let rewritten = self.inline(block);
        if let Some(tail) = block.get_mut(covered..).and_then(<[u8]>::first_chunk_mut) {
            *tail = TAIL;
        }
        self.seal_leaf(block, wrong);
        rewritten
    }

    /// Makes a block of the index one without entries, or the root one with
    /// `.` and `..` alone. Returns whether it looked like one.
    pub(super) fn flatten(&self, block: &mut [u8]) -> bool {
        let format = self.format();
        let entry = |at| format.entry(block, at);
        let Some(last) = entry(0).and_then(|first| match first.inode {
            0 => Some(first),
            _ => entry(first.bytes.end).filter(|second| {
                block.get(first.name) == Some(b".") && block.get(second.name.clone()) == Some(b"..")
            }),
        }) else {
            return false;
        };
        if last.bytes.end != block.len() {
            return false;
        }
        let end = self.area_end(block.len());
        let after = if last.inode == 0 {
            last.bytes.start + HEADER_BYTES
        } else {
            last.after.end
        };
        zero(block, after..block.len());
        format.set_length(block, last.bytes.start, end - last.bytes.start);
        if let Some(tail) = block.get_mut(end..end + TAIL.len()) {
            tail.copy_from_slice(&TAIL);
        }
        self.seal_leaf(block, 0);
        true
    }

    /// Where entries end in a block that has a tail where it should.
    fn area_end(&self, block_bytes: usize) -> usize {
        match self.style.checksums {
            Checksums::Crc32c { .. } => block_bytes - TAIL_BYTES,
            _ => block_bytes,
        }
    }

    /// Where entries end in `block`: a damaged one may lack its tail.
    pub(super) fn area_bytes(&self, block: &[u8]) -> usize {
        let end = self.area_end(block.len());
        if array_at(block, end) == TAIL {
            end
        } else {
            block.len()
        }
    }

    /// The checksum of a leaf, as it should be.
    fn leaf_checksum(&self, block: &[u8]) -> Option<u32> {
        let Directory {
            number,
            i_generation,
            ..
        } = self.directory;
        let covered = block.get(..self.area_end(block.len()))?;
        self.style
            .checksums
            .directory_block(number, i_generation, &[covered])
    }

    /// The bits of the checksum of a leaf that are wrong.
    pub(super) fn leaf_error(&self, block: &[u8], covered: usize) -> u32 {
        match self.leaf_checksum(block) {
            Some(right) if covered < block.len() => right ^ u32_at(block, block.len() - 4),
            _ => 0,
        }
    }

    /// Writes the checksum of a leaf that has a tail; the bits `wrong` stay so.
    pub(super) fn seal_leaf(&self, block: &mut [u8], wrong: u32) {
        let at = self.area_bytes(block);
        if let Some(right) = self.leaf_checksum(block)
            && at < block.len()
        {
            put_u32(block, at + TAIL.len(), right ^ wrong);
        }
    }

    /// The checksum of a node of the index, as it should be.
    fn node_checksum(&self, block: &[u8], node: &Node) -> Option<u32> {
        let Directory {
            number,
            i_generation,
            ..
        } = self.directory;
        let at = node.checksum_at();
        let covered = block.get(..node.covered_bytes())?;
        let reserved = block.get(at - 4..at)?;
        self.style
            .checksums
            .directory_block(number, i_generation, &[covered, reserved, &[0; 4]])
    }

    /// The bits of the checksum of a node that are wrong.
    pub(super) fn node_error(&self, blocks: &[u8], node: &Node) -> u32 {
        let block = blocks.chunks_exact(self.style.block_bytes).nth(node.block);
        let right = block.and_then(|block| Some((block, self.node_checksum(block, node)?)));
        right.map_or(0, |(block, right)| {
            right ^ u32_at(block, node.checksum_at())
        })
    }

    /// Writes the checksum of a node; the bits `wrong` stay so.
    pub(super) fn seal_node(&self, block: &mut [u8], node: &Node, wrong: u32) {
        if let Some(right) = self.node_checksum(block, node) {
            put_u32(block, node.checksum_at(), right ^ wrong);
        }
    }

    pub(super) fn block_mut<'b>(
        &self,
        blocks: &'b mut [u8],
        number: usize,
    ) -> Option<&'b mut [u8]> {
        blocks.chunks_exact_mut(self.style.block_bytes).nth(number)
    }

    pub(crate) const fn format(&self) -> Format {
        Format {
            block_bytes: self.style.block_bytes,
            has_hash: self.directory.is_encrypted && matches!(self.directory.case, Case::Folded),
            has_data: self.style.has_data,
        }
    }

    pub(super) const fn shape(&self) -> Shape {
        Shape {
            block_bytes: self.style.block_bytes,
            has_checksums: matches!(self.style.checksums, Checksums::Crc32c { .. }),
            has_large_directories: self.style.has_large_directories,
        }
    }
}
