//! The three feature words of the superblock.

use bitflags::bitflags;

bitflags! {
    /// `s_feature_compat`, bytes 0x5c..0x60: unknown bits never matter.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Compat: u32 {
        const HAS_JOURNAL = 0x4;
        const RESIZE_INODE = 0x10;
        const SPARSE_SUPER2 = 0x200;
        const _ = !0;
    }

    /// `s_feature_incompat`, bytes 0x60..0x64. Named are those that this crate
    /// and e2fsprogs know.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Incompat: u32 {
        const FILETYPE = 0x2;
        const RECOVER = 0x4;
        const JOURNAL_DEV = 0x8;
        const META_BG = 0x10;
        const EXTENTS = 0x40;
        const IS_64BIT = 0x80;
        const MMP = 0x100;
        const FLEX_BG = 0x200;
        const EA_INODE = 0x400;
        const CSUM_SEED = 0x2000;
        const LARGEDIR = 0x4000;
        const INLINE_DATA = 0x8000;
        const ENCRYPT = 0x1_0000;
        const CASEFOLD = 0x2_0000;
    }

    /// `s_feature_ro_compat`, bytes 0x64..0x68. An unknown bit is as bad as an
    /// unknown incompatible one: bigalloc, which gives every bit of a block
    /// bitmap another meaning, is in this word.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct RoCompat: u32 {
        const SPARSE_SUPER = 0x1;
        const LARGE_FILE = 0x2;
        const HUGE_FILE = 0x8;
        const GDT_CSUM = 0x10;
        const DIR_NLINK = 0x20;
        const EXTRA_ISIZE = 0x40;
        const QUOTA = 0x100;
        const BIGALLOC = 0x200;
        const METADATA_CSUM = 0x400;
        const READONLY = 0x1000;
        const PROJECT = 0x2000;
        const SHARED_BLOCKS = 0x4000;
        const VERITY = 0x8000;
        const ORPHAN_PRESENT = 0x1_0000;
    }
}

impl Incompat {
    /// What ext3 already had.
    pub(crate) const EXT3: Self = Self::FILETYPE.union(Self::RECOVER).union(Self::META_BG);

    /// The bits nobody named.
    pub(crate) const fn unknown(self) -> u32 {
        self.bits() & !Self::all().bits()
    }
}

impl RoCompat {
    /// What ext3 already had.
    pub(crate) const EXT3: Self = Self::SPARSE_SUPER.union(Self::LARGE_FILE);

    /// The bits nobody named.
    pub(crate) const fn unknown(self) -> u32 {
        self.bits() & !Self::all().bits()
    }
}
