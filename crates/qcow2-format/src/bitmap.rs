//! Persistent bitmaps: directory and tables. Spec: "Bitmaps".

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::bytes::{
    self, Front, pad_to_8, put_u16, put_u32, put_u64, u8_at, u16_at, u32_at, u64_at,
};
use crate::entry::{OFFSET_MASK, offset_bits};
use crate::limits::{
    BITMAP_GRANULARITY_BITS_MAX, BITMAP_GRANULARITY_BITS_MIN, BITMAP_NAME_BYTES_MAX,
    BITMAP_TABLE_ENTRIES_MAX, FILE_OFFSET_MAX,
};
use crate::rule::aligned;
use crate::{BitmapError, ClusterBits, Error, HostOffset};

/// Bytes of a directory entry without extra data and name.
pub const ENTRY_BYTES_MIN: u64 = 24;

const DIRECTORY: &str = "bitmap directory";
const TABLE: &str = "bitmap table";
/// The only type of bitmap defined.
const DIRTY_TRACKING: u8 = 1;
const ALL_ONES: u64 = 1 << 0;

bitflags::bitflags! {
    /// Flags of a bitmap. Spec: "Bitmap directory", bytes 12 to 15.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct BitmapFlags: u32 {
        /// A writer has it open, or crashed: it cannot be trusted.
        const IN_USE = 1 << 0;
        /// It must follow all writes to the disk.
        const AUTO = 1 << 1;
        /// It may be used although its extra data is not understood.
        const EXTRA_DATA_COMPATIBLE = 1 << 2;
    }
}

/// An entry of the bitmap directory: a dirty tracking bitmap.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BitmapDirectoryEntry {
    /// Where the bitmap table is, cluster aligned, not zero.
    pub table_offset: HostOffset,
    /// Entries of the bitmap table, at most [`BITMAP_TABLE_ENTRIES_MAX`].
    pub table_entries: u32,
    /// Its flags.
    pub flags: BitmapFlags,
    /// Log2 of the guest bytes that a bit stands for: 9 to 31.
    pub granularity_bits: u8,
    /// Extra data of an unknown type.
    pub extra: Vec<u8>,
    /// Name: 1 to 1,023 bytes of the image's own text, unique in the image.
    pub name: Vec<u8>,
}

impl BitmapDirectoryEntry {
    /// Takes entry `index` from the front of `rest`, with its padding.
    fn take(rest: &mut Front<'_>, cluster_bits: ClusterBits, index: u64) -> Result<Self, Error> {
        let found = bytes::length(rest.0);
        let truncated = |needed| Error::TruncatedEntry {
            table: DIRECTORY,
            index,
            found,
            needed,
        };
        let fixed = rest
            .take(ENTRY_BYTES_MIN)
            .ok_or_else(|| truncated(ENTRY_BYTES_MIN))?;
        let name_bytes = u64::from(u16_at(fixed, 18));
        let extra_bytes = u64::from(u32_at(fixed, 20));
        let needed = [extra_bytes, name_bytes]
            .into_iter()
            .fold(ENTRY_BYTES_MIN, u64::saturating_add);
        let mut part = |length: u64| rest.take(length).ok_or_else(|| truncated(needed));
        let extra = part(extra_bytes)?;
        let name = part(name_bytes)?;
        rest.skip(needed.next_multiple_of(8).saturating_sub(needed));

        let entry_type = u8_at(fixed, 16);
        if entry_type != DIRTY_TRACKING {
            return Err(BitmapError::Type {
                index,
                found: entry_type,
            }
            .into());
        }
        let entry = Self {
            table_offset: HostOffset(u64_at(fixed, 0)),
            table_entries: u32_at(fixed, 8),
            flags: BitmapFlags::from_bits_retain(u32_at(fixed, 12)),
            granularity_bits: u8_at(fixed, 17),
            extra: extra.to_vec(),
            name: name.to_vec(),
        };
        entry.check(cluster_bits, index)?;
        Ok(entry)
    }

    /// The rules on single fields.
    fn check(&self, cluster_bits: ClusterBits, index: u64) -> Result<(), Error> {
        if self.flags.bits() & !BitmapFlags::all().bits() != 0 {
            return Err(BitmapError::Flags {
                index,
                found: self.flags.bits(),
            }
            .into());
        }
        aligned(self.table_offset.0, cluster_bits, DIRECTORY, index)?;
        let within = |field, found: u64, min: u64, max: u64| {
            if (min..=max).contains(&found) {
                Ok(())
            } else {
                Err(Error::EntryRange {
                    table: DIRECTORY,
                    index,
                    field,
                    found,
                    min,
                    max,
                })
            }
        };
        within(
            "table offset",
            self.table_offset.0,
            cluster_bits.bytes(),
            FILE_OFFSET_MAX,
        )?;
        within(
            "table size",
            self.table_entries.into(),
            1,
            BITMAP_TABLE_ENTRIES_MAX.into(),
        )?;
        within(
            "granularity_bits",
            self.granularity_bits.into(),
            BITMAP_GRANULARITY_BITS_MIN.into(),
            BITMAP_GRANULARITY_BITS_MAX.into(),
        )?;
        within(
            "name length",
            bytes::length(&self.name),
            1,
            BITMAP_NAME_BYTES_MAX.into(),
        )?;
        within(
            "extra data length",
            bytes::length(&self.extra),
            0,
            u32::MAX.into(),
        )
    }

