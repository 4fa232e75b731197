//! The integers of a journal: big endian, unlike those of the filesystem.

use byteorder::{BigEndian, ByteOrder};
use ext_format::superblock::array_at;

/// The big-endian integer at byte `at`; 0 past the end of `bytes`.
pub(crate) fn be16_at(bytes: &[u8], at: usize) -> u16 {
    BigEndian::read_u16(&array_at::<2>(bytes, at))
}

/// The big-endian integer at byte `at`; 0 past the end of `bytes`.
pub(crate) fn be32_at(bytes: &[u8], at: usize) -> u32 {
    BigEndian::read_u32(&array_at::<4>(bytes, at))
}

/// The big-endian integer at byte `at`; 0 past the end of `bytes`.
pub(crate) fn be64_at(bytes: &[u8], at: usize) -> u64 {
    BigEndian::read_u64(&array_at::<8>(bytes, at))
}
