//! Integers in bytes that may be too few: missing bytes are zero.

use std::ops::Range;

/// The `N` bytes at byte `at`.
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let found = bytes.get(at..).and_then(<[u8]>::first_chunk);
    found.copied().unwrap_or([0; N])
}

pub(super) fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

pub(super) fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

pub(super) fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

/// `count` sectors of `unit` bytes from sector `start`, as bytes. What passes the end
/// of numbers ends with them.
pub(super) fn sectors(start: u64, count: u64, unit: u32) -> Range<u64> {
    let unit = u64::from(unit);
    let end = start.saturating_add(count).saturating_mul(unit);
    start.saturating_mul(unit)..end
}

/// The part of `range` on a disk of `size` bytes.
pub(super) fn cut(range: &Range<u64>, size: u64) -> Range<u64> {
    range.start.min(size)..range.end.min(size)
}
