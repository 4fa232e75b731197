//! What an image consists of, without its L2 tables and refcounts.

use std::ops::Range;

use blockio::{ReadAt, len_u64};
use qcow2_format::bitmap::{BitmapDirectoryEntry, encode_directory};
use qcow2_format::extension::Extension;
use qcow2_format::feature::{AutoclearFeatures, IncompatibleFeatures};
use qcow2_format::snapshot::{Snapshot, encode_table};
use qcow2_format::{Header, HostOffset};
use qcow2_map::{read_bitmaps, read_header, read_snapshots};

use crate::error::Error;
use crate::image::damage::Damage;
use crate::image::view::{View, table_bytes};

/// Features with which an image can be changed. The corrupt bit is none of them.
pub(crate) const SUPPORTED: IncompatibleFeatures = IncompatibleFeatures::DIRTY
    .union(IncompatibleFeatures::CORRUPT)
    .union(IncompatibleFeatures::COMPRESSION_TYPE)
    .union(IncompatibleFeatures::EXTENDED_L2)
    .union(IncompatibleFeatures::EXTERNAL_DATA_FILE);

/// Most bytes of the L1 tables of all snapshots: those of 65,536 snapshots of disks of
/// 256 GiB with clusters of 64 KiB.
const L1_BYTES_MAX: u64 = 256 << 20;

/// Bytes of a sector: the size in the header is a multiple of it.
const SECTOR_BYTES: u64 = 512;

/// What an image consists of. Its tables are in the file already.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) header: Header,
    pub(crate) snapshots: Vec<Snapshot>,
    pub(crate) bitmaps: Vec<BitmapDirectoryEntry>,
}

impl State {
    pub(crate) fn read<S: ReadAt>(storage: &S) -> Result<Self, Error> {
        let header = read_header(storage)?;
        header
            .check_features(SUPPORTED)
            .map_err(qcow2_map::Error::from)?;
        let snapshots = read_snapshots(storage, &header)?;
        let bitmaps = read_bitmaps(storage, &header)?;
        let state = Self {
            header,
            snapshots,
            bitmaps,
        };
        state.check_l1()?;
        Ok(state)
    }

    /// Refuses snapshots whose L1 tables cannot be ones.
    fn check_l1(&self) -> Result<(), Error> {
        let mut l1_bytes = 0u64;
        for (index, snapshot) in (0..).zip(&self.snapshots) {
            let checked = snapshot.check_l1(self.header.cluster_bits, index);
            checked.map_err(|source| Damage::Entry {
                table: "snapshot table",
                host: self.header.snapshots_offset,
                index,
                source,
            })?;
            l1_bytes = l1_bytes.saturating_add(u64::from(snapshot.l1_entries).saturating_mul(8));
        }
        if l1_bytes > L1_BYTES_MAX {
            return Err(Error::Limit {
                what: "the length of the L1 tables of all snapshots in bytes",
                found: l1_bytes,
                min: 0,
                max: L1_BYTES_MAX,
            });
        }
        Ok(())
    }

    /// The bytes of the L1 tables: that of the disk, and those of the snapshots.
    pub(crate) fn l1_tables(&self) -> impl Iterator<Item = Range<u64>> {
        let of =
            |snapshot: &Snapshot| table_bytes(snapshot.l1_table_offset, snapshot.l1_entries.into());
        std::iter::once(self.active_l1()).chain(self.snapshots.iter().map(of))
    }

    pub(crate) fn active_l1(&self) -> Range<u64> {
        table_bytes(self.header.l1_table_offset, self.header.l1_entries.into())
    }

    pub(crate) fn has_data_file(&self) -> bool {
        let external = IncompatibleFeatures::EXTERNAL_DATA_FILE;
        self.header.incompatible.contains(external)
    }

    pub(crate) fn snapshot_table(&self) -> Result<Vec<u8>, Error> {
        encode_table(&self.snapshots).map_err(|source| Error::Unstorable {
            structure: "the snapshot table",
            source,
        })
    }

    pub(crate) fn bitmap_directory(&self) -> Result<Vec<u8>, Error> {
        let encoded = encode_directory(&self.bitmaps, self.header.cluster_bits);
        encoded.map_err(|source| Error::Unstorable {
            structure: "the bitmap directory",
            source,
        })
    }

    /// Where the bitmap directory is, if the image vouches for it.
    pub(crate) fn bitmap_directory_place(&self) -> Option<Range<u64>> {
        if self.bitmaps.is_empty() {
            return None;
        }
        self.header
            .extensions
            .iter()
            .find_map(|extension| match extension {
                Extension::Bitmaps(place) => {
                    let start = place.directory_offset.0;
                    Some(start..start.saturating_add(place.directory_bytes))
                }
                _ => None,
            })
    }

    /// Bytes of the snapshot table as it is stored: entries may be longer than they would
    /// be encoded here.
    pub(crate) fn snapshot_table_place<S: ReadAt>(
        &self,
        view: View<'_, S>,
    ) -> Result<Range<u64>, Error> {
        let start = self.header.snapshots_offset.0;
        let mut end = start;
        for index in 0..len_u64(self.snapshots.len()) {
            let fixed = end..end.saturating_add(qcow2_format::snapshot::ENTRY_BYTES_MIN);
            let fixed = view.read("snapshot table", &fixed)?;
            let length = Snapshot::entry_bytes(&fixed, index).map_err(|source| Damage::Entry {
                table: "snapshot table",
                host: HostOffset(start),
                index,
                source,
            })?;
            end = end.saturating_add(length).saturating_add(7) & !7;
        }
        Ok(start..end)
    }

    pub(crate) fn luks_header(&self) -> Option<Range<u64>> {
        self.header
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

    /// Takes out what a writer may not keep: bitmaps that the image does not vouch for,
    /// and features that are not known here.
    pub(crate) fn drop_stale(&mut self) {
        let known = AutoclearFeatures::BITMAPS | AutoclearFeatures::RAW_EXTERNAL_DATA;
        self.header.autoclear &= known;
        self.header.incompatible -= IncompatibleFeatures::DIRTY;
        if self.bitmaps.is_empty() {
            self.header.autoclear -= AutoclearFeatures::BITMAPS;
            self.header
                .extensions
                .retain(|extension| !is_bitmaps(extension));
        }
    }
}

/// Exact size of the disk, in bytes.
pub(crate) fn size_of(state: &State) -> u64 {
    state.header.exact_size().unwrap_or(state.header.size)
}

/// Records the size of the disk. Snapshots that did not, had the same.
pub(crate) fn set_size(state: &mut State, size: u64) {
    let header = &mut state.header;
    if header.exact_size().unwrap_or(header.size) == size {
        return;
    }
    for snapshot in &mut state.snapshots {
        snapshot.disk_size = snapshot.disk_size.or(Some(header.size));
    }
    let is_exact = |extension: &Extension| matches!(extension, Extension::ExactSize(_));
    header.extensions.retain(|extension| !is_exact(extension));
    header.size = size.checked_next_multiple_of(SECTOR_BYTES).unwrap_or(size);
    if header.size != size {
        header.extensions.insert(0, Extension::ExactSize(size));
    }
}

/// Whether an extension is the one of bitmaps, even if it is wrong.
fn is_bitmaps(extension: &Extension) -> bool {
    use qcow2_format::extension::BITMAPS_EXTENSION;
    matches!(extension, Extension::Bitmaps(_))
        || matches!(extension, Extension::Unknown { kind, .. } if *kind == BITMAPS_EXTENSION)
}
