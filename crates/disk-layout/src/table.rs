//! Partition tables: MBR with extended partitions, GPT, and disks without a table.
//!
//! [`read`] finds the table of a disk. [`Table::owners`] then names one owner for
//! every byte: the table's own structures, a partition, a gap between them, or nobody
//! for certain. A table never proves that a byte is free. It only says which part of
//! the disk to ask next:
//!
//! | owner | what it means for an image |
//! |---|---|
//! | [`Owner::Structure`] | in use |
//! | [`Owner::Partition`] | in use, unless the content of the partition proves otherwise |
//! | [`Owner::Gap`] | in use: boot loaders live there |
//! | [`Owner::Doubtful`] | in use, whatever a filesystem there says |
//!
//! Damage is a value, not an error. [`Damage::effect`] says what it costs: some bytes
//! become doubtful, or all of them do if the table is ambiguous.
//!
//! Numbers of partitions are those that Linux gives them. Sources: the UEFI
//! specification 2.10, chapter 5, for GPT and the protective MBR; the behaviour of the
//! Linux kernel for MBR and extended partitions, which no standard describes.
//!
//! ```
//! use disk_layout::table::{self, Kind, NoTable, Owner};
//!
//! let disk = vec![0; 1 << 20];
//! let table = table::read(&disk, &Default::default())?;
//! assert_eq!(table.kind, Kind::None(NoTable::Signature));
//! assert!(table.owners().eq([(0..1 << 20, Owner::Gap)]));
//! # Ok::<(), table::Error>(())
//! ```

mod bytes;
mod damage;
mod error;
mod extended;
mod found;
mod gpt;
mod grow;
mod guid;
mod hybrid;
mod kind;
mod mbr;
mod owner;
mod partition;
mod record;

use std::ops::Range;

use blockio::ReadAt;

pub use damage::{Damage, Effect, GptPlace, LinkFault};
pub use error::{Error, ErrorKind, Structure};
use found::Found;
pub use gpt::array::ArrayFault;
pub use gpt::header::HeaderFault;
pub use grow::{MoveError, Patch, moved_backup};
pub use guid::Guid;
pub use kind::{DiskId, Kind, NoTable};
pub use owner::Owner;
pub use partition::{Partition, PartitionId, PartitionType};
use record::{BootRecord, SECTOR_BYTES};

/// Most entries of a GPT that are read.
pub const GPT_ENTRIES_MAX: u32 = gpt::array::ENTRIES_MAX;
/// Most bytes of a GPT entry array that are read.
pub const GPT_ARRAY_BYTES_MAX: u64 = gpt::array::ARRAY_BYTES_MAX;
/// Most extended boot records that are followed in one extended partition.
pub const LINKS_MAX: usize = extended::LINKS_MAX;

/// How to read a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Bytes of the sectors that an MBR counts in, which it does not store: the logical
    /// sector size of the device. `None` is 512. A GPT shows its own sector size.
    pub sector_bytes: Option<u32>,
}

/// The table of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Table {
    /// What kind of table it is.
    pub kind: Kind,
    /// Bytes of the sectors that it counts in.
    pub sector_bytes: u32,
    /// What identifies the disk.
    pub id: DiskId,
    /// The bytes that are parts of the table, ascending and apart from each other: boot
    /// records, GPT headers and entry arrays.
    pub structures: Vec<Range<u64>>,
    /// The partitions that lie on the disk at least in part, in the order of the table.
    pub partitions: Vec<Partition>,
    /// What is wrong, or unusual enough to be told.
    pub damage: Vec<Damage>,
    owned: Vec<(Range<u64>, Owner)>,
}

impl Table {
    /// The owner of every byte: ranges that tile the disk, ascending, none empty,
    /// neighbours with different owners.
    ///
    /// All bytes are [`Owner::Doubtful`] if the table is ambiguous, see
    /// [`is_ambiguous`](Self::is_ambiguous).
    pub fn owners(&self) -> impl Iterator<Item = (Range<u64>, Owner)> + '_ {
        self.owned.iter().cloned()
    }

    /// The bytes that no structure and no partition has.
    pub fn gaps(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let gaps = self.owned.iter().filter(|(_, owner)| *owner == Owner::Gap);
        gaps.map(|(range, _)| range.clone())
    }

    /// Whether programs may see different tables on the disk, so that every byte is in
    /// use.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        is_ambiguous(&self.damage)
    }
}

