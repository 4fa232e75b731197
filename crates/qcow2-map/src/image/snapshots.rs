//! The tables beside the disk: internal snapshots and bitmaps.

use std::ops::Range;

use blockio::ReadAt;
use qcow2_format::bitmap::{BitmapDirectoryEntry, decode_directory};
use qcow2_format::extension::Extension;
use qcow2_format::feature::AutoclearFeatures;
use qcow2_format::limits::SNAPSHOT_TABLE_BYTES_MAX;
use qcow2_format::snapshot::{ENTRY_BYTES_MIN, Snapshot};
use qcow2_format::{Header, HostOffset};

use crate::{Error, Structure};

/// The internal snapshots of an image, in the order of their table.
///
/// # Errors
///
/// [`Error::SnapshotTable`] if an entry is wrong or the table is larger than
/// QEMU's limit, [`Error::TableTruncated`], and [`Error::Read`].
pub fn read_snapshots<S: ReadAt + ?Sized>(
    storage: &S,
    header: &Header,
) -> Result<Vec<Snapshot>, Error> {
    snapshots(storage, header).collect()
}

/// The snapshots of an image, one by one: none is kept. Ends after an error.
pub fn snapshots<S: ReadAt + ?Sized>(
    storage: &S,
    header: &Header,
) -> impl Iterator<Item = Result<Snapshot, Error>> {
    placed_snapshots(storage, header).map(|entry| entry.map(|(snapshot, _)| snapshot))
}

/// The same, each with the host bytes of its entry, which end with its padding.
pub fn placed_snapshots<S: ReadAt + ?Sized>(
    storage: &S,
    header: &Header,
) -> impl Iterator<Item = Result<(Snapshot, Range<u64>), Error>> {
    let table = header.snapshots_offset;
    let mut next = Some(table.0);
    (0..u64::from(header.snapshot_count)).map_while(move |index| {
        let at = next?;
        let entry = read_snapshot(storage, table, at, index);
        next = entry.as_ref().ok().map(|(_, end)| *end);
        Some(entry.map(|(snapshot, end)| (snapshot, at..end)))
    })
}

/// Entry `index` of the snapshot table, which is at `at`, and where the next
/// one is.
fn read_snapshot<S: ReadAt + ?Sized>(
    storage: &S,
    table: HostOffset,
    at: u64,
    index: u64,
) -> Result<(Snapshot, u64), Error> {
    let wrong = |source| Error::SnapshotTable { table, source };
    let fixed = read_part(storage, Structure::SnapshotTable, at, ENTRY_BYTES_MIN)?;
    let entry_bytes = Snapshot::entry_bytes(&fixed, index).map_err(wrong)?;
    let end = at.saturating_add(entry_bytes);
    let table_bytes = end.saturating_sub(table.0);
    if table_bytes > SNAPSHOT_TABLE_BYTES_MAX {
        return Err(Error::SnapshotTableTooLarge {
            table,
            index,
            found: table_bytes,
            max: SNAPSHOT_TABLE_BYTES_MAX,
        });
    }
    // At most 133 KiB: extra data is limited, and names have 16-bit lengths.
    let bytes = read_part(storage, Structure::SnapshotTable, at, entry_bytes)?;
    let snapshot = Snapshot::decode(&bytes, index).map_err(wrong)?;
    Ok((snapshot, end.saturating_add(7) & !7))
}

/// The bitmaps of an image, where it vouches for them: elsewhere they are not
/// those of the disk.
///
/// # Errors
///
/// [`Error::BitmapDirectory`] if the directory is wrong,
/// [`Error::TableTruncated`], and [`Error::Read`].
pub fn read_bitmaps<S: ReadAt + ?Sized>(
    storage: &S,
    header: &Header,
) -> Result<Vec<BitmapDirectoryEntry>, Error> {
    let place = header
        .extensions
        .iter()
        .find_map(|extension| match extension {
            Extension::Bitmaps(place) => Some(place),
            _ => None,
        });
    let Some(place) = place.filter(|_| header.autoclear.contains(AutoclearFeatures::BITMAPS))
    else {
        return Ok(Vec::new());
    };
    let directory = place.directory_offset;
    // Decoding the header has held the length against the limit of 64 MiB.
    let bytes = read_part(
        storage,
        Structure::BitmapDirectory,
        directory.0,
        place.directory_bytes,
    )?;
    decode_directory(&bytes, place.count, header.cluster_bits)
        .map_err(|source| Error::BitmapDirectory { directory, source })
}

/// Reads a part of a table, all of which must be in the file.
fn read_part<S: ReadAt + ?Sized>(
    storage: &S,
    structure: Structure,
    at: u64,
    length: u64,
) -> Result<Vec<u8>, Error> {
    let (host, file_bytes) = (HostOffset(at), storage.size());
    let end = at.saturating_add(length);
    if end > file_bytes {
        return Err(Error::TableTruncated {
            structure,
            host,
            end,
            file_bytes,
        });
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    storage
        .read_at(at, &mut bytes)
        .map_err(|source| Error::Read {
            structure,
            host,
            source,
        })?;
    Ok(bytes)
}
