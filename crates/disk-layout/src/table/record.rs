//! Master boot records, and the boot records of extended partitions, which have the same
//! shape: four entries of 16 bytes at byte 446, and 0x55 0xaa at byte 510.

use std::ops::Range;

use blockio::ReadAt;

use super::bytes::{array, cut, le16, le32, sectors};
use super::error::{Error, Structure, fill};
use super::partition::{Partition, PartitionId, PartitionType};

/// Bytes of a boot record, and of the sectors of most disks.
pub(super) const SECTOR_BYTES: u32 = 512;
const RECORD_BYTES: usize = 512;
const SIGNATURE_AT: usize = 510;
const SIGNATURE: u16 = 0xaa55;
const DISK_SIGNATURE_AT: usize = 440;
const ENTRIES_AT: [usize; 4] = [446, 462, 478, 494];

/// The type of an entry that says that there is a GPT.
const PROTECTIVE: u8 = 0xee;
/// Extended partitions of DOS, of Windows 95 and of old Linux.
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
const ACTIVE: u8 = 0x80;

/// A boot record.
#[derive(Clone, Copy, Debug)]
pub(super) struct BootRecord {
    pub(super) is_signed: bool,
    pub(super) disk_signature: u32,
    pub(super) entries: [Entry; 4],
}

/// One of its entries. Sectors count from the start of the disk, from the extended
/// partition for links, or from the extended boot record itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) status: u8,
    pub(super) kind: u8,
    pub(super) start: u32,
    pub(super) count: u32,
}

impl Entry {
    fn new(bytes: [u8; 16]) -> Self {
        let [status, _, _, _, kind, ..] = bytes;
        Self {
            status,
            kind,
            start: le32(&bytes, 8),
            count: le32(&bytes, 12),
        }
    }

    pub(super) const fn is_used(&self) -> bool {
        self.kind != 0 && self.count != 0
    }

    pub(super) const fn is_leftover(&self) -> bool {
        self.kind == 0 && self.count != 0
    }

    pub(super) fn is_extended(&self) -> bool {
        EXTENDED.contains(&self.kind) && self.count != 0
    }

    pub(super) const fn has_status(&self) -> bool {
        matches!(self.status, 0 | ACTIVE)
    }

    /// Its bytes, if its sectors of `unit` bytes count from byte `base`.
    pub(super) fn range(&self, base: u64, unit: u32) -> Range<u64> {
        let range = sectors(u64::from(self.start), u64::from(self.count), unit);
        base.saturating_add(range.start)..base.saturating_add(range.end)
    }

    /// It, as partition `number` at `range` of a disk of `size` bytes.
    pub(super) fn partition(
        &self,
        number: u32,
        range: &Range<u64>,
        disk_signature: u32,
        size: u64,
    ) -> Partition {
        Partition {
            number,
            range: cut(range, size),
            kind: PartitionType::Mbr(self.kind),
            name: String::new(),
            id: PartitionId::Mbr {
                disk_signature,
                number,
            },
            is_bootable: self.status == ACTIVE,
            attributes: 0,
            is_extended: self.is_extended(),
            is_logical: number > 4,
            is_doubtful: false,
        }
    }
}

impl BootRecord {
    /// The record at byte `at`; `None` past the end of the disk.
    pub(super) fn load(disk: &dyn ReadAt, at: u64) -> Result<Option<Self>, Error> {
        let end = at.checked_add(u64::from(SECTOR_BYTES));
        if end.is_none_or(|end| end > disk.size()) {
            return Ok(None);
        }
        let mut bytes = [0; RECORD_BYTES];
        let structure = if at == 0 {
            Structure::BootRecord
        } else {
            Structure::ExtendedBootRecord
        };
        fill(disk, structure, at, &mut bytes)?;
        Ok(Some(Self {
            is_signed: le16(&bytes, SIGNATURE_AT) == SIGNATURE,
            disk_signature: le32(&bytes, DISK_SIGNATURE_AT),
            entries: ENTRIES_AT.map(|at| Entry::new(array(&bytes, at))),
        }))
    }

    /// The entries with the numbers of their slots, 1 to 4.
    pub(super) fn slots(&self) -> impl Iterator<Item = (u32, Entry)> {
        (1..).zip(self.entries)
    }

    /// The first sector of the entry that says that there is a GPT. One slot of four is
    /// enough: in hybrid records it stands beside others.
    pub(super) fn protective_start(&self) -> Option<u32> {
        let protective = |entry: &Entry| entry.kind == PROTECTIVE;
        let mut starts = self.entries.iter().filter(|entry| protective(entry));
        // The one that Linux accepts, if there is one.
        let any = starts.clone().next()?.start;
        let best = starts.find(|entry| entry.start == 1);
        self.is_signed
            .then_some(best.map_or(any, |entry| entry.start))
    }

    pub(super) fn is_hybrid_slot(entry: &Entry) -> bool {
        entry.is_used() && entry.kind != PROTECTIVE
    }
}
