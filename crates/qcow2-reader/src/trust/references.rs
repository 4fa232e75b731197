//! All that uses host clusters of an image.

use std::ops::Range;

use blockio::ReadAt;
use qcow2_format::extension::Extension;
use qcow2_format::snapshot::Snapshot;
use qcow2_format::{Header, HostOffset, L1Entry};

use super::counts::Reference;
use super::refcounts::RefcountTable;
use super::streams::{Measure, Streams};
use crate::crypt::SECTOR_BYTES;
use crate::l2::Words;
use crate::layer::ImageContent;
use crate::load::in_memory;
use crate::slices::{SLICE_BYTES, WORD_BYTES};
use crate::snapshots::{read_bitmaps, snapshots};
use crate::{Error, Structure, Use};

/// L1 entries that are looked at once: of tables that several of them share,
/// one is read.
const L1_ENTRIES: usize = 1 << 18;

/// Most bytes of the L1 tables of snapshots that are looked at, one after the
/// other: 65,536 snapshots of disks of 256 GiB have as many. Tables that overlap
/// could else be read without end.
const SNAPSHOT_L1_BYTES_MAX: u64 = 256 << 20;

/// The references of an image, to be visited as often as needed.
pub(super) struct References<'r, S> {
    storage: &'r S,
    image: &'r ImageContent,
    refcount_table: &'r RefcountTable,
    /// Metadata other than L2 tables and refcount blocks.
    metadata: Vec<Metadata>,
    /// The L1 tables, and whether the disk needs them.
    l1_tables: Vec<(Range<u64>, bool)>,
}

/// Bytes of the file that are metadata.
struct Metadata {
    bytes: Range<u64>,
    /// How often they count: what lies in other metadata is no harm to those who do
    /// not read it.
    times: u32,
    /// Whether the disk needs them.
    needed: bool,
}

impl Metadata {
    /// What the disk is read by.
    fn of_disk(bytes: Range<u64>) -> Self {
        Self {
            bytes,
            times: 1,
            needed: true,
        }
    }

    /// What it is held against: a disk without it is the same.
    fn of_refcounts(bytes: Range<u64>) -> Self {
        Self {
            bytes,
            times: 1,
            needed: false,
        }
    }

    /// What another disk, or something beside it, is read by.
    fn beside(bytes: Range<u64>) -> Self {
        Self {
            bytes,
            times: 0,
            needed: false,
        }
    }
}

/// An L2 table: where it is, how often it is used, and how often of these by the disk.
type L2Use = (u64, u32, u32);

impl<'r, S: ReadAt> References<'r, S> {
    pub(super) fn new(
        storage: &'r S,
        image: &'r ImageContent,
        refcount_table: &'r RefcountTable,
    ) -> Self {
        let header = &image.header;
        let cluster_bytes = header.cluster_bits.bytes();
        let range = |host: HostOffset, bytes: u64| host.0..host.0.saturating_add(bytes);
        let table_clusters = u64::from(header.refcount_table_clusters);
        let table_bytes = table_clusters.saturating_mul(cluster_bytes);
        let l1_tables = l1_tables(storage, image);

        let mut metadata = vec![
            Metadata::of_disk(0..cluster_bytes),
            Metadata::of_refcounts(range(header.refcount_table_offset, table_bytes)),
        ];
        let l1_metadata = l1_tables.iter().cloned();
        metadata.extend(l1_metadata.map(|(table, needed)| match needed {
            true => Metadata::of_disk(table),
            false => Metadata::beside(table),
        }));
        metadata.extend(snapshot_table(storage, header).map(Metadata::beside));
        metadata.extend(bitmaps(storage, header).map(Metadata::beside));
        metadata.extend(luks_header(header).map(Metadata::of_disk));
        Self {
            storage,
            image,
            refcount_table,
            metadata,
            l1_tables,
        }
    }

