//! All that the structures of an image name of its file.

use std::ops::Range;

use qcow2_format::bitmap::BitmapTableEntry;
use qcow2_format::extension::Extension;
use qcow2_format::refcount::RefcountTableEntry;
use qcow2_format::{EntryContext, Header, L1Entry, L2Words, Named};
use qcow2_map::{read_bitmaps, snapshots};

use crate::error::Error;
use crate::file::File;
use crate::kind::Kind;

/// Bytes of L1 tables of snapshots, and of tables of bitmaps, that are looked at, at most:
/// tables that overlap could else be read without end.
const TABLE_BYTES_MAX: u64 = 64 << 20;

/// What an image names of its file: found once, shown as often as needed.
pub(crate) struct Walk<'w> {
    file: &'w File<'w>,
    header: &'w Header,
    context: EntryContext,
    /// Structures that are found by the header, or by a table that the header names.
    fixed: Vec<(Kind, Range<u64>)>,
    bitmap_tables: Vec<Range<u64>>,
    /// Where L2 tables are, ascending: of the active disk, and of snapshots alone.
    l2_tables: Vec<u64>,
    snapshot_l2_tables: Vec<u64>,
    /// Entries that name something which cannot be there, seen so far.
    pub(crate) wrong_entries: u64,
    /// Not all that may use clusters was looked at.
    pub(crate) is_incomplete: bool,
}

/// Hears of bytes of the file, and what they are; several may be the same.
pub(crate) type Visit<'v> = &'v mut dyn FnMut(Kind, Range<u64>);

impl<'w> Walk<'w> {
    pub(crate) fn new(file: &'w File<'w>, header: &'w Header) -> Result<Self, Error> {
        let mut walk = Self {
            file,
            header,
            context: header.entry_context(),
            fixed: Vec::new(),
            bitmap_tables: Vec::new(),
            l2_tables: Vec::new(),
            snapshot_l2_tables: Vec::new(),
            wrong_entries: 0,
            is_incomplete: false,
        };
        walk.find_refcounts()?;
        let l1_table = walk.l1_table(header.l1_table_offset.0, header.l1_entries);
        walk.fixed.push((Kind::L1Table, l1_table.clone()));
        walk.l2_tables = walk.l2_tables_in(&[l1_table])?;
        walk.find_snapshots()?;
        walk.find_bitmaps();
        for extension in &header.extensions {
            if let Extension::Luks(place) = extension {
                let end = place.offset.0.saturating_add(place.length);
                walk.fixed.push((Kind::LuksHeader, place.offset.0..end));
            }
        }
        Ok(walk)
    }

    fn cluster(&self, start: u64) -> Range<u64> {
        start..start.saturating_add(self.header.cluster_bits.bytes())
    }

    fn l1_table(&self, start: u64, entries: u32) -> Range<u64> {
        start..start.saturating_add(u64::from(entries).saturating_mul(8))
    }

    fn find_refcounts(&mut self) -> Result<(), Error> {
        let bits = self.header.cluster_bits;
        let start = self.header.refcount_table_offset.0;
        let clusters = u64::from(self.header.refcount_table_clusters);
        let table = start..start.saturating_add(clusters.saturating_mul(bits.bytes()));
        let (mut blocks, mut wrong) = (Vec::new(), 0u64);
        self.file.words(
            table.clone(),
            |index, word| match RefcountTableEntry::decode(word, bits, index) {
                Ok(RefcountTableEntry(Some(block))) if block.0 < self.file.size() => {
                    blocks.push(block.0);
                }
                Ok(RefcountTableEntry(None)) => {}
                _ => wrong = wrong.saturating_add(1),
            },
        )?;
        self.wrong_entries = self.wrong_entries.saturating_add(wrong);
        self.fixed.push((Kind::RefcountTable, table));
        blocks.sort_unstable();
        blocks.dedup();
        let blocks = blocks.into_iter();
        let blocks: Vec<_> = blocks
            .map(|block| (Kind::RefcountBlock, self.cluster(block)))
            .collect();
        self.fixed.extend(blocks);
        Ok(())
    }

