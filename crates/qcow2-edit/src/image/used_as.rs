//! What host clusters are used for.

use std::fmt;

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