    /// Shows every reference to `visit`. Tables that are wrong or missing are
    /// passed over.
    pub(super) fn visit(
        &self,
        streams: Streams,
        mut visit: impl FnMut(&Reference),
    ) -> Result<(), Error> {
        let cluster_bytes = self.image.header.cluster_bits.bytes();
        let blocks = self.refcount_table.blocks();
        let blocks = blocks.map(|block| block.0..block.0.saturating_add(cluster_bytes));
        let mut visit_metadata = |metadata: &Metadata| {
            if !metadata.bytes.is_empty() {
                visit(&Reference {
                    clusters: self.clusters(&metadata.bytes),
                    used_as: Use::Metadata,
                    times: metadata.times,
                    needed: metadata.needed.into(),
                });
            }
        };
        self.metadata.iter().for_each(&mut visit_metadata);
        blocks.for_each(|block| visit_metadata(&Metadata::of_refcounts(block)));
        let codec = self.image.tables.codec;
        let is_measured = streams == Streams::Measured;
        let mut measure = is_measured.then(|| Measure::new(self.storage, codec));
        let mut tables = Vec::new();
        for (l1_table, needed) in &self.l1_tables {
            self.parts(Structure::L1Table, l1_table, |first, entries| {
                let (entries, _) = entries.as_chunks::<8>();
                for (index, entry) in (first..).zip(entries) {
                    let raw = u64::from_be_bytes(*entry);
                    let entry = L1Entry::decode(raw, self.image.header.cluster_bits, index);
                    if let Ok(Some(entry)) = entry {
                        tables.push((entry.l2_table.0, 1, u32::from(*needed)));
                    }
                    if tables.len() == L1_ENTRIES {
                        self.visit_tables(&mut tables, measure.as_mut(), &mut visit)?;
                    }
                }
                Ok(())
            })?;
        }
        self.visit_tables(&mut tables, measure.as_mut(), &mut visit)
    }

