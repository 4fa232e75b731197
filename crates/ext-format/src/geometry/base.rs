//! Which group a block is in, and the blocks at the start of a group, one by
//! one.

use crate::geometry::Geometry;

/// What a block at the start of a group holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseBlock {
    /// The superblock, or before it the boot block.
    Superblock,
    /// This block of the group descriptor table.
    Descriptors(u64),
    /// Room for more group descriptors.
    Reserved,
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "numbers of blocks of a geometry that was checked"
)]
impl Geometry {
    /// The group of `block`, which the filesystem [`holds`](Self::holds).
    #[must_use]
    pub fn group_of(&self, block: u64) -> u32 {
        let group = block.saturating_sub(self.first_data_block) / self.blocks_per_group();
        u32::try_from(group).unwrap_or(u32::MAX)
    }

    /// Blocks of a group that is not the last.
    fn blocks_per_group(&self) -> u64 {
        self.blocks_in_clusters(self.clusters_per_group).max(1)
    }

    /// The block of the superblock in `group`, the first or a copy.
    #[must_use]
    pub fn superblock_in(&self, group: u32) -> Option<u64> {
        let group = u64::from(group);
        let block = self.first_block(group).max(self.superblock_block());
        (self.has_superblock(group) && block < self.block_count).then_some(block)
    }

    /// What `block`, one of [`base_metadata`](Self::base_metadata) of `group`,
    /// holds.
    #[must_use]
    pub fn base_block(&self, group: u32, block: u64) -> BaseBlock {
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
}
