//! The cluster in which the disk ends: what follows the end reads as zeros when the disk
//! grows.

use blockio::{ReadAt, Store, is_zero};
use qcow2_codec::Decoder;
use qcow2_format::entry::CompressedDescriptor;
use qcow2_format::header::CryptMethod;
use qcow2_format::subcluster::{ExtendedL2Entry, SUBCLUSTERS, SubclusterBitmap};
use qcow2_format::{HostOffset, L2Entry, L2Words};
use qcow2_map::in_memory;

use crate::change::transaction::Transaction;
use crate::error::Error;
use crate::guest_tables::GuestTables;
use crate::image::damage::Damage;

/// What follows the end of a disk in its last cluster.
pub(super) struct Tail<'t> {
    /// The end of the smaller disk.
    pub(super) boundary: u64,
    /// What has other bytes there, if anything.
    pub(super) backing: Option<&'t dyn ReadAt>,
    /// Whether the disk becomes larger.
    pub(super) is_grown: bool,
}

impl Tail<'_> {
    /// Makes it read as zeros.
    pub(super) fn clear<S: Store>(
        &self,
        change: &mut Transaction<'_, S>,
        tables: &mut GuestTables,
    ) -> Result<(), Error> {
        let header = &change.old.header;
        let bits = header.cluster_bits;
        let is_encrypted = header.crypt_method != CryptMethod::None;
        if bits.is_aligned(self.boundary) || is_encrypted && !self.is_grown {
            return Ok(());
        }
        let cluster = bits.round_down(self.boundary);
        let context = header.entry_context();
        let words = tables.entry(change, cluster)?;
        let entry = words.decode(&context, 0).map_err(|source| Damage::Entry {
            table: "L2 table",
            host: HostOffset(0),
            index: 0,
            source,
        })?;
        let new = match entry {
            ExtendedL2Entry::Compressed(stream) => {
                let bytes = decompress(change, &stream)?;
                let whole = SubclusterBitmap::new(u32::MAX, 0).unwrap_or_default();
                match self.is_clear(change, &bytes) {
                    true => None,
                    false => Some(self.stored(change, bytes, whole)?),
                }
            }
            ExtendedL2Entry::Standard {
                host, subclusters, ..
            } => self.standard(change, host, subclusters)?,
        };
        match new {
            Some(entry) => tables.set_entry(change, cluster, encoded(entry, words, change)),
            None => Ok(()),
        }
    }

    /// Offset of the boundary in its cluster.
    fn offset<S: Store>(&self, change: &Transaction<'_, S>) -> u64 {
        change.view.cluster_bits.offset_in_cluster(self.boundary)
    }

    /// The entry that replaces one with these parts, if it must be replaced.
    fn standard<S: Store>(
        &self,
        change: &mut Transaction<'_, S>,
        host: Option<HostOffset>,
        parts: SubclusterBitmap,
    ) -> Result<Option<ExtendedL2Entry>, Error> {
        let part_bytes = change.view.cluster_bits.bytes() / u64::from(SUBCLUSTERS);
        let extended = change.old.header.geometry().extended_l2;
        let offset = self.offset(change);
        // A plain cluster has one part.
        let (part_bytes, boundary_part) = match extended {
            true => (part_bytes, offset / part_bytes.max(1)),
            false => (change.view.cluster_bits.bytes(), 0),
        };
        let part = u32::try_from(boundary_part).unwrap_or(0);
        let ends_within = offset.checked_rem(part_bytes).unwrap_or(0) != 0;
        let has = |bits: u32| ends_within && bits >> part & 1 == 1;
        let is_left_to_backing =
            self.backing.is_some() && ends_within && !has(parts.allocated()) && !has(parts.zero());
        let after = match (extended, ends_within) {
            (true, true) => u32::MAX.checked_shl(part.saturating_add(1)).unwrap_or(0),
            (true, false) => u32::MAX.checked_shl(part).unwrap_or(0),
            (false, _) => 0,
        };
        let zeros_after = if self.backing.is_some() { after } else { 0 };
        let zero = parts.zero() & !after | zeros_after;
        let kept = SubclusterBitmap::new(parts.allocated() & !after, zero).unwrap_or_default();
        if has(parts.allocated()) || is_left_to_backing {
            let mut bytes = match host {
                Some(host) => change.view.read_cluster("data", host)?,
                None => vec![0; change.cluster_length()],
            };
            if is_left_to_backing {
                self.copy_backing(change, &mut bytes, u64::from(part), part_bytes)?;
            }
            if is_left_to_backing || !self.is_clear(change, &bytes) {
                let allocated = kept.allocated() | 1u32.checked_shl(part).unwrap_or(0);
                let allocated = if extended { allocated } else { u32::MAX };
                let parts = SubclusterBitmap::new(allocated, kept.zero() & !allocated);
                let stored = self.stored(change, bytes, parts.unwrap_or_default())?;
                return Ok(Some(stored));
            }
        }
        if kept == parts {
            return Ok(None);
        }
        Ok(Some(ExtendedL2Entry::Standard {
            host,
            copied: false,
            subclusters: kept,
        }))
    }

    /// Fills the part of a cluster with the boundary up to it, from the backing file.
    fn copy_backing<S: Store>(
        &self,
        change: &Transaction<'_, S>,
        bytes: &mut [u8],
        part: u64,
        part_bytes: u64,
    ) -> Result<(), Error> {
        let Some(backing) = self.backing else {
            return Ok(());
        };
        let cluster = change.view.cluster_bits.round_down(self.boundary);
        let start = part.saturating_mul(part_bytes);
        let from = cluster.saturating_add(start);
        let end = in_memory(self.offset(change));
        let copy = bytes.get_mut(in_memory(start)..end).unwrap_or_default();
        backing.read_at(from, copy).map_err(|source| Error::Read {
            structure: "data of the backing file",
            host: HostOffset(from),
            source,
        })
    }

    /// Whether a cluster with these bytes has zeros after the boundary.
    fn is_clear<S: Store>(&self, change: &Transaction<'_, S>, bytes: &[u8]) -> bool {
        is_zero(
            bytes
                .get(in_memory(self.offset(change))..)
                .unwrap_or_default(),
        )
    }

    /// Stores a cluster with these bytes up to the boundary and zeros after it.
    fn stored<S: Store>(
        &self,
        change: &mut Transaction<'_, S>,
        mut bytes: Vec<u8>,
        subclusters: SubclusterBitmap,
    ) -> Result<ExtendedL2Entry, Error> {
        let offset = in_memory(self.offset(change));
        bytes.get_mut(offset..).unwrap_or_default().fill(0);
        Ok(ExtendedL2Entry::Standard {
            host: Some(change.store("data", bytes)?),
            copied: false,
            subclusters,
        })
    }
}

