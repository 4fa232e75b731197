//! Sizes and places that follow from the superblock alone.

pub mod base;
mod clusters;

use crate::feature::{Compat, Incompat, RoCompat};
use crate::finding::{Allowed, Distrust};
use crate::runs::BlockRun;
use crate::superblock::Superblock;
use crate::superblock::check::check_sizes;

/// Most block groups accepted: one byte of memory each. 32 TiB of 1 KiB blocks
/// or 512 TiB of 4 KiB blocks.
const GROUPS_MAX: u64 = 1 << 22;

/// Size of a group descriptor without the 64bit feature, in bytes.
const DESCRIPTOR_BYTES: u32 = 32;

/// Which groups hold a copy of the superblock, besides group 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backups {
    /// All, as in the first ext2.
    All,
    /// `sparse_super`: group 1 and the powers of 3, 5 and 7.
    Sparse,
    /// `sparse_super2`: at most two.
    Two([u32; 2]),
}

/// The shape of a filesystem, checked: every number is in the range that
/// e2fsprogs and the kernel accept, and they fit each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// log2 of the block size in bytes: 10 to 16.
    block_bits: u32,
    /// log2 of the blocks in a cluster: 0 to 19, 0 without bigalloc.
    ratio_bits: u32,
    block_count: u64,
    /// 1 where clusters are 1 KiB, else 0.
    first_data_block: u64,
    clusters_per_group: u32,
    inodes_per_group: u32,
    inode_bytes: u32,
    descriptor_bytes: u32,
    group_count: u32,
    backups: Backups,
    /// Blocks of the table of group descriptors that follow the superblock;
    /// the others are those of `meta_bg`.
    old_descriptor_blocks: u64,
    reserved_gdt_blocks: u64,
    /// The group whose copy of the descriptor table is read, not the first
    /// table.
    copy_group: Option<u32>,
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "check_sizes bounds every term: shifts by at most 29, and products of 32-bit numbers in 64 bits"
)]
impl Geometry {
    /// The geometry `sb` describes, on a disk of `disk_bytes`.
    ///
    /// # Errors
    ///
    /// [`Distrust`] if a number is not that of a filesystem, or does not fit the disk.
    pub fn new(sb: &Superblock, disk_bytes: u64) -> Result<Self, Distrust> {
        check_sizes(sb)?;
        let block_bits = 10 + sb.s_log_block_size;
        let ratio_bits = sb.s_log_cluster_size - sb.s_log_block_size;
        let per_group = u64::from(sb.s_clusters_per_group) << ratio_bits;
        let blocks = Allowed::Exactly(per_group);
        blocks.check("s_blocks_per_group", 0x20, sb.s_blocks_per_group)?;
        let first_data_block = u64::from(sb.s_log_cluster_size == 0);
        let first = Allowed::Exactly(first_data_block);
        first.check("s_first_data_block", 0x14, sb.s_first_data_block)?;
        let blocks = Allowed::range(first_data_block + 1, u64::MAX);
        blocks.check("s_blocks_count", 0x04, sb.s_blocks_count)?;

        let block_count = sb.s_blocks_count;
        let groups = (block_count - first_data_block).div_ceil(per_group);
        if groups > GROUPS_MAX {
            return Err(Distrust::TooMany {
                what: "block groups",
                found: groups,
                limit: GROUPS_MAX,
            });
        }
        let inodes = Allowed::Exactly(groups * u64::from(sb.s_inodes_per_group));
        inodes.check("s_inodes_count", 0x00, sb.s_inodes_count)?;
        let filesystem_bytes = block_count.saturating_mul(1 << block_bits);
        if filesystem_bytes > disk_bytes {
            return Err(Distrust::LargerThanDisk {
                filesystem_bytes,
                disk_bytes,
            });
        }
        let geometry = Self {
            block_bits,
            ratio_bits,
            block_count,
            first_data_block,
            clusters_per_group: sb.s_clusters_per_group,
            inodes_per_group: sb.s_inodes_per_group,
            inode_bytes: u32::from(sb.s_inode_size),
            descriptor_bytes: if sb.incompat.contains(Incompat::IS_64BIT) {
                u32::from(sb.s_desc_size)
            } else {
                DESCRIPTOR_BYTES
            },
            // At most GROUPS_MAX.
            group_count: u32::try_from(groups).unwrap_or(u32::MAX),
            backups: if sb.compat.contains(Compat::SPARSE_SUPER2) {
                Backups::Two(sb.s_backup_bgs)
            } else if sb.ro_compat.contains(RoCompat::SPARSE_SUPER) {
                Backups::Sparse
            } else {
                Backups::All
            },
            old_descriptor_blocks: 0,
            reserved_gdt_blocks: 0,
            copy_group: None,
        };
        geometry.with_descriptor_blocks(sb)
    }

