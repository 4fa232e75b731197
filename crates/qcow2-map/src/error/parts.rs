//! What errors speak of.

use std::fmt;

use crate::gate::ReferenceKind;

/// A part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
    /// The table of a bitmap, which places its clusters.
    BitmapTable,
    /// A cluster of a bitmap.
    Bitmap,
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
            Self::Stream => "compressed cluster",
            Self::SnapshotTable => "snapshot table",
            Self::BitmapDirectory => "bitmap directory",
            Self::BitmapTable => "bitmap table",
            Self::Bitmap => "bitmap",
            Self::RefcountBlock => "refcount block",
            Self::LuksHeader => "LUKS header",
        })
    }
}

/// A file that is needed, with its name, as errors say it.
#[must_use]
pub fn needed(kind: ReferenceKind, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("the {kind} {name:?}"),
        None => format!("a {kind}"),
    }
}
