//! What was found on a disk, and why it is kept.

use std::ops::Range;

use crate::claims::Found;
use crate::error::Error;
use crate::table::{self, Partition, Table};

/// What was found on a disk, and why it is kept.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// What is kept, in a word.
    pub kept: Kept,
    /// Why everything is kept although less was asked for.
    pub kept_whole: Option<KeptWhole>,
    /// What proves that bytes are free, where some are left out.
    pub evidence: Option<Evidence>,
    /// The filesystem that was found, whether it decides or not.
    pub filesystem: Option<FilesystemInfo>,
    /// A superblock left over from a filesystem that is no longer there, in bytes from the
    /// start of the disk.
    pub old_superblock: Option<u64>,
    /// The unit of what is kept in bytes, of metadata.
    pub unit_bytes: Option<u64>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
    /// Why the content should be checked before anything changes it in place: it was not
    /// cleanly unmounted, beyond what its journal repairs.
    pub needs_check: Option<String>,
    /// The program that checks and repairs such content, with what it has to be told, such
    /// as `e2fsck -f`.
    pub repaired_by: Option<&'static str>,
    /// Damage found where the filesystem decides.
    pub damage: Damage,
    /// The partition table and what is in the partitions, if the disk has a table that
    /// decides.
    pub layout: Option<Layout>,
    /// The physical volume that it is, if it is one.
    pub physical_volume: Option<PhysicalVolume>,
}

impl Report {
    /// Every byte is kept; `why`, if less was asked for.
    pub(crate) const fn whole(why: Option<KeptWhole>) -> Self {
        Self {
            kept: Kept::All,
            kept_whole: why,
            evidence: None,
            filesystem: None,
            old_superblock: None,
            unit_bytes: None,
            notes: Vec::new(),
            needs_check: None,
            repaired_by: None,
            damage: Damage {
                lines: Vec::new(),
                total: 0,
            },
            layout: None,
            physical_volume: None,
        }
    }

    /// The logical volumes in it, each listed where it begins.
    pub fn volumes(&self) -> impl Iterator<Item = &VolumeReport> {
        let parts = self.layout.iter().flat_map(|layout| &layout.parts);
        let parts = parts.filter_map(|part| part.report.physical_volume.as_ref());
        let physical = self.physical_volume.iter().chain(parts);
        physical.flat_map(|physical| &physical.volumes)
    }
}

/// A physical volume of LVM2.
#[derive(Debug)]
#[non_exhaustive]
pub struct PhysicalVolume {
    /// Its UUID, in the form of LVM2; empty if its label is in doubt.
    pub id: String,
    /// The name of its group, if it is known.
    pub group: Option<String>,
    /// The logical volumes of the group that begin in it. Those that lie on no physical
    /// volume themselves are listed with the first one.
    pub volumes: Vec<VolumeReport>,
}

/// What is in a logical volume, and why it is kept.
#[derive(Debug)]
#[non_exhaustive]
pub struct VolumeReport {
    /// Its name, as `group/volume`.
    pub name: String,
    /// Its type, as LVM2 calls it, such as `linear`.
    pub kind: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The bytes of the disk that it lies on, if it lies on physical volumes that are all
    /// here.
    pub ranges: Vec<Range<u64>>,
    /// Whether it is a part of another volume, or for the tools.
    pub is_hidden: bool,
    /// Why its content was not looked at, if LVM2 shows something else than its bytes.
    pub not_opened: Option<String>,
    /// What was found in it. Offsets count from its start.
    pub report: Report,
    /// What its content looks like, if no provider knows it.
    pub looks_like: Option<Found>,
}

/// A partition table, and what is in the partitions.
#[derive(Debug)]
#[non_exhaustive]
pub struct Layout {
    /// The table, and what is wrong with it.
    pub table: Table,
    /// The partitions that lie on the disk at least in part, in the order of the table.
    pub parts: Vec<PartReport>,
}

/// What is in a partition, and why it is kept.
#[derive(Debug)]
#[non_exhaustive]
pub struct PartReport {
    /// The partition, as the table describes it.
    pub partition: Partition,
    /// What was found in it. Offsets count from its start.
    pub report: Report,
    /// What its content looks like, if no provider knows it.
    pub looks_like: Option<Found>,
}

impl Layout {
    /// What is wrong with the table, without what is only unusual.
    pub fn table_damage(&self) -> impl Iterator<Item = &table::Damage> {
        let damage = self.table.damage.iter();
        damage.filter(|one| one.kind() != table::ErrorKind::Notice)
    }

    /// What is unusual about the table, and no damage.
    pub fn table_notices(&self) -> impl Iterator<Item = &table::Damage> {
        let damage = self.table.damage.iter();
        damage.filter(|one| one.kind() == table::ErrorKind::Notice)
    }
}

