//! Sizes and places that follow from a superblock that was checked.

/// Bytes of a basic block, in which the log and the headers of btree blocks count.
pub(crate) const BASIC_BLOCK_BYTES: u64 = 512;

/// The blocks of a filesystem and its allocation groups. Everything in it was held against
/// limits, so that no sum of its numbers passes the end of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Binary logarithms of the bytes of a block (9 to 16), a sector (9 to 15) and an
    /// inode (8 to 11).
    pub(crate) block_log: u8,
    pub(crate) sector_log: u8,
    pub(crate) inode_log: u8,
    /// Bits of a block's number within its group.
    pub(crate) ag_block_log: u8,
    /// Blocks of each group but the last, which may have fewer.
    pub(crate) ag_blocks: u32,
    pub(crate) ag_count: u32,
    /// Blocks of all groups.
    pub(crate) blocks: u64,
    /// Version 5: metadata has checksums, its own place and the UUID.
    pub(crate) has_crc: bool,
    /// The UUID in metadata: that of the superblock, or the one from before it was changed.
    pub(crate) meta_uuid: [u8; 16],
}

impl Geometry {
    pub(crate) const fn block_bytes(&self) -> u64 {
        1 << self.block_log
    }

    pub(crate) const fn sector_bytes(&self) -> u64 {
        1 << self.sector_log
    }

    pub(crate) const fn inode_bytes(&self) -> u64 {
        1 << self.inode_log
    }

    /// Bits of an inode's number within its block.
    pub(crate) const fn inodes_per_block_log(&self) -> u8 {
        self.block_log.saturating_sub(self.inode_log)
    }

    /// Bytes of all groups: the filesystem, without a realtime section.
    pub(crate) const fn bytes(&self) -> u64 {
        self.blocks.saturating_mul(self.block_bytes())
    }

    /// Blocks of group `ag`; 0 if there is no such group.
    pub(crate) fn ag_length(&self, ag: u32) -> u32 {
        let start = u64::from(ag).saturating_mul(u64::from(self.ag_blocks));
        let rest = self.blocks.saturating_sub(start);
        u32::try_from(rest.min(u64::from(self.ag_blocks))).unwrap_or(self.ag_blocks)
    }

    /// The block, counted through all groups without a gap, of block `block` of group `ag`.
    pub(crate) fn linear(&self, ag: u32, block: u32) -> u64 {
        let start = u64::from(ag).saturating_mul(u64::from(self.ag_blocks));
        start.saturating_add(u64::from(block))
    }

    /// The byte of the disk where block `block` of group `ag` begins.
    pub(crate) fn byte_of(&self, ag: u32, block: u32) -> u64 {
        self.linear(ag, block).saturating_mul(self.block_bytes())
    }

    /// The basic block of the disk where block `block` of group `ag` begins.
    pub(crate) fn basic_block_of(&self, ag: u32, block: u32) -> u64 {
        self.byte_of(ag, block) / BASIC_BLOCK_BYTES
    }

    /// The group and the block within it that a stored block number names; `None` if there
    /// is no such block.
    pub(crate) fn split(&self, fsblock: u64) -> Option<(u32, u32)> {
        let ag = u32::try_from(fsblock >> self.ag_block_log).ok()?;
        let low = fsblock & low_bits(self.ag_block_log);
        let block = u32::try_from(low).ok()?;
        (ag < self.ag_count && block < self.ag_length(ag)).then_some((ag, block))
    }

    /// The group, and the inode's number within it, that a stored inode number names;
    /// `None` if there is no such group.
    pub(crate) fn split_inode(&self, inode: u64) -> Option<(u32, u32)> {
        let bits = self
            .ag_block_log
            .saturating_add(self.inodes_per_block_log());
        let ag = u32::try_from(inode.checked_shr(u32::from(bits))?).ok()?;
        let low = u32::try_from(inode & low_bits(bits)).ok()?;
        (ag < self.ag_count).then_some((ag, low))
    }

    /// The number of inode `within` of group `ag`.
    pub(crate) fn inode_number(&self, ag: u32, within: u32) -> u64 {
        let bits = self
            .ag_block_log
            .saturating_add(self.inodes_per_block_log());
        u64::from(ag) << bits | u64::from(within)
    }
}

/// A number with its `bits` lowest bits set.
pub(crate) const fn low_bits(bits: u8) -> u64 {
    if bits >= 64 {
        return u64::MAX;
    }
    (1u64 << bits).saturating_sub(1)
}

/// What is needed to read the log. The log lies inside of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogGeometry {
    pub(crate) filesystem: Geometry,
    /// Byte of the disk where the log begins, and its length in bytes.
    pub(crate) start: u64,
    pub(crate) bytes: u64,
    /// Version 2 of the log (`XFS_SB_VERSION_LOGV2BIT`).
    pub(crate) is_version2: bool,
    /// `sb_logsectsize`, 512 where there is none, and `sb_logsunit`, in bytes.
    pub(crate) sector_bytes: u32,
    pub(crate) stripe_unit: u32,
    /// The UUID of the superblock, which the log has, too.
    pub(crate) uuid: [u8; 16],
    /// Inode cores have version 3 and 64-bit extent counts may occur (`NREXT64`).
    pub(crate) has_nrext64: bool,
    /// `sb_features_log_incompat`.
    pub(crate) log_incompat: u32,
    /// `sb_lsn` of version 5: where the superblock was last written from.
    pub(crate) lsn: u64,
}