    /// Where the L2 tables are that these L1 tables name, ascending, each once.
    fn l2_tables_in(&mut self, l1_tables: &[Range<u64>]) -> Result<Vec<u64>, Error> {
        let bits = self.header.cluster_bits;
        let (mut found, mut wrong) = (Vec::new(), 0u64);
        for table in l1_tables {
            self.file.words(table.clone(), |index, word| {
                match L1Entry::decode(word, bits, index) {
                    Ok(Some(entry)) if entry.l2_table.0 < self.file.size() => {
                        found.push(entry.l2_table.0);
                    }
                    Ok(None) => {}
                    _ => wrong = wrong.saturating_add(1),
                }
            })?;
        }
        self.wrong_entries = self.wrong_entries.saturating_add(wrong);
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn find_snapshots(&mut self) -> Result<(), Error> {
        let start = self.header.snapshots_offset.0;
        let mut end = start;
        let mut tables: Vec<Range<u64>> = Vec::new();
        let mut room = TABLE_BYTES_MAX;
        for snapshot in snapshots(self.file.storage(), self.header) {
            let mut bytes = Vec::new();
            let Ok(snapshot) = snapshot else {
                self.is_incomplete = true;
                break;
            };
            if snapshot.encode(&mut bytes, 0).is_err() {
                self.is_incomplete = true;
                break;
            }
            end = end.saturating_add(blockio::len_u64(bytes.len()));
            let table = self.l1_table(snapshot.l1_table_offset.0, snapshot.l1_entries);
            let length = table.end.saturating_sub(table.start);
            // A table cannot lie in the header.
            if table.start < self.header.cluster_bits.bytes() {
                self.wrong_entries = self.wrong_entries.saturating_add(1);
            } else if length > room {
                self.is_incomplete = true;
            } else {
                room = room.saturating_sub(length);
                tables.push(table);
            }
        }
        if end > start {
            self.fixed.push((Kind::SnapshotTable, start..end));
        }
        let of_tables = tables.iter().cloned();
        self.fixed
            .extend(of_tables.map(|table| (Kind::SnapshotL1Table, table)));
        let found = self.l2_tables_in(&tables)?;
        let found = found.into_iter();
        self.snapshot_l2_tables = found
            .filter(|table| self.l2_tables.binary_search(table).is_err())
            .collect();
        Ok(())
    }

    fn find_bitmaps(&mut self) {
        let places = self.header.extensions.iter();
        let directory = places.filter_map(|extension| match extension {
            Extension::Bitmaps(place) => Some(place),
            _ => None,
        });
        // Where the image does not vouch for its bitmaps, they are leaked.
        let Ok(entries) = read_bitmaps(self.file.storage(), self.header) else {
            self.is_incomplete = true;
            return;
        };
        if entries.is_empty() {
            return;
        }
        for place in directory {
            let start = place.directory_offset.0;
            let end = start.saturating_add(place.directory_bytes);
            self.fixed.push((Kind::BitmapDirectory, start..end));
        }
        let mut room = TABLE_BYTES_MAX;
        for entry in entries {
            let table = self.l1_table(entry.table_offset.0, entry.table_entries);
            let length = table.end.saturating_sub(table.start);
            match room.checked_sub(length) {
                Some(rest) => {
                    room = rest;
                    self.fixed.push((Kind::BitmapTable, table.clone()));
                    self.bitmap_tables.push(table);
                }
                None => self.is_incomplete = true,
            }
        }
    }

    /// Where structures end that are not made of clusters.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (u64, Kind)> {
        self.fixed.iter().map(|(kind, range)| (range.end, *kind))
    }

    /// Shows all that the image names: what comes first has the better claim. Returns how
    /// many entries are wrong beyond those that were seen before.
    pub(crate) fn visit(&self, visit: Visit<'_>) -> Result<u64, Error> {
        let mut wrong = 0u64;
        for (kind, range) in &self.fixed {
            visit(*kind, range.clone());
        }
        let bits = self.header.cluster_bits;
        for table in &self.bitmap_tables {
            self.file
                .words(table.clone(), |index, word| match BitmapTableEntry::decode(
                    word, bits, index,
                ) {
                    Ok(BitmapTableEntry::Data(host)) if host.0 < self.file.size() => {
                        visit(Kind::BitmapData, self.cluster(host.0));
                    }
                    Ok(BitmapTableEntry::Zeros | BitmapTableEntry::Ones) => {}
                    _ => wrong = wrong.saturating_add(1),
                })?;
        }
        let active = (
            &self.l2_tables,
            Kind::L2Table,
            [Kind::Data, Kind::Compressed],
        );
        let of_snapshots = [Kind::SnapshotData; 2];
        let rest = (
            &self.snapshot_l2_tables,
            Kind::SnapshotL2Table,
            of_snapshots,
        );
        for (tables, kind, named) in [active, rest] {
            tables
                .iter()
                .for_each(|table| visit(kind, self.cluster(*table)));
            for table in tables {
                let more = self.visit_table(self.cluster(*table), named, visit)?;
                wrong = wrong.saturating_add(more);
            }
        }
        Ok(wrong)
    }

    /// Shows what the L2 table at `table` names: clusters as the first kind, and streams as
    /// the second.
    fn visit_table(
        &self,
        table: Range<u64>,
        [cluster, stream]: [Kind; 2],
        visit: Visit<'_>,
    ) -> Result<u64, Error> {
        if self.file.is_hole(&table)? {
            return Ok(0);
        }
        let mut wrong = 0u64;
        let bytes = self.file.read(table)?;
        let entries = L2Words::all(&bytes, self.header.geometry().extended_l2);
        for (index, entry) in (0..).zip(entries) {
            if entry.is_zero() {
                continue;
            }
            match entry.counted(&self.context, index) {
                Ok(Some((named, range))) if range.start < self.file.size() => visit(
                    match named {
                        Named::Cluster => cluster,
                        Named::Stream => stream,
                    },
                    range,
                ),
                Ok(None) => {}
                _ => wrong = wrong.saturating_add(1),
            }
        }
        Ok(wrong)
    }
}