/// The entry as words of the same kind as `old`.
fn encoded<S: Store>(entry: ExtendedL2Entry, old: L2Words, change: &Transaction<'_, S>) -> L2Words {
    let bits = change.view.cluster_bits;
    if old.bitmap.is_some() {
        let (first, bitmap) = entry.encode(bits);
        return L2Words {
            first,
            bitmap: Some(bitmap),
        };
    }
    let entry = match entry {
        ExtendedL2Entry::Standard {
            host: Some(host),
            copied,
            subclusters,
        } if subclusters.allocated() != 0 => L2Entry::Data { host, copied },
        ExtendedL2Entry::Standard {
            host,
            copied,
            subclusters,
        } if subclusters.zero() != 0 => L2Entry::Zero { host, copied },
        ExtendedL2Entry::Standard { .. } => L2Entry::Unallocated,
        ExtendedL2Entry::Compressed(stream) => L2Entry::Compressed(stream),
    };
    L2Words {
        first: entry.encode(bits),
        bitmap: None,
    }
}

/// Reads a compressed cluster.
fn decompress<S: Store>(
    change: &Transaction<'_, S>,
    stream: &CompressedDescriptor,
) -> Result<Vec<u8>, Error> {
    let end = stream.host.0.saturating_add(stream.bytes_max());
    let end = end.min(change.view.end());
    let stored = change.view.read("compressed data", &(stream.host.0..end))?;
    let mut cluster = vec![0; change.cluster_length()];
    let mut decoder = Decoder::new(change.old.header.compression_type);
    decoder
        .decode(&stored, &mut cluster)
        .map_err(|source| Damage::Stream {
            host: stream.host,
            source,
        })?;
    Ok(cluster)
}
