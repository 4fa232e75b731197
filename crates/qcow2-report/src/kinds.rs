//! What bytes are: the colours of the pictures.

use std::fmt::Debug;

/// Most kinds of one picture.
pub(crate) const KINDS_MAX: usize = 10;

/// A kind of bytes, which has a colour in a picture.
pub trait Kind: Copy + Debug + PartialEq + 'static {
    /// All of them, in the order of the legend.
    const ALL: &'static [Self];

    /// Its index in that order.
    fn index(self) -> usize;

    /// Its name in a legend.
    fn name(self) -> &'static str;

    /// Its name as a part of a name in CSS and JSON.
    fn key(self) -> &'static str;
}

/// What bytes of the disk are: the kinds exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DiskKind {
    /// In use, and stored as they are.
    Used,
    /// In use, and stored compressed.
    Compressed,
    /// In use, and stored in a backing file or an external data file.
    Elsewhere,
    /// In use, and nothing is stored: they read as zeros.
    Zero,
    /// Free, and stored all the same.
    Stale,
    /// Free, and nothing is stored.
    Free,
    /// What is stored cannot be known: the image is damaged.
    Lost,
}

/// The kinds of bytes of the disk, in the order of the legend.
pub const DISK_KINDS: &[DiskKind] = &[
    DiskKind::Used,
    DiskKind::Compressed,
    DiskKind::Elsewhere,
    DiskKind::Zero,
    DiskKind::Stale,
    DiskKind::Free,
    DiskKind::Lost,
];

impl Kind for DiskKind {
    const ALL: &'static [Self] = DISK_KINDS;

    fn index(self) -> usize {
        match self {
            Self::Used => 0,
            Self::Compressed => 1,
            Self::Elsewhere => 2,
            Self::Zero => 3,
            Self::Stale => 4,
            Self::Free => 5,
            Self::Lost => 6,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Used => "in use, stored",
            Self::Compressed => "in use, stored compressed",
            Self::Elsewhere => "in use, in a backing or data file",
            Self::Zero => "in use, zeros",
            Self::Stale => "free, yet stored",
            Self::Free => "free",
            Self::Lost => "lost to damage",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Compressed => "compressed",
            Self::Elsewhere => "elsewhere",
            Self::Zero => "zero",
            Self::Stale => "stale",
            Self::Free => "free",
            Self::Lost => "lost",
        }
    }
}

/// What bytes of the file of an image are. A cluster with more than one use counts once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// Data of the disk as it is.
    Data,
    /// Compressed data of the disk.
    Compressed,
    /// Data that only internal snapshots use.
    Snapshots,
    /// The header.
    Header,
    /// L1 tables.
    L1,
    /// L2 tables.
    L2,
    /// The refcount table and the refcount blocks.
    Refcounts,
    /// The snapshot table, bitmaps, and the header of an encryption.
    Extras,
    /// Nothing refers to it.
    Unused,
}

/// The kinds of bytes of the file, in the order of the legend.
pub const FILE_KINDS: &[FileKind] = &[
    FileKind::Data,
    FileKind::Compressed,
    FileKind::Snapshots,
    FileKind::Header,
    FileKind::L1,
    FileKind::L2,
    FileKind::Refcounts,
    FileKind::Extras,
    FileKind::Unused,
];

impl Kind for FileKind {
    const ALL: &'static [Self] = FILE_KINDS;

    fn index(self) -> usize {
        match self {
            Self::Data => 0,
            Self::Compressed => 1,
            Self::Snapshots => 2,
            Self::Header => 3,
            Self::L1 => 4,
            Self::L2 => 5,
            Self::Refcounts => 6,
            Self::Extras => 7,
            Self::Unused => 8,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Compressed => "compressed data",
            Self::Snapshots => "data of snapshots alone",
            Self::Header => "header",
            Self::L1 => "L1 tables",
            Self::L2 => "L2 tables",
            Self::Refcounts => "refcounts",
            Self::Extras => "snapshot table, bitmaps, encryption",
            Self::Unused => "unused",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Compressed => "packed",
            Self::Snapshots => "snapshots",
            Self::Header => "header",
            Self::L1 => "l1",
            Self::L2 => "l2",
            Self::Refcounts => "refcounts",
            Self::Extras => "extras",
            Self::Unused => "unused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<K: Kind>() {
        assert!(K::ALL.len() <= KINDS_MAX);
        for (at, kind) in K::ALL.iter().enumerate() {
            assert_eq!(kind.index(), at, "{kind:?}");
            assert!(kind.key().chars().all(|c| c.is_ascii_alphanumeric()));
        }
    }

    #[test]
    fn kinds_have_the_places_of_the_legend() {
        check::<DiskKind>();
        check::<FileKind>();
    }
}
