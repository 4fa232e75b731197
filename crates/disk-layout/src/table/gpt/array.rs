//! GPT entry arrays.

use blockio::{ReadAt, len_u64};

use super::header::{CRC, Header};
use crate::table::bytes::{array, le64};
use crate::table::error::{Error, ErrorKind, Structure, fill};
use crate::table::guid::Guid;

/// Most entries that are read. Linux has 256 partitions a disk at most.
pub(in crate::table) const ENTRIES_MAX: u32 = 1 << 15;
/// Most bytes of an array that are read.
pub(in crate::table) const ARRAY_BYTES_MAX: u64 = 4 << 20;
/// UTF-16 code units of a name.
const NAME_UNITS: usize = 36;

/// An entry in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::table) struct Entry {
    /// Its place in the array; the first is 1.
    pub(in crate::table) number: u32,
    pub(in crate::table) kind: Guid,
    pub(in crate::table) unique: Guid,
    pub(in crate::table) first: u64,
    pub(in crate::table) last: u64,
    pub(in crate::table) attributes: u64,
    pub(in crate::table) name: String,
}

/// What is wrong with a GPT entry array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ArrayFault {
    /// It is not on the disk as a whole.
    #[error("{bytes} bytes there pass the end of the disk")]
    PastEnd {
        /// Its length.
        bytes: u64,
    },
    /// It is larger than what is read.
    #[error(
        "{entries} entries in {bytes} bytes, at most {ENTRIES_MAX} in {ARRAY_BYTES_MAX} are read"
    )]
    TooLong {
        /// Entries.
        entries: u32,
        /// Its length.
        bytes: u64,
    },
    /// Its checksum.
    #[error("checksum {stored:#010x}, its bytes give {computed:#010x}")]
    Checksum {
        /// As stored in the header.
        stored: u32,
        /// As it should be.
        computed: u32,
    },
}

impl ArrayFault {
    /// The family it belongs to.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLong { .. } => ErrorKind::Unsupported,
            _ => ErrorKind::Corrupt,
        }
    }
}

/// The entries in use of the array that `header` names.
pub(in crate::table) fn load(
    disk: &dyn ReadAt,
    header: &Header,
) -> Result<Result<Vec<Entry>, ArrayFault>, Error> {
    let (at, bytes, entries) = (header.array_at(), header.array_bytes(), header.entries);
    if entries > ENTRIES_MAX || bytes > ARRAY_BYTES_MAX {
        return Ok(Err(ArrayFault::TooLong { entries, bytes }));
    }
    let end = at.checked_add(bytes);
    if end.is_none_or(|end| end > disk.size()) {
        return Ok(Err(ArrayFault::PastEnd { bytes }));
    }
    let length = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut stored = vec![0; length];
    fill(disk, Structure::GptArray, at, &mut stored)?;
    debug_assert_eq!(len_u64(stored.len()), bytes);
    let computed = CRC.checksum(&stored);
    if computed != header.array_crc {
        return Ok(Err(ArrayFault::Checksum {
            stored: header.array_crc,
            computed,
        }));
    }
    let entry_bytes = usize::try_from(header.entry_bytes).unwrap_or(usize::MAX);
    let entries = (1..).zip(stored.chunks_exact(entry_bytes.max(1)));
    let entries = entries.filter_map(|(number, bytes)| Entry::new(number, bytes));
    Ok(Ok(entries.collect()))
}

impl Entry {
    fn new(number: u32, bytes: &[u8]) -> Option<Self> {
        let kind = Guid(array(bytes, 0));
        if kind.is_zero() {
            return None;
        }
        Some(Self {
            number,
            kind,
            unique: Guid(array(bytes, 16)),
            first: le64(bytes, 32),
            last: le64(bytes, 40),
            attributes: le64(bytes, 48),
            name: name(bytes.get(56..).unwrap_or_default()),
        })
    }
}

/// The name in `bytes`, which may hold anything after the first NUL.
fn name(bytes: &[u8]) -> String {
    let (units, _) = bytes.as_chunks();
    let units = units.iter().take(NAME_UNITS);
    let units = units.map(|unit| u16::from_le_bytes(*unit));
    let units = units.take_while(|unit| *unit != 0);
    char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}