    /// Bytes of the bitmap of a disk of `disk_bytes` bytes, which its table
    /// rounds up to whole clusters; at most
    /// [`BITMAP_BYTES_MAX`](crate::limits::BITMAP_BYTES_MAX) are supported.
    #[must_use]
    pub fn bitmap_bytes(&self, disk_bytes: u64) -> u64 {
        let granule = 1u64.checked_shl(self.granularity_bits.into());
        granule
            .map_or(1, |granule| disk_bytes.div_ceil(granule))
            .div_ceil(8)
    }

    /// Entries of the table of the bitmap, if the disk has `disk_bytes` bytes.
    #[must_use]
    pub fn table_entries_for(&self, disk_bytes: u64, cluster_bits: ClusterBits) -> u64 {
        self.bitmap_bytes(disk_bytes).div_ceil(cluster_bits.bytes())
    }

    /// Appends the entry with its padding.
    fn put(&self, out: &mut Vec<u8>) {
        put_u64(out, self.table_offset.0);
        put_u32(out, self.table_entries);
        put_u32(out, self.flags.bits());
        out.extend([DIRTY_TRACKING, self.granularity_bits]);
        put_u16(out, u16::try_from(self.name.len()).unwrap_or(u16::MAX));
        put_u32(out, u32::try_from(self.extra.len()).unwrap_or(u32::MAX));
        out.extend_from_slice(&self.extra);
        out.extend_from_slice(&self.name);
        pad_to_8(out);
    }
}

/// Decodes a directory of `count` bitmaps; `bytes` is all of it.
///
/// # Errors
///
/// [`Error::TruncatedEntry`] if fewer bitmaps are there than announced,
/// [`BitmapError::LeftOver`] if more are; [`BitmapError::NameTwice`]; and
/// for single fields [`BitmapError::Type`], [`BitmapError::Flags`],
/// [`Error::UnalignedEntry`], [`Error::EntryRange`].
pub fn decode_directory(
    bytes: &[u8],
    count: u32,
    cluster_bits: ClusterBits,
) -> Result<Vec<BitmapDirectoryEntry>, Error> {
    let mut rest = Front(bytes);
    let entries = (0..u64::from(count))
        .map(|index| BitmapDirectoryEntry::take(&mut rest, cluster_bits, index))
        .collect::<Result<Vec<_>, _>>()?;
    if !rest.0.is_empty() {
        return Err(BitmapError::LeftOver {
            found: bytes::length(rest.0),
            entries: count.into(),
        }
        .into());
    }
    check_names(&entries)?;
    Ok(entries)
}

/// The bytes of a directory of `entries`, each padded to a multiple of 8.
///
/// # Errors
///
/// As [`decode_directory`] for what it would refuse.
pub fn encode_directory(
    entries: &[BitmapDirectoryEntry],
    cluster_bits: ClusterBits,
) -> Result<Vec<u8>, Error> {
    check_names(entries)?;
    let mut out = Vec::new();
    for (index, entry) in (0..).zip(entries) {
        entry.check(cluster_bits, index)?;
        entry.put(&mut out);
    }
    Ok(out)
}

fn check_names(entries: &[BitmapDirectoryEntry]) -> Result<(), Error> {
    let mut seen = BTreeMap::new();
    for (index, entry) in (0..).zip(entries) {
        if let Some(first) = seen.insert(&entry.name, index) {
            return Err(BitmapError::NameTwice { index, first }.into());
        }
    }
    Ok(())
}

/// An entry of a bitmap table: one cluster of the bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BitmapTableEntry {
    /// All bits are clear.
    Zeros,
    /// All bits are set.
    Ones,
    /// The bits are in this cluster: aligned, below
    /// [`crate::limits::HOST_OFFSET_END`].
    Data(HostOffset),
}

impl BitmapTableEntry {
    /// Decodes entry `index` of a bitmap table. Reserved bits are ignored; see
    /// [`Self::reserved_bits`].
    ///
    /// # Errors
    ///
    /// [`Error::UnalignedEntry`] if the offset is not cluster aligned.
    pub fn decode(raw: u64, cluster_bits: ClusterBits, index: u64) -> Result<Self, Error> {
        let cluster = aligned(raw & OFFSET_MASK, cluster_bits, TABLE, index)?;
        Ok(match (cluster.0, raw & ALL_ONES) {
            (0, 0) => Self::Zeros,
            (0, _) => Self::Ones,
            _ => Self::Data(cluster),
        })
    }

    /// The bits of the entry.
    #[must_use]
    pub fn encode(self) -> u64 {
        match self {
            Self::Zeros => 0,
            Self::Ones => ALL_ONES,
            Self::Data(cluster) => offset_bits(cluster),
        }
    }

    /// The reserved bits that are set: bits 1 to 8 and 56 to 63, and bit 0
    /// beside an offset.
    #[must_use]
    pub const fn reserved_bits(raw: u64) -> u64 {
        let reserved = raw & !OFFSET_MASK;
        if raw & OFFSET_MASK == 0 {
            reserved & !ALL_ONES
        } else {
            reserved
        }
    }
}

#[cfg(test)]
mod tests;
