//! The bits of the bitmaps of a group, which are its clusters or its inodes.

use std::ops::Range;

use crate::geometry::{Geometry, to_index};
use crate::runs::BlockRun;

#[expect(
    clippy::arithmetic_side_effects,
    reason = "numbers of clusters of a geometry that was checked"
)]
impl Geometry {
    /// Blocks in `clusters` clusters.
    #[must_use]
    pub fn blocks_in_clusters(&self, clusters: u32) -> u64 {
        u64::from(clusters) << self.ratio_bits
    }

    /// Clusters of `group`, which are the bits of its bitmap that count.
    #[must_use]
    pub fn clusters_in(&self, group: u32) -> usize {
        let blocks = self.blocks_of(group).count();
        to_index(blocks.div_ceil(1 << self.ratio_bits))
    }

    /// Bytes at the start of a block bitmap that its checksum covers.
    #[must_use]
    pub fn block_bitmap_bytes(&self) -> usize {
        to_index(u64::from(self.clusters_per_group / 8))
    }

    /// Bytes at the start of an inode bitmap that its checksum covers.
    #[must_use]
    pub fn inode_bitmap_bytes(&self) -> usize {
        to_index(u64::from(self.inodes_per_group / 8))
    }

    /// The clusters of `group` that `run` touches, as bits of its bitmap.
    #[must_use]
    pub fn bits_of(&self, group: u32, run: BlockRun) -> Range<usize> {
        let group = self.blocks_of(group);
        let within = run.intersection(group);
        if within.is_empty() {
            return 0..0;
        }
        let first = (within.start - group.start) >> self.ratio_bits;
        let last = (within.end - 1 - group.start) >> self.ratio_bits;
        to_index(first)..to_index(last + 1)
    }

    /// The bytes on the disk of the clusters `bits` of `group`, without those
    /// of the last cluster that lie after the filesystem.
    #[must_use]
    pub fn bytes_of(&self, group: u32, bits: Range<usize>) -> Range<u64> {
        let end = self.blocks_of(group).end;
        let block = |bit| self.byte_of(self.block_of_bit(group, bit).min(end));
        block(bits.start)..block(bits.end)
    }

    /// The block of cluster `bit` of `group`, the first where it has several.
    #[must_use]
    pub fn block_of_bit(&self, group: u32, bit: usize) -> u64 {
        let bit = u64::try_from(bit).unwrap_or(u64::MAX);
        self.blocks_of(group).start + (bit << self.ratio_bits)
    }

    /// Bytes by which the last cluster of `group` passes the filesystem's end.
    #[must_use]
    pub fn bytes_past_end(&self, group: u32) -> u64 {
        let blocks = self.blocks_of(group).count();
        self.byte_of(blocks.next_multiple_of(1 << self.ratio_bits) - blocks)
    }
}
