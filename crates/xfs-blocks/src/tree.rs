//! The kinds of btrees, and how their records are ordered.

use std::fmt;

use crate::bytes::{be32, be64};

/// Where a record stands in its tree.
pub(crate) type Order = [u64; 3];

/// A flag of a reverse mapping that is no part of its key.
const RMAP_UNWRITTEN: u64 = 1 << 61;

/// A kind of btree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tree {
    /// Free space by block: bnobt.
    FreeByBlock,
    /// Free space by size: cntbt.
    FreeBySize,
    /// Owners of blocks: rmapbt.
    ReverseMap,
    /// Inodes: inobt.
    Inodes,
    /// Chunks with free inodes: finobt.
    FreeInodes,
    /// Shared blocks: refcountbt.
    RefCounts,
    /// The blocks of a file: bmbt.
    File,
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FreeByBlock => "bnobt",
            Self::FreeBySize => "cntbt",
            Self::ReverseMap => "rmapbt",
            Self::Inodes => "inobt",
            Self::FreeInodes => "finobt",
            Self::RefCounts => "refcountbt",
            Self::File => "bmbt",
        })
    }
}

impl Tree {
    /// The magic of its blocks, with checksums or without.
    pub(crate) const fn magic(self, has_crc: bool) -> u32 {
        u32::from_be_bytes(match (self, has_crc) {
            (Self::FreeByBlock, true) => *b"AB3B",
            (Self::FreeByBlock, false) => *b"ABTB",
            (Self::FreeBySize, true) => *b"AB3C",
            (Self::FreeBySize, false) => *b"ABTC",
            (Self::ReverseMap, _) => *b"RMB3",
            (Self::Inodes, true) => *b"IAB3",
            (Self::Inodes, false) => *b"IABT",
            (Self::FreeInodes, true) => *b"FIB3",
            (Self::FreeInodes, false) => *b"FIBT",
            (Self::RefCounts, _) => *b"R3FC",
            (Self::File, true) => *b"BMA3",
            (Self::File, false) => *b"BMAP",
        })
    }

    pub(crate) const fn record_bytes(self) -> usize {
        match self {
            Self::FreeByBlock | Self::FreeBySize => 8,
            Self::ReverseMap => 24,
            Self::Inodes | Self::FreeInodes | Self::File => 16,
            Self::RefCounts => 12,
        }
    }

    /// Bytes of the lowest key of a child in a node.
    pub(crate) const fn key_bytes(self) -> usize {
        match self {
            Self::FreeByBlock | Self::FreeBySize | Self::File => 8,
            Self::ReverseMap => 20,
            Self::Inodes | Self::FreeInodes | Self::RefCounts => 4,
        }
    }

    /// Bytes of all keys of a child: overlapping trees have the highest, too.
    pub(crate) const fn keys_bytes(self) -> usize {
        match self {
            Self::ReverseMap => 40,
            _ => self.key_bytes(),
        }
    }

    /// Bytes of a pointer to a block: trees of files may lie in any group.
    pub(crate) const fn pointer_bytes(self) -> usize {
        match self {
            Self::File => 8,
            _ => 4,
        }
    }

    /// Where `record` stands.
    pub(crate) fn order(self, record: &[u8]) -> Order {
        let word = |at| u64::from(be32(record, at));
        match self {
            Self::FreeByBlock | Self::Inodes | Self::FreeInodes | Self::RefCounts => {
                [word(0), 0, 0]
            }
            Self::FreeBySize => [word(4), word(0), 0],
            Self::ReverseMap => [word(0), be64(record, 8), be64(record, 16) & !RMAP_UNWRITTEN],
            // Bits 9 to 62 of the first half: the offset in the file.
            Self::File => [(be64(record, 0) << 1) >> 10, 0, 0],
        }
    }

    /// Where the first record of the child with `key` stands.
    pub(crate) fn order_of_key(self, key: &[u8]) -> Order {
        match self {
            Self::ReverseMap => [
                u64::from(be32(key, 0)),
                be64(key, 4),
                be64(key, 12) & !RMAP_UNWRITTEN,
            ],
            Self::File => [be64(key, 0), 0, 0],
            _ => self.order(key),
        }
    }
}
