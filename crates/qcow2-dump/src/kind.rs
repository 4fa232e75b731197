//! What bytes of an image's file are.

/// What bytes of an image's file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// The header itself.
    Header,
    /// Header extensions, up to and with the mark of their end.
    Extensions,
    /// The name of the backing file.
    BackingName,
    /// The refcount table.
    RefcountTable,
    /// Refcount blocks.
    RefcountBlock,
    /// The active L1 table.
    L1Table,
    /// L2 tables of the active disk; those of snapshots alone are
    /// [`SnapshotL2Table`](Self::SnapshotL2Table).
    L2Table,
    /// Clusters of the active disk.
    Data,
    /// Sectors that hold compressed clusters of the active disk.
    Compressed,
    /// The snapshot table.
    SnapshotTable,
    /// L1 tables of snapshots.
    SnapshotL1Table,
    /// L2 tables that only snapshots use.
    SnapshotL2Table,
    /// Clusters, compressed or not, that only snapshots use.
    SnapshotData,
    /// The directory of the bitmaps.
    BitmapDirectory,
    /// The tables of the bitmaps.
    BitmapTable,
    /// The bits of the bitmaps.
    BitmapData,
    /// The LUKS header with its key material.
    LuksHeader,
    /// The rest of a cluster of which something else is in use.
    Slack,
    /// Clusters that nothing uses, and whose refcount is zero.
    Free,
    /// Clusters that nothing uses, and whose refcount is not zero.
    Leaked,
    /// Clusters that nothing is known to use: the refcounts cannot be read, or not all that
    /// may use clusters was looked at.
    Unknown,
}

impl Kind {
    /// All kinds, in the order in which they are listed.
    pub const ALL: [Self; 21] = [
        Self::Header,
        Self::Extensions,
        Self::BackingName,
        Self::RefcountTable,
        Self::RefcountBlock,
        Self::L1Table,
        Self::L2Table,
        Self::Data,
        Self::Compressed,
        Self::SnapshotTable,
        Self::SnapshotL1Table,
        Self::SnapshotL2Table,
        Self::SnapshotData,
        Self::BitmapDirectory,
        Self::BitmapTable,
        Self::BitmapData,
        Self::LuksHeader,
        Self::Slack,
        Self::Free,
        Self::Leaked,
        Self::Unknown,
    ];

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Extensions => "header-extensions",
            Self::BackingName => "backing-file-name",
            Self::RefcountTable => "refcount-table",
            Self::RefcountBlock => "refcount-blocks",
            Self::L1Table => "l1-table",
            Self::L2Table => "l2-tables",
            Self::Data => "data",
            Self::Compressed => "compressed-data",
            Self::SnapshotTable => "snapshot-table",
            Self::SnapshotL1Table => "snapshot-l1-tables",
            Self::SnapshotL2Table => "snapshot-l2-tables",
            Self::SnapshotData => "snapshot-data",
            Self::BitmapDirectory => "bitmap-directory",
            Self::BitmapTable => "bitmap-tables",
            Self::BitmapData => "bitmap-data",
            Self::LuksHeader => "luks-header",
            Self::Slack => "slack",
            Self::Free => "free",
            Self::Leaked => "leaked",
            Self::Unknown => "unknown",
        }
    }

    /// Its place in [`Self::ALL`].
    pub(crate) fn index(self) -> usize {
        Self::ALL.iter().position(|kind| *kind == self).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_listed_once_and_in_order() {
        assert!(Kind::ALL.is_sorted_by(|one, next| one < next));
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind.index(), index);
        }
    }
}
