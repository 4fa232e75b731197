//! What was found wrong on the way, each with what it cost.

use std::fmt;

use super::inode::InodeDamage;
use super::log::LogDamage;

/// Findings that are kept one by one; the rest are only counted.
const FINDINGS_MAX: usize = 1000;

/// What was found wrong in a filesystem whose bitmaps are trusted otherwise.
/// None of it ends a run: more of the disk is kept than was needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    findings: Vec<Finding>,
    total: u64,
}

impl Damage {
    /// The first 1000 findings.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many there are, those not kept included.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Takes in `other`, which came later.
    pub fn join(&mut self, other: Self) {
        let listed = u64::try_from(other.findings.len()).unwrap_or(u64::MAX);
        self.total = self
            .total
            .saturating_add(other.total.saturating_sub(listed));
        for finding in other.findings {
            self.push(finding);
        }
    }

    /// Takes in `finding`, which came later.
    pub fn push(&mut self, finding: Finding) {
        self.total = self.total.saturating_add(1);
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}

/// One thing that is wrong. Blocks are block numbers of the filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// The checksum of a group descriptor.
    #[error(
        "group {group}: the descriptor's checksum is {stored:#06x}, its contents give {computed:#06x}"
    )]
    DescriptorChecksum {
        /// The group.
        group: u32,
        /// As found.
        stored: u16,
        /// As it should be.
        computed: u16,
    },
    /// A descriptor that puts metadata outside the filesystem.
    #[error("group {group}: the {metadata} is at block {block}, outside the filesystem")]
    Location {
        /// The group.
        group: u32,
        /// Which metadata.
        metadata: GroupMetadata,
        /// Its first block.
        block: u64,
    },
    /// A bitmap that was never written, by a descriptor that may be older than the
    /// group, because the superblock was damaged.
    #[error(
        "group {group}: its block bitmap is marked as never written, which a damaged filesystem does not prove"
    )]
    UninitFromBackup {
        /// The group.
        group: u32,
    },
    /// A block bitmap in a block that also holds other metadata.
    #[error("group {group}: the block bitmap shares block {block} with other metadata")]
    SharedBitmap {
        /// The group.
        group: u32,
        /// The block.
        block: u64,
    },
    /// The checksum of a block bitmap.
    #[error(
        "group {group}: the block bitmap's checksum is {stored:#x}, its contents give {computed:#x}"
    )]
    BitmapChecksum {
        /// The group.
        group: u32,
        /// As found.
        stored: u32,
        /// As it should be, as many bits as are stored.
        computed: u32,
    },
    /// Metadata in a block that the bitmap calls free.
    #[error("group {group}: block {block} holds metadata, but the block bitmap marks it as free")]
    MetadataFree {
        /// The group in which the block lies.
        group: u32,
        /// The first such block, or the first of its cluster.
        block: u64,
    },
    /// A free count that the bitmap does not agree with.
    #[error(
        "group {group}: {stored} free clusters in the descriptor, {counted} in the block bitmap"
    )]
    FreeCount {
        /// The group.
        group: u32,
        /// `bg_free_blocks_count`.
        stored: u32,
        /// Zero bits of the bitmap.
        counted: u32,
    },
    /// A count of never used inodes that is larger than the table.
    #[error(
        "group {group}: {unused} inodes are marked as never used, must be at most {inodes_per_group}"
    )]
    UnusedInodes {
        /// The group.
        group: u32,
        /// `bg_itable_unused`.
        unused: u32,
        /// `s_inodes_per_group`.
        inodes_per_group: u32,
    },
    /// The checksum of an inode bitmap that should tell which inodes were
    /// never used.
    #[error(
        "group {group}: the inode bitmap's checksum is {stored:#x}, its contents give {computed:#x}"
    )]
    InodeBitmapChecksum {
        /// The group.
        group: u32,
        /// As found.
        stored: u32,
        /// As it should be, as many bits as are stored.
        computed: u32,
    },
    /// A free count of inodes that the inode bitmap does not agree with.
    #[error("group {group}: {stored} free inodes in the descriptor, {counted} in the inode bitmap")]
    FreeInodeCount {
        /// The group.
        group: u32,
        /// `bg_free_inodes_count`.
        stored: u32,
        /// Zero bits of the bitmap.
        counted: u32,
    },
    /// An inode in use among those that were never used.
    #[error(
        "group {group}: {unused} inodes are marked as never used, but the inode bitmap marks one of them as used"
    )]
    UnusedInodeInUse {
        /// The group.
        group: u32,
        /// `bg_itable_unused`.
        unused: u32,
    },
    /// The journal's blocks cannot all be found.
    #[error("journal inode {inode}: {damage}")]
    Journal {
        /// `s_journal_inum`.
        inode: u32,
        /// What is wrong.
        damage: JournalDamage,
    },
    /// A group descriptor that is not usable, in a look for metadata.
    #[error("group {group}: the descriptor is not usable")]
    Descriptor {
        /// The group.
        group: u32,
    },
    /// An inode that something names, among those that were never used.
    #[error("group {group}: inode {inode} was never used, but something refers to it")]
    UnusedInodeNamed {
        /// The group.
        group: u32,
        /// The first such inode that was found.
        inode: u32,
    },
    /// Blocks that an inode refers to, and a block bitmap calls free.
    #[error("inode {inode} refers to {}, marked as free in the block bitmap", Blocks { block: *block, count: *count })]
    InUse {
        /// The inode.
        inode: u32,
        /// The first of the blocks.
        block: u64,
        /// How many there are side by side.
        count: u64,
    },
    /// Blocks that an inode refers to, in an inode table that was never used.
    #[error("inode {inode} refers to {} in an inode table that was never used", Blocks { block: *block, count: *count })]
    InTable {
        /// The inode.
        inode: u32,
        /// The first of the blocks.
        block: u64,
        /// How many there are side by side.
        count: u64,
    },
    /// An inode with something wrong, or its map; the first of it.
    #[error("inode {inode}: {damage}")]
    Inode {
        /// The inode.
        inode: u32,
        /// What is wrong.
        damage: InodeDamage,
    },
    /// The log ends in a transaction that is not sound: the kernel does not replay
    /// it, and others may.
    #[error("the log ends early: {damage}")]
    LogTail {
        /// What is wrong.
        damage: LogDamage,
    },
    /// The multiple mount protection block is outside the filesystem.
    #[error("the multiple mount protection block is block {block}, outside the filesystem")]
    MmpBlock {
        /// `s_mmp_block`.
        block: u64,
    },
}

