//! GPT headers.

use std::ops::Range;

use blockio::ReadAt;
use crc::{CRC_32_ISO_HDLC, Crc, Digest, Table};

use crate::table::bytes::{array, le32, le64, sectors};
use crate::table::error::{Error, ErrorKind, Structure, fill};
use crate::table::guid::Guid;

/// The CRC-32 of headers and arrays.
pub(in crate::table) const CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);

const SIGNATURE: &[u8; 8] = b"EFI PART";
const REVISION: u32 = 0x0001_0000;
/// Bytes of a header of this revision; larger ones are reserved, and allowed.
const HEADER_BYTES: u32 = 92;
/// The checksum in the header, which counts as zero in itself.
pub(in crate::table) const CRC_AT: usize = 16;
/// Entries of other lengths than this times a power of two are not defined.
const ENTRY_BYTES: u32 = 128;
/// Larger entries are refused.
const ENTRY_BYTES_MAX: u32 = 4096;

/// A header whose checksum is right, and whose numbers lie on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::table) struct Header {
    pub(in crate::table) sector_bytes: u32,
    pub(in crate::table) lba: u64,
    pub(in crate::table) alternate_lba: u64,
    pub(in crate::table) first_usable: u64,
    pub(in crate::table) last_usable: u64,
    pub(in crate::table) disk: Guid,
    pub(in crate::table) array_lba: u64,
    pub(in crate::table) entries: u32,
    pub(in crate::table) entry_bytes: u32,
    pub(in crate::table) array_crc: u32,
}

/// What is wrong with a GPT header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderFault {
    /// It is not on the disk.
    #[error("past the end of the disk")]
    PastEnd,
    /// It does not begin with "EFI PART".
    #[error("no \"EFI PART\" there")]
    Signature,
    /// Its revision is not 1.0.
    #[error("revision {found:#010x}, known is 0x00010000")]
    Revision {
        /// As stored.
        found: u32,
    },
    /// Its length.
    #[error("length {found}, allowed are 92 to {sector_bytes}")]
    Length {
        /// As stored.
        found: u32,
        /// Bytes of a sector.
        sector_bytes: u32,
    },
    /// Its checksum.
    #[error("checksum {stored:#010x}, its bytes give {computed:#010x}")]
    Checksum {
        /// As stored.
        stored: u32,
        /// As it should be.
        computed: u32,
    },
    /// It says that it is in another sector.
    #[error("says that it is in sector {found}, it is in sector {lba}")]
    OwnLba {
        /// As stored.
        found: u64,
        /// Where it is.
        lba: u64,
    },
    /// Its first usable sector is past its last one.
    #[error("usable sectors from {first} to {last}")]
    Usable {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// The length of an entry.
    #[error("entries of {found} bytes, allowed are 128 times a power of two up to 4096")]
    EntryLength {
        /// As stored.
        found: u32,
    },
}

impl HeaderFault {
    /// The family it belongs to.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Revision { .. } | Self::EntryLength { .. } => ErrorKind::Unsupported,
            _ => ErrorKind::Corrupt,
        }
    }
}

impl Header {
    /// The header in sector `lba` of sectors of `sector_bytes` bytes.
    pub(in crate::table) fn load(
        disk: &dyn ReadAt,
        lba: u64,
        sector_bytes: u32,
    ) -> Result<Result<Self, HeaderFault>, Error> {
        let place = sectors(lba, 1, sector_bytes);
        let length = usize::try_from(sector_bytes).unwrap_or(0);
        if place.end > disk.size() || place.is_empty() {
            return Ok(Err(HeaderFault::PastEnd));
        }
        let mut bytes = vec![0; length];
        fill(disk, Structure::GptHeader, place.start, &mut bytes)?;
        Ok(Self::check(&bytes, lba, sector_bytes))
    }

    fn check(bytes: &[u8], lba: u64, sector_bytes: u32) -> Result<Self, HeaderFault> {
        if array(bytes, 0) != *SIGNATURE {
            return Err(HeaderFault::Signature);
        }
        let revision = le32(bytes, 8);
        if revision != REVISION {
            return Err(HeaderFault::Revision { found: revision });
        }
        let found = le32(bytes, 12);
        let covered = usize::try_from(found).ok().and_then(|end| bytes.get(..end));
        let Some(covered) = covered.filter(|_| found >= HEADER_BYTES) else {
            return Err(HeaderFault::Length {
                found,
                sector_bytes,
            });
        };
        let (stored, computed) = (le32(bytes, CRC_AT), checksum(covered));
        if stored != computed {
            return Err(HeaderFault::Checksum { stored, computed });
        }
        let found = le64(bytes, 24);
        if found != lba {
            return Err(HeaderFault::OwnLba { found, lba });
        }
        let (first, last) = (le64(bytes, 40), le64(bytes, 48));
        // An empty range is allowed: `last` is one less than `first` then.
        if first > last.saturating_add(1) {
            return Err(HeaderFault::Usable { first, last });
        }
        let found = le32(bytes, 84);
        let is_entry = found.is_power_of_two() && (ENTRY_BYTES..=ENTRY_BYTES_MAX).contains(&found);
        if !is_entry {
            return Err(HeaderFault::EntryLength { found });
        }
        Ok(Self {
            sector_bytes,
            lba,
            alternate_lba: le64(bytes, 32),
            first_usable: first,
            last_usable: last,
            disk: Guid(array(bytes, 56)),
            array_lba: le64(bytes, 72),
            entries: le32(bytes, 80),
            entry_bytes: found,
            array_crc: le32(bytes, 88),
        })
    }

    /// Where it is, in bytes.
    pub(in crate::table) fn at(&self) -> u64 {
        self.sector().start
    }

    /// Its sector.
    pub(in crate::table) fn sector(&self) -> Range<u64> {
        sectors(self.lba, 1, self.sector_bytes)
    }

    /// Where its array is, in bytes.
    pub(in crate::table) fn array_at(&self) -> u64 {
        sectors(self.array_lba, 0, self.sector_bytes).start
    }

    /// Bytes of its array.
    pub(in crate::table) fn array_bytes(&self) -> u64 {
        u64::from(self.entries).saturating_mul(u64::from(self.entry_bytes))
    }

    /// The sectors of its array.
    pub(in crate::table) fn array_sectors(&self) -> Range<u64> {
        let count = self.array_bytes().div_ceil(u64::from(self.sector_bytes));
        sectors(self.array_lba, count, self.sector_bytes)
    }

    /// Whether `other` describes the same disk: the identity and the usable sectors.
    pub(in crate::table) fn agrees(&self, other: &Self) -> bool {
        let facts = |header: &Self| (header.disk, header.first_usable, header.last_usable);
        facts(self) == facts(other)
    }
}

pub(in crate::table) fn checksum(covered: &[u8]) -> u32 {
    let mut digest: Digest<'_, u32, Table<16>> = CRC.digest();
    let (before, rest) = covered.split_at_checked(CRC_AT).unwrap_or((covered, &[]));
    digest.update(before);
    digest.update(&[0; 4]);
    digest.update(rest.get(4..).unwrap_or_default());
    digest.finalize()
}
