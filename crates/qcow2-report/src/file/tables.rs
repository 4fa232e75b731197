//! L2 tables, and what they name.

use std::ops::Range;

use blockio::ReadAt;
use qcow2_format::{Header, L1Entry, L2Words, Named};
use qcow2_map::{ImageContent, SLICE_BYTES, Structure, WORD_BYTES, in_memory, snapshots};

use super::clusters::Clusters;
use crate::error::Error;
use crate::kinds::FileKind;

/// Most bytes of the L1 tables of snapshots that are looked at, as with a check.
const SNAPSHOT_L1_BYTES_MAX: u64 = 256 << 20;

/// Paints the L2 tables, then what those of the disk name, then what those of the
/// snapshots name. Each table is visited once.
pub(super) fn paint<S: ReadAt>(
    storage: &S,
    image: &ImageContent,
    clusters: &mut Clusters,
) -> Result<(), Error> {
    let l1_tables = l1_tables(storage, image);
    for l1_table in &l1_tables {
        l2_tables(storage, &image.header, l1_table, |table| {
            clusters.paint(&table, FileKind::L2)
        })?;
    }
    let mut visitor = Visitor {
        storage,
        image,
        buffer: Vec::new(),
    };
    for (index, l1_table) in l1_tables.iter().enumerate() {
        let is_snapshot = index > 0;
        l2_tables(storage, &image.header, l1_table, |table| {
            match clusters.visit_table(table.start)? {
                true => visitor.visit(&table, is_snapshot, clusters),
                false => Ok(()),
            }
        })?;
    }
    Ok(())
}

/// The L1 tables: of the disk that is read first, then of the active disk and of
/// snapshots.
pub(super) fn l1_tables<S: ReadAt>(storage: &S, image: &ImageContent) -> Vec<Range<u64>> {
    let header = &image.header;
    let table = |start: u64, entries: u32| {
        let bytes = u64::from(entries).saturating_mul(WORD_BYTES);
        start..start.saturating_add(bytes)
    };
    let active = table(header.l1_table_offset.0, header.l1_entries);
    let read = image.disk.l1_host.0;
    let mut room = SNAPSHOT_L1_BYTES_MAX;
    let mut tables = vec![active];
    for (index, snapshot) in (0..).zip(snapshots(storage, header)) {
        let Ok(snapshot) = snapshot else { break };
        if snapshot.check_l1(header.cluster_bits, index).is_err() {
            continue;
        }
        let table = table(snapshot.l1_table_offset.0, snapshot.l1_entries);
        let length = table.end.saturating_sub(table.start);
        if length <= room || table.start == read {
            room = room.saturating_sub(length);
            tables.push(table);
        }
    }
    if let Some(of_disk) = tables.iter().position(|table| table.start == read) {
        tables.swap(0, of_disk);
    }
    tables
}

/// Shows each word of the table at `table` to `visit`, as far as it is in the file.
pub(super) fn words<S: ReadAt>(
    storage: &S,
    table: &Range<u64>,
    mut visit: impl FnMut(u64) -> Result<(), Error>,
) -> Result<(), Error> {
    let end = table.end.min(storage.size());
    let mut at = table.start;
    let mut buffer = vec![0; in_memory(SLICE_BYTES)];
    while at < end {
        let length = end.saturating_sub(at).min(SLICE_BYTES);
        let bytes = buffer.get_mut(..in_memory(length)).unwrap_or_default();
        read(storage, Structure::L1Table, at, bytes)?;
        for word in bytes.as_chunks::<8>().0 {
            visit(u64::from_be_bytes(*word))?;
        }
        at = at.saturating_add(length);
    }
    Ok(())
}

/// Shows the place of each L2 table that the L1 table at `l1_table` names to `visit`.
/// Entries that are wrong name none.
fn l2_tables<S: ReadAt>(
    storage: &S,
    header: &Header,
    l1_table: &Range<u64>,
    mut visit: impl FnMut(Range<u64>) -> Result<(), Error>,
) -> Result<(), Error> {
    let bits = header.cluster_bits;
    words(storage, l1_table, |raw| {
        match L1Entry::decode(raw, bits, 0) {
            Ok(Some(entry)) => {
                let start = entry.l2_table.0;
                visit(start..start.saturating_add(bits.bytes()))
            }
            _ => Ok(()),
        }
    })
}

/// Paints what L2 tables name.
struct Visitor<'v, S> {
    storage: &'v S,
    image: &'v ImageContent,
    buffer: Vec<u8>,
}

impl<S: ReadAt> Visitor<'_, S> {
    fn visit(
        &mut self,
        table: &Range<u64>,
        is_snapshot: bool,
        clusters: &mut Clusters,
    ) -> Result<(), Error> {
        let tables = &self.image.tables;
        let there = table.end.min(self.storage.size());
        let length = there.saturating_sub(table.start);
        self.buffer.resize(in_memory(length), 0);
        read(
            self.storage,
            Structure::L2Table,
            table.start,
            &mut self.buffer,
        )?;
        let has_data_file = tables.files.data != tables.files.image;
        // Clusters that follow each other are painted at once.
        let mut held = (0..0, FileKind::Data);
        let entries = L2Words::all(&self.buffer, tables.geometry.extended_l2);
        for (index, entry) in (0..).zip(entries) {
            if entry.is_zero() {
                continue;
            }
            let Ok(Some((named, bytes))) = entry.counted(&tables.context, index) else {
                continue;
            };
            let kind = match (named, is_snapshot) {
                (Named::Cluster, _) if has_data_file => continue,
                (_, true) => FileKind::Snapshots,
                (Named::Cluster, false) => FileKind::Data,
                (Named::Stream, false) => FileKind::Compressed,
            };
            if held.1 == kind && held.0.end == bytes.start {
                held.0.end = bytes.end;
            } else {
                clusters.paint(&held.0, held.1)?;
                held = (bytes, kind);
            }
        }
        clusters.paint(&held.0, held.1)
    }
}

fn read<S: ReadAt>(
    storage: &S,
    structure: Structure,
    at: u64,
    bytes: &mut [u8],
) -> Result<(), Error> {
    storage.read_at(at, bytes).map_err(|source| {
        Error::Image(qcow2_map::Error::Read {
            structure,
            host: qcow2_format::HostOffset(at),
            source,
        })
    })
}