/// Blocks side by side, in words.
struct Blocks {
    block: u64,
    count: u64,
}

impl fmt::Display for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { block, count } = *self;
        if count == 1 {
            write!(f, "block {block}")
        } else {
            let last = block.saturating_add(count.saturating_sub(1));
            write!(f, "blocks {block} to {last}")
        }
    }
}

/// What a [`Finding`] costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Consequence {
    /// All of the group is used.
    GroupKept,
    /// All of the group's inode table is used.
    TableKept,
    /// Nothing: the block bitmaps alone tell where the structure is.
    BitmapsDecide,
    /// All bitmaps and inode tables are metadata, used or not, and what the
    /// copies of the descriptors name, too.
    TablesKept,
    /// Every part of its metadata that can be found is kept.
    FoundKept,
    /// What is in use with it is kept, and what is in use without it.
    BothKept,
    /// The blocks are kept that the inode refers to.
    BlocksKept,
}

impl Finding {
    /// What it costs.
    #[must_use]
    pub const fn consequence(&self) -> Consequence {
        match self {
            Self::DescriptorChecksum { .. }
            | Self::Location { .. }
            | Self::UninitFromBackup { .. }
            | Self::SharedBitmap { .. }
            | Self::BitmapChecksum { .. }
            | Self::MetadataFree { .. }
            | Self::FreeCount { .. } => Consequence::GroupKept,
            Self::UnusedInodes { .. }
            | Self::InodeBitmapChecksum { .. }
            | Self::FreeInodeCount { .. }
            | Self::UnusedInodeInUse { .. }
            | Self::UnusedInodeNamed { .. } => Consequence::TableKept,
            Self::Journal { .. } | Self::MmpBlock { .. } => Consequence::BitmapsDecide,
            Self::LogTail { .. } => Consequence::BothKept,
            Self::Descriptor { .. } => Consequence::TablesKept,
            Self::Inode { .. } => Consequence::FoundKept,
            Self::InUse { .. } | Self::InTable { .. } => Consequence::BlocksKept,
        }
    }
}

impl fmt::Display for Consequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GroupKept => "the whole group is kept",
            Self::TableKept => "the whole inode table is kept",
            Self::TablesKept => "all bitmaps and inode tables are kept whole",
            Self::FoundKept => "every part of it that can be found is kept",
            Self::BitmapsDecide => "the block bitmaps determine which blocks are kept",
            Self::BothKept => "blocks in use with or without it are kept",
            Self::BlocksKept => "the blocks it refers to are kept",
        })
    }
}

/// Metadata that a group descriptor points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupMetadata {
    /// The block bitmap.
    BlockBitmap,
    /// The inode bitmap.
    InodeBitmap,
    /// The inode table.
    InodeTable,
}

impl fmt::Display for GroupMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BlockBitmap => "block bitmap",
            Self::InodeBitmap => "inode bitmap",
            Self::InodeTable => "inode table",
        })
    }
}

/// Why the blocks of the journal cannot all be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalDamage {
    /// There is no such inode.
    #[error("the filesystem has {inodes} inodes")]
    NoSuchInode {
        /// `s_inodes_count`.
        inodes: u32,
    },
    /// The group descriptor that leads to the inode is not usable.
    #[error("the descriptor of its group is not usable")]
    Descriptor,
    /// It is not a regular file, or deleted.
    #[error("not a file in use (i_mode {i_mode:#o}, {i_links_count} links)")]
    NotAFile {
        /// `i_mode`.
        i_mode: u16,
        /// `i_links_count`.
        i_links_count: u16,
    },
    /// The inode is damaged, or its map.
    #[error(transparent)]
    Inode(#[from] InodeDamage),
    /// It has no block for a part of its contents.
    #[error("block {logical} of the journal is a hole")]
    Hole {
        /// The first block missing, counted from the journal's start.
        logical: u64,
    },
}
