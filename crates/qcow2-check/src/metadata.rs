//! What is metadata in an image, beside its L2 tables.

use std::ops::Range;

use blockio::ReadAt;
use qcow2_format::extension::Extension;
use qcow2_format::snapshot::Snapshot;
use qcow2_format::{Header, HostOffset};
use qcow2_map::{ImageContent, read_bitmaps, snapshots};

/// Most bytes of the L1 tables of snapshots that are looked at, one after the
/// other: 65,536 snapshots of disks of 256 GiB have as many. Tables that overlap
/// could else be read without end.
const SNAPSHOT_L1_BYTES_MAX: u64 = 256 << 20;

/// Bytes of the file that are metadata.
pub(crate) struct Metadata {
    pub(crate) bytes: Range<u64>,
    /// How often they count: what lies in other metadata does no harm to those who do
    /// not read it.
    pub(crate) times: u32,
    /// Whether the disk needs them.
    pub(crate) needed: bool,
}

impl Metadata {
    /// What the disk is read by.
    pub(crate) fn of_disk(bytes: Range<u64>) -> Self {
        Self {
            bytes,
            times: 1,
            needed: true,
        }
    }

    /// What it is held against: a disk without it is the same.
    pub(crate) fn of_refcounts(bytes: Range<u64>) -> Self {
        Self {
            bytes,
            times: 1,
            needed: false,
        }
    }

    /// What another disk, or something beside it, is read by.
    pub(crate) fn beside(bytes: Range<u64>) -> Self {
        Self {
            bytes,
            times: 0,
            needed: false,
        }
    }
}

/// The L1 tables: of the disk that is read, the active disk, and snapshots, as far
/// as they are in the file and within the limit.
pub(crate) fn l1_tables<S: ReadAt>(storage: &S, image: &ImageContent) -> Vec<(Range<u64>, bool)> {
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

/// The bytes of the snapshot table up to the first damage.
pub(crate) fn snapshot_table<S: ReadAt>(storage: &S, header: &Header) -> Option<Range<u64>> {
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
pub(crate) fn bitmaps<S: ReadAt>(storage: &S, header: &Header) -> impl Iterator<Item = Range<u64>> {
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

pub(crate) fn luks_header(header: &Header) -> Option<Range<u64>> {
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
