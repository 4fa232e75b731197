//! What a filesystem says of itself.

use ext_format::feature::{Compat, Incompat, RoCompat};
use ext_format::geometry::Geometry;
use ext_format::superblock::{JournalPlace, Superblock};

/// A member of the ext family, told by the features in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No journal.
    Ext2,
    /// A journal, and nothing ext3 does not know.
    Ext3,
    /// A feature that only ext4 knows.
    Ext4,
}

/// What a filesystem says of itself, and how its bytes are used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// ext2, ext3 or ext4.
    pub kind: Kind,
    /// `s_rev_level`: 0 or 1.
    pub revision: u32,
    /// `s_volume_name` up to its first zero byte; any bytes.
    pub label: Vec<u8>,
    /// `s_uuid`.
    pub uuid: [u8; 16],
    /// `s_journal_uuid`, where the journal is on another device: the filesystem is
    /// not self-contained.
    pub external_journal: Option<[u8; 16]>,
    /// Whether there are inodes that were deleted while open, which the next mount
    /// or e2fsck is to free.
    pub has_orphans: bool,
    /// Block size, counts of blocks and groups; `None` where the superblock's
    /// numbers are not those of a filesystem.
    pub geometry: Option<Geometry>,
    /// Bytes of the disk that are used, without `zero_bytes`.
    pub used_bytes: u64,
    /// Bytes of inode tables that never held an inode, and read as zeros.
    pub zero_bytes: u64,
    /// Bytes proven free.
    pub free_bytes: u64,
}

impl Info {
    /// Everything is used until a survey says otherwise.
    pub(crate) fn new(sb: &Superblock, geometry: Option<Geometry>, disk_bytes: u64) -> Self {
        let label = sb.s_volume_name.split(|byte| *byte == 0).next();
        Self {
            kind: Kind::new(sb),
            revision: sb.s_rev_level,
            label: label.unwrap_or_default().to_vec(),
            uuid: sb.s_uuid,
            has_orphans: sb.s_last_orphan != 0 || sb.ro_compat.contains(RoCompat::ORPHAN_PRESENT),
            external_journal: match sb.journal_place() {
                JournalPlace::Outside => Some(sb.s_journal_uuid),
                JournalPlace::None | JournalPlace::Inside(_) => None,
            },
            geometry,
            used_bytes: disk_bytes,
            zero_bytes: 0,
            free_bytes: 0,
        }
    }
}

impl Kind {
    fn new(sb: &Superblock) -> Self {
        let ext3 = Incompat::EXT3.contains(sb.incompat) && RoCompat::EXT3.contains(sb.ro_compat);
        if !ext3 {
            Self::Ext4
        } else if sb.compat.contains(Compat::HAS_JOURNAL) {
            Self::Ext3
        } else {
            Self::Ext2
        }
    }
}