fn is_ambiguous(damage: &[Damage]) -> bool {
    let mut effects = damage.iter().map(Damage::effect);
    effects.any(|effect| effect == Effect::Everything)
}

/// Reads the table of `disk`.
///
/// # Errors
///
/// [`Error::Read`] if the storage fails. Nothing that is wrong with a table is an error:
/// see [`Table::damage`].
pub fn read(disk: &dyn ReadAt, options: &Options) -> Result<Table, Error> {
    let Some(record) = BootRecord::load(disk, 0)? else {
        return Ok(none(disk, NoTable::TooShort));
    };
    let headers = gpt::Headers::find(disk)?;
    let protective = record.protective_start();
    if let Some(start) = protective {
        return gpt_table(disk, &record, &headers, start);
    }
    let unit = options.sector_bytes.unwrap_or(SECTOR_BYTES);
    let unit = if unit == 0 { SECTOR_BYTES } else { unit };
    let mut found = Found::default();
    let kind = mbr::read(disk, &record, unit, &mut found)?;
    found.damage.extend(headers.remains());
    let kind = match kind {
        Ok(()) => Kind::Mbr,
        Err(_) if headers.primary().is_some() => {
            return gpt_table_without_mbr(disk, &headers);
        }
        Err(reason) => {
            found.partitions.clear();
            Kind::None(reason)
        }
    };
    let id = match kind {
        Kind::Mbr => DiskId::Mbr(record.disk_signature),
        _ => DiskId::None,
    };
    Ok(finish(disk, kind, unit, id, found))
}

/// The table of a disk whose boot record says that there is a GPT.
fn gpt_table(
    disk: &dyn ReadAt,
    record: &BootRecord,
    headers: &gpt::Headers,
    protective_start: u32,
) -> Result<Table, Error> {
    let mut found = Found::default();
    let Some(gpt) = headers.read(disk, &mut found)? else {
        found.damage.extend(headers.remains());
        found.damage.push(Damage::NoHeader);
        let unit = SECTOR_BYTES;
        return Ok(finish(disk, Kind::Gpt, unit, DiskId::None, found));
    };
    if protective_start != 1 {
        let start = protective_start;
        found.damage.push(Damage::ProtectiveStart { start });
    }
    hybrid::compare(record, gpt.sector_bytes, disk.size(), &mut found);
    let id = DiskId::Gpt(gpt.disk);
    Ok(finish(disk, Kind::Gpt, gpt.sector_bytes, id, found))
}

/// The table of a disk with a sound GPT and a boot record that says nothing of it.
fn gpt_table_without_mbr(disk: &dyn ReadAt, headers: &gpt::Headers) -> Result<Table, Error> {
    let mut found = Found::default();
    let gpt = headers.read(disk, &mut found)?;
    found.damage.push(Damage::NoProtectiveMbr);
    let sector_bytes = gpt.as_ref().map_or(SECTOR_BYTES, |gpt| gpt.sector_bytes);
    let id = gpt.map_or(DiskId::None, |gpt| DiskId::Gpt(gpt.disk));
    Ok(finish(disk, Kind::Gpt, sector_bytes, id, found))
}

fn none(disk: &dyn ReadAt, reason: NoTable) -> Table {
    let kind = Kind::None(reason);
    finish(disk, kind, SECTOR_BYTES, DiskId::None, Found::default())
}

/// Settles who owns what.
fn finish(disk: &dyn ReadAt, kind: Kind, sector_bytes: u32, id: DiskId, found: Found) -> Table {
    let mut found = found;
    if !matches!(kind, Kind::None(_)) {
        let first = 0..u64::from(sector_bytes);
        found.structures.push(first);
    }
    owner::find_overlaps(&mut found, disk.size());
    let owned = if is_ambiguous(&found.damage) {
        owner::all_doubtful(disk.size())
    } else {
        owner::assign(&found, disk.size())
    };
    Table {
        kind,
        sector_bytes,
        id,
        structures: found.structures,
        partitions: found.partitions,
        damage: found.damage,
        owned,
    }
}