    /// Visits L2 tables and what they use, and forgets them.
    fn visit_tables(
        &self,
        tables: &mut Vec<L2Use>,
        mut measure: Option<&mut Measure<'_, S>>,
        visit: &mut impl FnMut(&Reference),
    ) -> Result<(), Error> {
        tables.sort_unstable();
        tables.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.saturating_add(next.1);
                kept.2 = kept.2.saturating_add(next.2);
            }
            same
        });
        for (host, times, needed) in tables.drain(..) {
            let cluster_bytes = self.image.header.cluster_bits.bytes();
            let bytes = host..host.saturating_add(cluster_bytes);
            let mut reference = Reference {
                clusters: self.clusters(&bytes),
                used_as: Use::L2Table,
                times,
                needed,
            };
            visit(&reference);
            let (context, geometry) = (&self.image.tables.context, self.image.tables.geometry);
            let words = geometry.l2_entry_bytes() / WORD_BYTES;
            self.parts(Structure::L2Table, &bytes, |first, entries| {
                let entries = Words::all(entries, geometry.extended_l2);
                for (index, entry) in (first / words..).zip(entries) {
                    if entry.is_zero() {
                        continue;
                    }
                    if let Ok(Some((used_as, mut bytes))) = entry.counted(context, index) {
                        if let (Use::Stream, Some(measure)) = (used_as, &mut measure) {
                            bytes.end = measure.end(&bytes);
                        }
                        reference.used_as = used_as;
                        reference.clusters = self.clusters(&bytes);
                        visit(&reference);
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The host clusters that `bytes` touch.
    fn clusters(&self, bytes: &Range<u64>) -> Range<u64> {
        let cluster_bytes = self.image.header.cluster_bits.bytes();
        bytes.start / cluster_bytes..bytes.end.div_ceil(cluster_bytes)
    }

    /// Shows the bytes of a table that are in the file to `look`, part by part, each
    /// with the index of its first word.
    pub(super) fn parts(
        &self,
        structure: Structure,
        bytes: &Range<u64>,
        mut look: impl FnMut(u64, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let end = bytes.end.min(self.storage.size());
        let mut part = Vec::new();
        let mut at = bytes.start;
        while at < end {
            // A hole has no entries, and long tables of nothing cost nothing.
            match self.storage.next_data(at) {
                Ok(None) => break,
                Ok(Some(data)) => {
                    let hole_bytes = data.start.saturating_sub(at);
                    at = at.saturating_add(hole_bytes / SLICE_BYTES * SLICE_BYTES);
                }
                // To read it may succeed.
                Err(_) => {}
            }
            let length = end.saturating_sub(at).min(SLICE_BYTES);
            if length == 0 {
                break;
            }
            part.resize(in_memory(length), 0);
            match self.storage.read_at(at, &mut part) {
                Ok(()) => {}
                Err(_) if self.image.tables.places.salvage => {
                    read_sectors(self.storage, at, &mut part);
                }
                Err(source) => {
                    return Err(Error::Read {
                        structure,
                        host: HostOffset(at),
                        source,
                    });
                }
            }
            look(at.saturating_sub(bytes.start) / WORD_BYTES, &part)?;
            at = at.saturating_add(length);
        }
        Ok(())
    }
}

/// Reads sector by sector what could not be read at once. Those that cannot be read have
/// no entries.
fn read_sectors<S: ReadAt>(storage: &S, at: u64, bytes: &mut [u8]) {
    let mut at = at;
    for sector in bytes.chunks_mut(in_memory(SECTOR_BYTES)) {
        if storage.read_at(at, sector).is_err() {
            sector.fill(0);
        }
        at = at.saturating_add(blockio::len_u64(sector.len()));
    }
}

/// The L1 tables: of the disk that is read, the active disk, and snapshots, as far
/// as they are in the file and within the limit.
fn l1_tables<S: ReadAt>(storage: &S, image: &ImageContent) -> Vec<(Range<u64>, bool)> {
    let header = &image.header;
    let table = |host: HostOffset, entries: u32| {
        let bytes = u64::from(entries).saturating_mul(8);
        host.0..host.0.saturating_add(bytes)
    };
    let read = image.disk.l1_host;
    let active = table(header.l1_table_offset, header.l1_entries);
    let mut is_read_known = active.start == read.0;
    let mut room = SNAPSHOT_L1_BYTES_MAX;
    let mut tables = vec![(active, is_read_known)];
    for (index, snapshot) in (0..).zip(snapshots(storage, header)) {
        let Ok(snapshot) = snapshot else { break };
        let bytes = table(snapshot.l1_table_offset, snapshot.l1_entries);
        let length = bytes.end.saturating_sub(bytes.start);
        let usable = is_usable(&snapshot, header, index) && bytes.end <= storage.size();
        let needed = bytes.start == read.0;
        if usable && (length <= room || needed && !is_read_known) {
            room = room.saturating_sub(length);
            is_read_known |= needed;
            tables.push((bytes, needed));
        }
    }
    tables
}

/// Whether the L1 table of a snapshot can be one. The header is none: that snapshot
/// alone is lost.
fn is_usable(snapshot: &Snapshot, header: &Header, index: u64) -> bool {
    let cluster_bits = header.cluster_bits;
    let is_behind_header = snapshot.l1_table_offset.0 >= cluster_bits.bytes();
    is_behind_header && snapshot.check_l1(cluster_bits, index).is_ok()
}

/// The bytes of the snapshot table, as far as it is right.
fn snapshot_table<S: ReadAt>(storage: &S, header: &Header) -> Option<Range<u64>> {
    let start = header.snapshots_offset.0;
    let mut end = start;
    for snapshot in snapshots(storage, header) {
        let Ok(snapshot) = snapshot else { break };
        let mut bytes = Vec::new();
        snapshot.encode(&mut bytes, 0).ok()?;
        end = end.saturating_add(blockio::len_u64(bytes.len()));
    }
    (end > start).then_some(start..end)
}

/// The bytes of the bitmap directory and of the tables that it names.
fn bitmaps<S: ReadAt>(storage: &S, header: &Header) -> impl Iterator<Item = Range<u64>> {
    let directory = header
        .extensions
        .iter()
        .find_map(|extension| match extension {
            Extension::Bitmaps(place) => Some(place),
            _ => None,
        });
    let entries = read_bitmaps(storage, header).unwrap_or_default();
    // Where the image does not vouch for its bitmaps, they may have been given up.
    let directory = directory.filter(|_| !entries.is_empty()).map(|place| {
        let start = place.directory_offset.0;
        start..start.saturating_add(place.directory_bytes)
    });
    let tables = entries.into_iter().map(|entry| {
        let bytes = u64::from(entry.table_entries).saturating_mul(8);
        entry.table_offset.0..entry.table_offset.0.saturating_add(bytes)
    });
    directory.into_iter().chain(tables)
}

fn luks_header(header: &Header) -> Option<Range<u64>> {
    header
        .extensions
        .iter()
        .find_map(|extension| match extension {
            Extension::Luks(place) => {
                let start = place.offset.0;
                Some(start..start.saturating_add(place.length))
            }
            _ => None,
        })
}
