//! What the header names, directly or through a table beside the disk.

use std::error::Error as StdError;
use std::ops::Range;

use blockio::ReadAt;
use qcow2_format::bitmap::{BitmapFlags, BitmapTableEntry};
use qcow2_format::entry::OFFSET_MASK;
use qcow2_format::extension::Extension;
use qcow2_format::feature::AutoclearFeatures;
use qcow2_format::refcount::RefcountTableEntry;
use qcow2_format::snapshot::Snapshot;
use qcow2_format::{ClusterBits, Header, HostOffset, Version};
use qcow2_map::{Structure, placed_snapshots, read_bitmaps};

use crate::error::Error;
use crate::parts::{Nothing, Parts};

use super::fault::{DiskId, Entry, Fault, FaultKind, Owner, Repair};
use super::journal::Journal;

/// Most bytes of the L1 tables of snapshots that are read: 65,536 snapshots of disks of
/// 256 GiB have as many. Tables that overlap could else be read without end.
const SNAPSHOT_L1_BYTES_MAX: u64 = 256 << 20;

/// An L1 table.
#[derive(Clone, Debug)]
pub(crate) struct L1 {
    pub(crate) bytes: Range<u64>,
    pub(crate) disk: DiskId,
    /// Bytes of its disk; what it maps after them is no part of it.
    pub(crate) disk_bytes: u64,
}

/// What the header names.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    /// Metadata, without L2 tables, refcount blocks and what bitmap tables name: of those
    /// there may be many.
    pub(crate) places: Vec<Owner>,
    pub(crate) l1_tables: Vec<L1>,
    pub(crate) bitmap_tables: Vec<Range<u64>>,
    /// Host offset of each refcount block, zero if there is none.
    pub(crate) blocks: Vec<u64>,
    /// Whether a table is missing, so that references may be missing.
    pub(crate) is_incomplete: bool,
}

/// Finds the roots, and what is wrong with them.
pub(crate) struct Finder<'f, S> {
    pub(crate) storage: &'f S,
    pub(crate) header: &'f Header,
    pub(crate) nothing: &'f Nothing<'f>,
    pub(crate) journal: &'f mut Journal,
}

/// What the header names by itself.
fn named(structure: Structure, host: Range<u64>, disk: Option<DiskId>) -> Owner {
    Owner {
        structure,
        disk,
        guest: None,
        host,
        entry: None,
    }
}

/// The bytes from `start` on.
fn range(start: u64, bytes: u64) -> Range<u64> {
    start..start.saturating_add(bytes)
}

