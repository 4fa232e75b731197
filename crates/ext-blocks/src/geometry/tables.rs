//! Where superblocks and group descriptors lie, and their copies.

use super::Geometry;
use crate::runs::BlockRun;

/// Which groups hold a copy of the superblock, besides group 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backups {
    /// All, as in the first ext2.
    All,
    /// `sparse_super`: group 1 and the powers of 3, 5 and 7.
    Sparse,
    /// `sparse_super2`: at most two.
    Two([u32; 2]),
}

/// What a block at the start of a group holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BaseBlock {
    /// The superblock, or before it the boot block.
    Superblock,
    /// This block of the group descriptor table.
    Descriptors(u64),
    /// Room for more group descriptors.
    Reserved,
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "check_sizes bounds every term: shifts by at most 29, and products of 32-bit numbers in 64 bits"
)]
impl Geometry {
    /// Descriptors in a block.
    pub(crate) fn descriptors_per_block(&self) -> u64 {
        // Both are powers of two, and a descriptor is at most a block.
        self.block_bytes() >> self.descriptor_bytes.trailing_zeros()
    }

    /// Blocks of the group descriptor table.
    pub(crate) fn descriptor_blocks(&self) -> u64 {
        u64::from(self.group_count).div_ceil(self.descriptors_per_block())
    }

    /// The same filesystem, with the group descriptors that e2fsck takes where
    /// the first ones are damaged: those behind the second superblock.
    pub(crate) fn with_copied_descriptors(&self) -> Option<Self> {
        let mut groups = 1..self.group_count;
        let copy_group = groups.find(|group| self.has_superblock(u64::from(*group)))?;
        let copy = Self {
            copy_group: Some(copy_group),
            ..self.clone()
        };
        let inside = |index| copy.descriptor_block(index) < self.block_count;
        (0..self.descriptor_blocks()).all(inside).then_some(copy)
    }

    /// The block in which block `index` of the group descriptor table lies.
    pub(crate) fn descriptor_block(&self, index: u64) -> u64 {
        if index < self.old_descriptor_blocks {
            let superblock = match self.copy_group {
                Some(group) => self.first_block(u64::from(group)),
                None => self.superblock_block(),
            };
            return superblock + 1 + index;
        }
        let mut group = index * self.descriptors_per_block();
        // A block of meta_bg is copied to the next group, where there is one.
        if self.copy_group.is_some() && group + 1 < u64::from(self.group_count) {
            group += 1;
        }
        let start = self.first_block(group).max(self.superblock_block());
        start + u64::from(self.has_superblock(group))
    }

    /// The block of the first superblock: block 0 also holds it where blocks
    /// are larger than 1 KiB.
    fn superblock_block(&self) -> u64 {
        u64::from(self.block_bits == 10)
    }

    /// The block of the superblock in `group`, the first or a copy.
    pub(crate) fn superblock_in(&self, group: u32) -> Option<u64> {
        let group = u64::from(group);
        let block = self.first_block(group).max(self.superblock_block());
        (self.has_superblock(group) && block < self.block_count).then_some(block)
    }

    /// Whether `group` holds a superblock.
    pub(super) fn has_superblock(&self, group: u64) -> bool {
        let power_of = |base: u64| {
            std::iter::successors(Some(base), |power| power.checked_mul(base))
                .take_while(|power| *power <= group)
                .any(|power| power == group)
        };
        group == 0
            || match self.backups {
                Backups::All => true,
                Backups::Sparse => group == 1 || [3, 5, 7].into_iter().any(power_of),
                Backups::Two(groups) => groups.map(u64::from).contains(&group),
            }
    }

    /// What `block`, one of [`base_metadata`](Self::base_metadata) of `group`,
    /// holds.
    pub(crate) fn base_block(&self, group: u32, block: u64) -> BaseBlock {
        let per_block = self.descriptors_per_block();
        let meta_group = u64::from(group) / per_block;
        let table = match self.superblock_in(group) {
            Some(superblock) if block <= superblock => return BaseBlock::Superblock,
            Some(superblock) => superblock + 1,
            None => self.first_block(u64::from(group)),
        };
        if meta_group >= self.old_descriptor_blocks {
            return BaseBlock::Descriptors(meta_group);
        }
        match block - table {
            index if index < self.old_descriptor_blocks => BaseBlock::Descriptors(index),
            _ => BaseBlock::Reserved,
        }
    }

    /// The blocks at the start of `group` that hold the superblock, the group
    /// descriptors and the room reserved for more of them: the primary or a
    /// copy. Empty in most groups; in small ones it may pass their end.
    pub(crate) fn base_metadata(&self, group: u32) -> BlockRun {
        let group = u64::from(group);
        let start = self.first_block(group);
        let superblock = u64::from(self.has_superblock(group));
        let per_block = self.descriptors_per_block();
        let table = if group / per_block < self.old_descriptor_blocks {
            superblock * (self.old_descriptor_blocks + self.reserved_gdt_blocks)
        } else {
            // A block of meta_bg, or one of its two copies.
            let member = group % per_block;
            u64::from(member < 2 || member == per_block - 1)
        };
        // Block 0 is the boot block where the superblock is in block 1.
        let boot = self.superblock_block().saturating_sub(start);
        let end = start + boot + superblock + table;
        BlockRun {
            start,
            end: end.min(self.block_count),
        }
    }
}