    /// Adds where the group descriptors lie.
    fn with_descriptor_blocks(mut self, sb: &Superblock) -> Result<Self, Distrust> {
        let all = self.descriptor_blocks();
        if sb.incompat.contains(Incompat::META_BG) {
            let first = Allowed::range(0, all);
            first.check("s_first_meta_bg", 0x104, sb.s_first_meta_bg)?;
            self.old_descriptor_blocks = u64::from(sb.s_first_meta_bg);
        } else {
            self.old_descriptor_blocks = all;
            self.reserved_gdt_blocks = u64::from(sb.s_reserved_gdt_blocks);
        }
        // Places ascend, but for the turn from old blocks to those of meta_bg.
        let last_old = self.old_descriptor_blocks.checked_sub(1);
        for index in last_old.into_iter().chain([all - 1]) {
            let block = self.descriptor_block(index);
            if block >= self.block_count {
                return Err(Distrust::DescriptorTable {
                    index,
                    block,
                    blocks: self.block_count,
                });
            }
        }
        Ok(self)
    }

    /// Size of a block in bytes: a power of two from 1024 to 65536.
    #[must_use]
    pub const fn block_bytes(&self) -> u64 {
        1 << self.block_bits
    }

    /// Size of an allocation cluster in bytes: a block, or with bigalloc a
    /// power of two of them.
    #[must_use]
    pub const fn cluster_bytes(&self) -> u64 {
        1 << (self.block_bits + self.ratio_bits)
    }

    /// Blocks of the filesystem, those before the first group included.
    #[must_use]
    pub const fn block_count(&self) -> u64 {
        self.block_count
    }

    /// Block groups.
    #[must_use]
    pub const fn group_count(&self) -> u32 {
        self.group_count
    }

    /// Size of the filesystem in bytes; it fits the disk.
    #[must_use]
    pub const fn filesystem_bytes(&self) -> u64 {
        self.byte_of(self.block_count)
    }

    /// Inodes of a group.
    #[must_use]
    pub const fn inodes_per_group(&self) -> u32 {
        self.inodes_per_group
    }

    /// Inodes of all groups; they are numbered from 1.
    #[must_use]
    pub fn inode_count(&self) -> u32 {
        self.group_count * self.inodes_per_group
    }

    /// Whether block numbers have upper halves.
    #[must_use]
    pub const fn is_64bit(&self) -> bool {
        self.descriptor_bytes > DESCRIPTOR_BYTES
    }

    /// Size of an inode in bytes.
    #[must_use]
    pub const fn inode_bytes(&self) -> u32 {
        self.inode_bytes
    }

    /// Size of a group descriptor in bytes.
    #[must_use]
    pub const fn descriptor_bytes(&self) -> u32 {
        self.descriptor_bytes
    }

    /// Offset of `block` on the disk, in bytes; `block` is at most the count.
    #[must_use]
    pub const fn byte_of(&self, block: u64) -> u64 {
        block << self.block_bits
    }

    /// Whether `block` can hold anything but the boot block and the superblock.
    #[must_use]
    pub const fn holds(&self, block: u64) -> bool {
        self.first_data_block < block && block < self.block_count
    }

    /// Whether all of `run` can.
    #[must_use]
    pub const fn holds_all(&self, run: BlockRun) -> bool {
        self.first_data_block < run.start && run.end <= self.block_count
    }

    /// Blocks of the inode table of a group.
    #[must_use]
    pub fn table_blocks(&self) -> u64 {
        self.inode_blocks(self.inodes_per_group)
    }

    /// Blocks that hold the first `inodes` of an inode table.
    #[must_use]
    pub fn inode_blocks(&self, inodes: u32) -> u64 {
        (u64::from(inodes) * u64::from(self.inode_bytes)).div_ceil(self.block_bytes())
    }

    /// Descriptors in a block.
    #[must_use]
    pub fn descriptors_per_block(&self) -> u64 {
        // Both are powers of two, and a descriptor is at most a block.
        self.block_bytes() >> self.descriptor_bytes.trailing_zeros()
    }

    /// Blocks of the group descriptor table.
    #[must_use]
    pub fn descriptor_blocks(&self) -> u64 {
        u64::from(self.group_count).div_ceil(self.descriptors_per_block())
    }

    /// The same filesystem, with the group descriptors that e2fsck takes where
    /// the first ones are damaged: those after the second superblock.
    #[must_use]
    pub fn with_backup_descriptors(&self) -> Option<Self> {
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
    #[must_use]
    pub fn descriptor_block(&self, index: u64) -> u64 {
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

    /// The first block of `group`, for any 32-bit group.
    fn first_block(&self, group: u64) -> u64 {
        self.first_data_block + group * (u64::from(self.clusters_per_group) << self.ratio_bits)
    }

    /// The blocks of `group`; the last may be short.
    #[must_use]
    pub fn blocks_of(&self, group: u32) -> BlockRun {
        let group = u64::from(group);
        BlockRun {
            start: self.first_block(group),
            end: self.first_block(group + 1).min(self.block_count),
        }
    }

    /// Whether `group` holds a superblock.
    fn has_superblock(&self, group: u64) -> bool {
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

    /// The blocks at the start of `group` that hold the superblock, the group
    /// descriptors and the room reserved for more of them: the primary or a
    /// copy. Empty in most groups; in small ones it may pass their end.
    #[must_use]
    pub fn base_metadata(&self, group: u32) -> BlockRun {
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

/// `count` as an index; where it does not fit, one that no slice has.
#[must_use]
pub fn to_index(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