impl<S: ReadAt> Finder<'_, S> {
    pub(crate) fn find(mut self) -> Result<Roots, Error> {
        let header = self.header;
        let cluster_bytes = header.cluster_bits.bytes();
        let mut roots = Roots::default();
        let whole = named(Structure::Header, 0..cluster_bytes, None);
        roots.places.push(whole);
        self.active(&mut roots);
        self.snapshots(&mut roots)?;
        if let Some(luks) = crate::metadata::luks_header(header) {
            let luks = named(Structure::LuksHeader, luks, None);
            self.place(&mut roots, luks);
        }
        self.bitmaps(&mut roots)?;
        self.refcounts(&mut roots)?;
        Ok(roots)
    }

    /// Adds what is at a place, which may be past the end of the file.
    fn place(&mut self, roots: &mut Roots, owner: Owner) {
        let file_bytes = self.storage.size();
        if owner.host.end > file_bytes && !owner.host.is_empty() {
            let missing = FaultKind::PastEnd { file_bytes };
            let fault = Fault::in_entry(missing, owner.clone(), Repair::No);
            self.journal.add(fault);
            roots.is_incomplete = true;
        }
        roots.places.push(owner);
    }

    /// Notes that a table cannot be understood.
    fn unknown(
        &mut self,
        roots: &mut Roots,
        structure: Structure,
        at: HostOffset,
        error: &dyn StdError,
    ) {
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(source) = next {
            text = format!("{text}: {source}");
            next = source.source();
        }
        let kind = FaultKind::Table { error: text };
        self.journal.add(Fault {
            host: Some(at.0..at.0),
            ..Fault::of(kind, structure, Repair::Doubtful)
        });
        roots.is_incomplete = true;
    }

    fn active(&mut self, roots: &mut Roots) {
        let header = self.header;
        let bytes = u64::from(header.l1_entries).saturating_mul(8);
        let l1 = L1 {
            bytes: range(header.l1_table_offset.0, bytes),
            disk: DiskId::Active,
            disk_bytes: header.size,
        };
        self.l1_table(roots, l1);
    }

    fn l1_table(&mut self, roots: &mut Roots, l1: L1) {
        if l1.bytes.is_empty() {
            return;
        }
        let owner = Owner {
            guest: Some(0..l1.disk_bytes),
            ..named(Structure::L1Table, l1.bytes.clone(), Some(l1.disk))
        };
        self.place(roots, owner);
        roots.l1_tables.push(l1);
    }

    fn snapshots(&mut self, roots: &mut Roots) -> Result<(), Error> {
        let header = self.header;
        let table = header.snapshots_offset;
        let mut end = table.0;
        let mut room = SNAPSHOT_L1_BYTES_MAX;
        for (index, snapshot) in (0..).zip(placed_snapshots(self.storage, header)) {
            match snapshot {
                Ok((snapshot, bytes)) => {
                    end = bytes.end;
                    self.snapshot(roots, &snapshot, index, &mut room)?;
                }
                Err(error @ qcow2_map::Error::Read { .. }) => return Err(error.into()),
                Err(error) => self.unknown(roots, Structure::SnapshotTable, table, &error),
            }
        }
        if end > table.0 {
            let table = named(Structure::SnapshotTable, table.0..end, None);
            self.place(roots, table);
        }
        Ok(())
    }

    /// Adds a snapshot, whose L1 table takes a part of the `room` that there is.
    fn snapshot(
        &mut self,
        roots: &mut Roots,
        snapshot: &Snapshot,
        index: u32,
        room: &mut u64,
    ) -> Result<(), Error> {
        let header = self.header;
        if let Err(error) = snapshot.check_l1(header.cluster_bits, index.into()) {
            let table = header.snapshots_offset;
            self.unknown(roots, Structure::SnapshotTable, table, &error);
            return Ok(());
        }
        if header.version != Version::V2 && snapshot.disk_size.is_none() {
            let error = format!(
                "snapshot table entry {index}: it has no disk size, which version 3 requires"
            );
            let kind = FaultKind::Table { error };
            let structure = Structure::SnapshotTable;
            self.journal
                .add(Fault::of(kind, structure, Repair::Doubtful));
        }
        let bytes = u64::from(snapshot.l1_entries).saturating_mul(8);
        let max = SNAPSHOT_L1_BYTES_MAX;
        let left = room.checked_sub(bytes);
        *room = left.ok_or(Error::SnapshotsTooLarge { max })?;
        let l1 = L1 {
            bytes: range(snapshot.l1_table_offset.0, bytes),
            disk: DiskId::Snapshot(index),
            disk_bytes: snapshot.disk_size.unwrap_or(header.size),
        };
        self.l1_table(roots, l1);
        Ok(())
    }

    fn bitmaps(&mut self, roots: &mut Roots) -> Result<(), Error> {
        let header = self.header;
        // If the image does not vouch for its bitmaps, they may have been given up.
        if !header.autoclear.contains(AutoclearFeatures::BITMAPS) {
            return Ok(());
        }
        let directory = header
            .extensions
            .iter()
            .find_map(|extension| match extension {
                Extension::Bitmaps(place) => Some(place),
                _ => None,
            });
        let Some(directory) = directory else {
            return Ok(());
        };
        let host = range(directory.directory_offset.0, directory.directory_bytes);
        let place = named(Structure::BitmapDirectory, host, None);
        self.place(roots, place);
        let entries = match read_bitmaps(self.storage, header) {
            Ok(entries) => entries,
            Err(error @ qcow2_map::Error::Read { .. }) => return Err(error.into()),
            Err(error) => {
                let at = directory.directory_offset;
                self.unknown(roots, Structure::BitmapDirectory, at, &error);
                return Ok(());
            }
        };
        for entry in entries {
            let bytes = u64::from(entry.table_entries).saturating_mul(8);
            let table = range(entry.table_offset.0, bytes);
            let place = named(Structure::BitmapTable, table.clone(), None);
            self.place(roots, place);
            let wanted = entry.table_entries_for(header.size, header.cluster_bits);
            if wanted != u64::from(entry.table_entries)
                && !entry.flags.contains(BitmapFlags::IN_USE)
            {
                let error = format!(
                    "bitmap {:?}: its table has {} entries, and {wanted} are those of the disk",
                    String::from_utf8_lossy(&entry.name),
                    entry.table_entries
                );
                // What it should name may be in clusters that nothing names.
                let kind = FaultKind::Table { error };
                let structure = Structure::BitmapTable;
                self.journal
                    .add(Fault::of(kind, structure, Repair::Doubtful));
                roots.is_incomplete = true;
            }
            self.bitmap_table(roots, &table)?;
        }
        Ok(())
    }

    /// Looks for faults in the entries of a bitmap table.
    fn bitmap_table(&mut self, roots: &mut Roots, table: &Range<u64>) -> Result<(), Error> {
        let cluster_bits = self.header.cluster_bits;
        let file_bytes = self.storage.size();
        let journal = &mut *self.journal;
        entries(
            self.storage,
            self.nothing,
            Structure::BitmapTable,
            table,
            |entry| {
                let offset = entry.raw & OFFSET_MASK;
                let owner = cluster_of(Structure::Bitmap, offset, cluster_bits, entry);
                let reserved = BitmapTableEntry::reserved_bits(entry.raw);
                if reserved != 0 {
                    let kind = FaultKind::Reserved { bits: reserved };
                    journal.add(Fault::in_entry(kind, owner.clone(), Repair::Doubtful));
                }
                if !cluster_bits.is_aligned(offset) {
                    let kind = FaultKind::Unaligned { offset };
                    journal.add(Fault::in_entry(kind, owner, Repair::No));
                } else if offset != 0 && owner.host.end > file_bytes {
                    let kind = FaultKind::PastEnd { file_bytes };
                    journal.add(Fault::in_entry(kind, owner, Repair::No));
                }
            },
        )?;
        roots.bitmap_tables.push(table.clone());
        Ok(())
    }

    fn refcounts(&mut self, roots: &mut Roots) -> Result<(), Error> {
        let header = self.header;
        let cluster_bytes = header.cluster_bits.bytes();
        let clusters = u64::from(header.refcount_table_clusters);
        if clusters == 0 {
            let kind = FaultKind::NoRefcountTable;
            let fault = Fault::of(kind, Structure::RefcountTable, Repair::Refcounts);
            self.journal.add(fault);
            return Ok(());
        }
        let bytes = clusters.saturating_mul(cluster_bytes);
        let table = range(header.refcount_table_offset.0, bytes);
        let incomplete = roots.is_incomplete;
        let place = named(Structure::RefcountTable, table.clone(), None);
        self.place(roots, place);
        let file_bytes = self.storage.size();
        let cluster_bits = header.cluster_bits;
        let journal = &mut *self.journal;
        let structure = Structure::RefcountTable;
        entries(self.storage, self.nothing, structure, &table, |entry| {
            let reserved = RefcountTableEntry::reserved_bits(entry.raw);
            let offset = entry.raw & !RefcountTableEntry::reserved_bits(u64::MAX);
            let owner = cluster_of(Structure::RefcountBlock, offset, cluster_bits, entry);
            let mut wrong = |kind| {
                let fault = Fault::in_entry(kind, owner.clone(), Repair::Refcounts);
                journal.add(fault);
            };
            if reserved != 0 {
                wrong(FaultKind::Reserved { bits: reserved });
            }
            if !cluster_bits.is_aligned(offset) {
                wrong(FaultKind::Unaligned { offset });
            } else if offset >= file_bytes {
                wrong(FaultKind::PastEnd { file_bytes });
            } else if offset != 0 {
                roots.block(entry.index, HostOffset(offset));
            }
        })?;
        // Refcounts refer to nothing but their blocks.
        roots.is_incomplete = incomplete;
        Ok(())
    }
}

