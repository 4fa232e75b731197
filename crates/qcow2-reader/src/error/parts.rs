//! What errors speak of.

use std::fmt;
use std::ops::Range;

use qcow2_format::GuestOffset;

use crate::gate::ReferenceKind;

/// A part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Structure {
    /// The first cluster: header, extensions, backing file name.
    Header,
    /// The refcount table.
    RefcountTable,
    /// The L1 table of the disk that is read.
    L1Table,
    /// An L2 table.
    L2Table,
    /// A cluster of guest data.
    Data,
    /// Guest data in an external data file.
    DataFile,
    /// A compressed cluster of guest data.
    Stream,
    /// The table of internal snapshots.
    SnapshotTable,
    /// The directory of bitmaps.
    BitmapDirectory,
    /// A refcount block.
    RefcountBlock,
    /// The LUKS header, with its keys.
    LuksHeader,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::RefcountTable => "refcount table",
            Self::L1Table => "L1 table",
            Self::L2Table => "L2 table",
            Self::Data => "data",
            Self::DataFile => "data in the external data file",
            Self::Stream => "compressed stream",
            Self::SnapshotTable => "snapshot table",
            Self::BitmapDirectory => "bitmap directory",
            Self::RefcountBlock => "refcount block",
            Self::LuksHeader => "LUKS header",
        })
    }
}

/// What a host cluster is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Use {
    /// Guest data as it is.
    Data,
    /// Compressed guest data.
    Stream,
    /// An L2 table.
    L2Table,
    /// Header, L1 table, refcounts, snapshot table, bitmaps or LUKS header.
    Metadata,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Data => "data",
            Self::Stream => "compressed data",
            Self::L2Table => "L2 table",
            Self::Metadata => "other metadata",
        })
    }
}

/// Where a cluster is needed, as the end of its name.
pub(super) fn of_guest(guest: Option<GuestOffset>) -> String {
    guest.map_or_else(String::new, |guest| format!(" of guest offset {guest}"))
}

/// Who owns a cluster that has two owners, as the end of a message.
pub(super) fn crossed(owners: &[Range<u64>]) -> String {
    let guest = |range: &Range<u64>| format!("{:#x}..{:#x}", range.start, range.end);
    match owners {
        [] => String::new(),
        [one] => format!(
            ": what guest bytes {} had there was probably overwritten",
            guest(one)
        ),
        [one, other, ..] => format!(
            ": guest bytes {} and {} share it, and what one of them had there was probably overwritten",
            guest(one),
            guest(other)
        ),
    }
}

/// A file that is needed, with its name.
pub(super) fn needed(kind: ReferenceKind, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("the {kind} {name:?}"),
        None => format!("a {kind}"),
    }
}
