//! The three feature words of the superblock.

use bitflags::bitflags;

bitflags! {
    /// `s_feature_compat`, bytes 0x5c..0x60: unknown bits never matter.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Compat: u32 {
        /// A journal.
        const HAS_JOURNAL = 0x4;
        /// Room for more group descriptors, held by an inode.
        const RESIZE_INODE = 0x10;
        /// At most two copies of the superblock.
        const SPARSE_SUPER2 = 0x200;
        const _ = !0;
    }

    /// `s_feature_incompat`, bytes 0x60..0x64. Named are those that this crate
    /// and e2fsprogs know.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Incompat: u32 {
        /// Directory entries tell the type of a file.
        const FILETYPE = 0x2;
        /// The journal is to be replayed.
        const RECOVER = 0x4;
        /// A journal for other filesystems.
        const JOURNAL_DEV = 0x8;
        /// Group descriptors lie in the groups they describe.
        const META_BG = 0x10;
        /// Extent trees.
        const EXTENTS = 0x40;
        /// Block numbers of 64 bits.
        const IS_64BIT = 0x80;
        /// Multiple mount protection.
        const MMP = 0x100;
        /// Metadata of a group may lie in another.
        const FLEX_BG = 0x200;
        /// Values of attributes in inodes of their own.
        const EA_INODE = 0x400;
        /// Checksums start from a number of their own, not from the UUID.
        const CSUM_SEED = 0x2000;
        /// Directories with indexes of three levels.
        const LARGEDIR = 0x4000;
        /// Contents in the inode.
        const INLINE_DATA = 0x8000;
        /// Encrypted files and names.
        const ENCRYPT = 0x1_0000;
        /// Directories that ignore case.
        const CASEFOLD = 0x2_0000;
    }

    /// `s_feature_ro_compat`, bytes 0x64..0x68. An unknown bit is as bad as an
    /// unknown incompatible one: bigalloc, which gives every bit of a block
    /// bitmap another meaning, is in this word.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct RoCompat: u32 {
        /// Copies of the superblock in few groups.
        const SPARSE_SUPER = 0x1;
        /// Files of 2 GiB and more.
        const LARGE_FILE = 0x2;
        /// Counts of blocks of a file in blocks, not sectors.
        const HUGE_FILE = 0x8;
        /// CRC-16 of group descriptors.
        const GDT_CSUM = 0x10;
        /// Directories with more subdirectories than links can count.
        const DIR_NLINK = 0x20;
        /// Inodes with more fields.
        const EXTRA_ISIZE = 0x40;
        /// Quota files.
        const QUOTA = 0x100;
        /// Bits of block bitmaps are clusters of several blocks.
        const BIGALLOC = 0x200;
        /// CRC-32C of all metadata.
        const METADATA_CSUM = 0x400;
        /// Never to be written.
        const READONLY = 0x1000;
        /// Quotas of projects.
        const PROJECT = 0x2000;
        /// Blocks that several files share.
        const SHARED_BLOCKS = 0x4000;
        /// Files with hashes.
        const VERITY = 0x8000;
        /// The orphan file holds something.
        const ORPHAN_PRESENT = 0x1_0000;
    }
}

impl Incompat {
    /// What ext3 already had.
    pub const EXT3: Self = Self::FILETYPE.union(Self::RECOVER).union(Self::META_BG);

    /// The undefined bits.
    #[must_use]
    pub const fn unknown(self) -> u32 {
        self.bits() & !Self::all().bits()
    }
}

impl RoCompat {
    /// What ext3 already had.
    pub const EXT3: Self = Self::SPARSE_SUPER.union(Self::LARGE_FILE);

    /// The undefined bits.
    #[must_use]
    pub const fn unknown(self) -> u32 {
        self.bits() & !Self::all().bits()
    }
}