/// The cluster that `entry` names.
pub(crate) fn cluster_of(
    structure: Structure,
    host: u64,
    cluster_bits: ClusterBits,
    entry: Entry,
) -> Owner {
    Owner {
        entry: Some(entry),
        ..named(structure, range(host, cluster_bits.bytes()), None)
    }
}

/// Shows the entries of a table that are not zero.
pub(crate) fn entries<S: ReadAt>(
    storage: &S,
    nothing: &Nothing<'_>,
    structure: Structure,
    table: &Range<u64>,
    mut show: impl FnMut(Entry),
) -> Result<(), Error> {
    for part in Parts::new(storage, nothing, structure, table) {
        let (first, bytes) = part?;
        for (index, word) in (first..).zip(bytes.as_chunks::<8>().0) {
            let raw = u64::from_be_bytes(*word);
            if raw != 0 {
                show(Entry {
                    table: structure,
                    index,
                    host: table.start.saturating_add(index.saturating_mul(8)),
                    raw,
                });
            }
        }
    }
    Ok(())
}

impl Roots {
    fn block(&mut self, index: u64, host: HostOffset) {
        // The table has at most 8 MiB.
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        if self.blocks.len() <= index {
            self.blocks.resize(index.saturating_add(1), 0);
        }
        if let Some(block) = self.blocks.get_mut(index) {
            *block = host.0;
        }
    }
}
