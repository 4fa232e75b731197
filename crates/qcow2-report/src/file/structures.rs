//! The structures of an image besides its L2 tables and what those name.

use std::ops::Range;

use blockio::ReadAt;
use qcow2_check::RefcountTable;
use qcow2_format::bitmap::BitmapTableEntry;
use qcow2_format::extension::Extension;
use qcow2_format::{Header, HostOffset};
use qcow2_map::{ImageContent, WORD_BYTES, read_bitmaps, snapshots};

use super::clusters::Clusters;
use super::tables::{l1_tables, words};
use crate::error::Error;
use crate::kinds::FileKind;

/// Paints all but L2 tables and what they name. What is wrong, and is not needed to read
/// the disk, is passed over: that is what the check is for.
pub(super) fn paint<S: ReadAt>(
    storage: &S,
    image: &ImageContent,
    clusters: &mut Clusters,
) -> Result<(), Error> {
    let header = &image.header;
    let cluster_bytes = header.cluster_bits.bytes();
    clusters.paint(&(0..cluster_bytes), FileKind::Header)?;
    for table in l1_tables(storage, image) {
        clusters.paint(&table, FileKind::L1)?;
    }
    let table_clusters = u64::from(header.refcount_table_clusters);
    let table_bytes = table_clusters.saturating_mul(cluster_bytes);
    let table = range(header.refcount_table_offset, table_bytes);
    clusters.paint(&table, FileKind::Refcounts)?;
    if let Ok(table) = RefcountTable::read(storage, header) {
        let blocks = table_bytes / WORD_BYTES;
        for block in (0..blocks).filter_map(|index| table.block(index)) {
            clusters.paint(&range(block, cluster_bytes), FileKind::Refcounts)?;
        }
    }
    extras(storage, header, clusters)
}

/// Most entries of bitmap tables that are read.
const BITMAP_ENTRIES_MAX: u64 = 16 << 20;

/// Paints the snapshot table, bitmaps and the header of an encryption.
fn extras<S: ReadAt>(storage: &S, header: &Header, clusters: &mut Clusters) -> Result<(), Error> {
    let mut end = header.snapshots_offset.0;
    for snapshot in snapshots(storage, header) {
        let Ok(snapshot) = snapshot else { break };
        let mut bytes = Vec::new();
        if snapshot.encode(&mut bytes, 0).is_err() {
            break;
        }
        end = end.saturating_add(blockio::len_u64(bytes.len()));
    }
    clusters.paint(&(header.snapshots_offset.0..end), FileKind::Extras)?;
    let bitmaps = read_bitmaps(storage, header).unwrap_or_default();
    for extension in &header.extensions {
        let place = match extension {
            Extension::Bitmaps(place) if !bitmaps.is_empty() => {
                range(place.directory_offset, place.directory_bytes)
            }
            Extension::Luks(place) => range(place.offset, place.length),
            _ => continue,
        };
        clusters.paint(&place, FileKind::Extras)?;
    }
    let mut room = BITMAP_ENTRIES_MAX;
    for bitmap in bitmaps {
        let bytes = u64::from(bitmap.table_entries).saturating_mul(WORD_BYTES);
        let table = range(bitmap.table_offset, bytes);
        clusters.paint(&table, FileKind::Extras)?;
        // Such a bitmap is damaged, and many of them could be read without end.
        let wanted = bitmap.table_entries_for(header.size, header.cluster_bits);
        room = room.saturating_sub(wanted);
        if wanted != u64::from(bitmap.table_entries) || room == 0 {
            continue;
        }
        words(storage, &table, |word| {
            // What an entry must not have does not matter here.
            match BitmapTableEntry::decode(word, header.cluster_bits, 0) {
                Ok(BitmapTableEntry::Data(host)) => {
                    let place = range(host, header.cluster_bits.bytes());
                    clusters.paint(&place, FileKind::Extras)
                }
                _ => Ok(()),
            }
        })?;
    }
    Ok(())
}

fn range(host: HostOffset, bytes: u64) -> Range<u64> {
    host.0..host.0.saturating_add(bytes)
}
