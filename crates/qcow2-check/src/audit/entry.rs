//! What is wrong with one L2 entry, and what it names.

use qcow2_format::entry::{COMPRESSED, COPIED, OFFSET_MASK};
use qcow2_format::subcluster::{ExtendedL2Entry, subcluster_bytes};
use qcow2_format::{EntryContext, Header, L2Entry, L2Words, Version};
use qcow2_map::Structure;

use super::fault::{FaultKind, Repair};
use super::place::{InTable, Judged};

/// What entries are judged by.
pub(crate) struct Rules<'r> {
    pub(crate) header: &'r Header,
    pub(crate) context: EntryContext,
    pub(crate) file_bytes: u64,
}

impl Rules<'_> {
    /// Judges an entry that is not zero.
    pub(crate) fn judge(&self, place: &InTable<'_>, words: L2Words) -> Judged {
        match words.first & COMPRESSED {
            0 => self.standard(place, words),
            _ => self.compressed(place, words),
        }
    }

    fn compressed(&self, place: &InTable<'_>, words: L2Words) -> Judged {
        let mut judged = Judged {
            structure: Structure::Stream,
            has_copied: false,
            ..Judged::data(0, 0)
        };
        if self.context.external_data_file {
            judged.is_counted = false;
            judged.wrong(FaultKind::CompressedWithDataFile, Repair::No);
            return judged;
        }
        if words.first & COPIED != 0 {
            judged.wrong(FaultKind::CopiedCompressed, Repair::Copied);
        }
        if let Some(bits) = words.bitmap.filter(|bits| *bits != 0) {
            judged.wrong(FaultKind::Reserved { bits }, Repair::Reserved);
        }
        let decoded = L2Entry::decode(words.first, &self.context, place.index);
        let Ok(L2Entry::Compressed(stream)) = decoded else {
            let offset = words.first & OFFSET_MASK;
            judged.is_counted = false;
            judged.wrong(FaultKind::CompressedOffset { offset }, Repair::No);
            return judged;
        };
        let start = stream.host.0;
        judged.host = start..start.saturating_add(stream.bytes_max());
        if start >= self.file_bytes {
            judged.is_counted = false;
            let file_bytes = self.file_bytes;
            judged.wrong(FaultKind::PastEnd { file_bytes }, Repair::No);
        }
        judged.may_be_cut = judged.is_counted && judged.host.end > self.file_bytes;
        judged
    }

    fn standard(&self, place: &InTable<'_>, words: L2Words) -> Judged {
        let cluster_bytes = self.header.cluster_bits.bytes();
        let raw = words.first;
        let host = raw & OFFSET_MASK;
        let mut judged = Judged::data(host, cluster_bytes);
        let reserved = match words.bitmap {
            Some(bitmap) => ExtendedL2Entry::reserved_bits(raw, bitmap).0,
            None => L2Entry::reserved_bits(raw),
        };
        if reserved != 0 {
            judged.wrong(FaultKind::Reserved { bits: reserved }, Repair::Reserved);
        }
        let has_zero_flag = words.bitmap.is_none() && raw & 1 != 0;
        if has_zero_flag && self.context.version == Version::V2 {
            judged.wrong(FaultKind::ZeroFlagInVersion2, Repair::Doubtful);
        }
        let (allocated, zero) = match words.bitmap {
            Some(bitmap) => halves(bitmap),
            None if has_zero_flag => (0, u32::MAX),
            None => (u32::MAX, 0),
        };
        if allocated & zero != 0 {
            let both = allocated & zero;
            judged.wrong(FaultKind::SubclustersBoth { both }, Repair::Doubtful);
        }
        let is_external = self.context.external_data_file;
        if host == 0 && !(is_external && raw & COPIED != 0) {
            judged.is_counted = false;
            judged.host = 0..0;
            if words.bitmap.is_some() && allocated != 0 {
                let kind = FaultKind::SubclustersWithoutHost { allocated };
                judged.wrong(kind, Repair::No);
            } else if raw & COPIED != 0 && !has_zero_flag {
                judged.wrong(FaultKind::CopiedWithoutOffset, Repair::No);
            }
            return judged;
        }
        if is_external {
            self.external(place, &mut judged, raw);
        } else {
            let stored = self.stored_bytes(place, words, allocated);
            self.within(&mut judged, stored);
        }
        judged
    }

    /// The bytes of a cluster up to the last one that is stored and on the disk.
    fn stored_bytes(&self, place: &InTable<'_>, words: L2Words, allocated: u32) -> u64 {
        let guest = place.guest();
        let on_disk = guest.end.saturating_sub(guest.start);
        let subclusters = match words.bitmap {
            Some(_) => u32::BITS.saturating_sub(allocated.leading_zeros()),
            None if allocated != 0 => u32::BITS,
            None => 0,
        };
        let bytes = u64::from(subclusters);
        let bytes = bytes.saturating_mul(subcluster_bytes(self.header.cluster_bits));
        bytes.min(on_disk)
    }

    /// Judges the place of a cluster in this file, of which so many bytes are stored.
    fn within(&self, judged: &mut Judged, stored: u64) {
        let offset = judged.host.start;
        if !self.header.cluster_bits.is_aligned(offset) {
            judged.wrong(FaultKind::Unaligned { offset }, Repair::No);
            return;
        }
        // What is reserved for later writes may end with the file, and so may the state of
        // a virtual machine, after the end of the disk.
        if offset.saturating_add(stored) > self.file_bytes {
            let file_bytes = self.file_bytes;
            judged.wrong(FaultKind::PastEnd { file_bytes }, Repair::No);
        }
        if offset >= self.file_bytes {
            judged.is_counted = false;
        }
    }

    /// Judges the place of a cluster in the external data file.
    fn external(&self, place: &InTable<'_>, judged: &mut Judged, raw: u64) {
        judged.structure = Structure::DataFile;
        judged.is_counted = false;
        let guest = place.guest().start;
        if judged.host.start != guest {
            judged.wrong(FaultKind::DataFileOffset { guest }, Repair::No);
        }
        if raw & COPIED == 0 && place.table.active > 0 {
            // Clusters of a data file count as used once.
            let kind = FaultKind::Copied {
                is_set: false,
                refcount: 1,
            };
            judged.wrong(kind, Repair::Copied);
        }
    }
}

/// The subclusters that are allocated, and those that read as zeros.
fn halves(bitmap: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = bitmap.to_be_bytes();
    (
        u32::from_be_bytes([e, f, g, h]),
        u32::from_be_bytes([a, b, c, d]),
    )
}