/// What is kept of a disk, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kept {
    /// What a filesystem uses.
    Used,
    /// The metadata of a filesystem.
    Metadata,
    /// Every byte.
    All,
}

/// Why a disk is kept whole although less was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeptWhole {
    /// It may be written to while it is read.
    #[error("{user}, so nothing is proven free")]
    InUse {
        /// By whom, as [`Options::in_use`](crate::Options::in_use) says.
        user: String,
    },
    /// What is on it cannot be read.
    #[error("{0}, so nothing is proven free")]
    Unreadable(#[source] Error),
    /// Its content proves nothing.
    #[error("{why}")]
    Distrust {
        /// Why not, as its provider says.
        why: String,
    },
    /// More than one provider took the content for its own.
    #[error("it looks like more than one filesystem, so nothing is proven free")]
    Disputed,
    /// Something else claims the disk, or the partition.
    #[error("the disk is also claimed by {} (signature at byte {:#x})", .0.claim, .0.at)]
    Claimed(Found),
    /// Hashes in another partition may cover the free bytes of this one.
    #[error("{} (at byte {:#x} of the disk) may cover its free blocks, too", .0.claim, .0.at)]
    Hashed(Found),
    /// Programs may see different partitions on the disk.
    #[error("the partition table is in doubt: {0}")]
    Table(Box<table::Damage>),
    /// It is in doubt where the partition lies.
    #[error("its place in the partition table is in doubt")]
    DoubtfulPlace,
}

/// What proves that bytes are free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Evidence {
    /// The filesystem's map of free blocks.
    Map,
    /// The map, and that no file refers to a free block.
    References,
}

/// What content says of itself. A provider begins with
/// [`ContentReport::new`], and fills in what it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContentReport {
    /// Names and sizes.
    pub filesystem: FilesystemInfo,
    /// Why every byte of it is used.
    pub distrust: Option<String>,
    /// What proves that bytes are free; `None` if that is not what decides.
    pub evidence: Option<Evidence>,
    /// The unit of what is kept in bytes, of metadata.
    pub unit_bytes: Option<u64>,
    /// Why nothing was discarded, though that was asked for.
    pub not_discarded: Option<String>,
    /// How it was left, if not clean.
    pub unclean: Option<String>,
    /// Why it should be checked before anything changes it in place, if a journal alone
    /// does not make it clean.
    pub needs_check: Option<String>,
    /// The program that checks and repairs such content, with what it has to be told, such
    /// as `e2fsck -f`.
    pub repaired_by: Option<&'static str>,
    /// What is wrong in parts of it.
    pub damage: Damage,
}

impl ContentReport {
    /// The report of content that is trusted, clean and sound.
    #[must_use]
    pub const fn new(filesystem: FilesystemInfo) -> Self {
        Self {
            filesystem,
            distrust: None,
            evidence: None,
            unit_bytes: None,
            not_discarded: None,
            unclean: None,
            needs_check: None,
            repaired_by: None,
            damage: Damage {
                lines: Vec::new(),
                total: 0,
            },
        }
    }
}

/// What a filesystem says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilesystemInfo {
    /// Its kind, such as `ext4`.
    pub kind: &'static str,
    /// Its label; any bytes.
    pub label: Vec<u8>,
    /// Its UUID.
    pub uuid: Option<[u8; 16]>,
    /// Its serial number, where it has that in place of a UUID.
    pub serial: Option<u32>,
    /// The same, where it has 64 bits.
    pub long_serial: Option<u64>,
    /// The UUID of its journal, if that is on another device: the filesystem is not
    /// self-contained.
    pub external_journal: Option<[u8; 16]>,
    /// Size and number of blocks, if its superblock makes sense.
    pub blocks: Option<Blocks>,
    /// Whether there are files that were deleted while open, which the next mount or a
    /// check will free.
    pub has_orphans: bool,
}

impl FilesystemInfo {
    /// A filesystem of `kind` of which nothing else is known.
    #[must_use]
    pub fn new(kind: &'static str) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    /// What identifies it, in the usual form: 8-4-4-4-12 hexadecimal digits of a UUID, or
    /// 4-4 of a serial number, or 16 of one of 64 bits.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        match (self.uuid, self.serial, self.long_serial) {
            (Some(uuid), _, _) => Some(uuid_text(&uuid)),
            (None, Some(serial), _) => {
                Some(format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff))
            }
            (None, None, serial) => serial.map(|serial| format!("{serial:016X}")),
        }
    }
}

/// The usual form of a UUID.
fn uuid_text(bytes: &[u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(*bytes));
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range).unwrap_or(""));
    parts.join("-")
}

/// The blocks of a filesystem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    /// Size of one in bytes.
    pub bytes: u64,
    /// How many there are.
    pub count: u64,
}

/// What is damaged, each with what was done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The first findings, one line each.
    pub lines: Vec<String>,
    /// How many there are in all.
    pub total: u64,
}
