//! Big-endian integers in and out of byte slices, without a panic.

use alloc::vec::Vec;

use byteorder::{BigEndian, ByteOrder};

/// Returns the `N` bytes at `at`; zeros if the slice ends before them.
pub(crate) fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .copied()
        .unwrap_or([0; N])
}

/// Returns the byte at `at`, or zero past the end.
pub(crate) fn u8_at(bytes: &[u8], at: usize) -> u8 {
    let [byte] = field(bytes, at);
    byte
}

/// Returns the integer at `at`, or zero if it passes the end.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    BigEndian::read_u16(&field::<2>(bytes, at))
}

/// Returns the integer at `at`, or zero if it passes the end.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    BigEndian::read_u32(&field::<4>(bytes, at))
}

/// Returns the integer at `at`, or zero if it passes the end.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    BigEndian::read_u64(&field::<8>(bytes, at))
}

/// Appends `value`.
pub(crate) fn put_u16(out: &mut Vec<u8>, value: u16) {
    let mut raw = [0; 2];
    BigEndian::write_u16(&mut raw, value);
    out.extend_from_slice(&raw);
}

/// Appends `value`.
pub(crate) fn put_u32(out: &mut Vec<u8>, value: u32) {
    let mut raw = [0; 4];
    BigEndian::write_u32(&mut raw, value);
    out.extend_from_slice(&raw);
}

/// Appends `value`.
pub(crate) fn put_u64(out: &mut Vec<u8>, value: u64) {
    let mut raw = [0; 8];
    BigEndian::write_u64(&mut raw, value);
    out.extend_from_slice(&raw);
}

/// Appends zeros until the length is a multiple of 8.
pub(crate) fn pad_to_8(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(8), 0);
}

/// Returns the least significant byte.
pub(crate) fn low_byte(value: u64) -> u8 {
    let [.., low] = value.to_be_bytes();
    low
}

/// Converts a length in memory to a file length.
pub(crate) fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// A slice taken apart from its front.
#[derive(Debug)]
pub(crate) struct Front<'b>(pub(crate) &'b [u8]);

impl<'b> Front<'b> {
    /// Returns the next `count` bytes, or `None` (and takes nothing) if fewer are
    /// left.
    pub(crate) fn take(&mut self, count: u64) -> Option<&'b [u8]> {
        let (front, rest) = self.0.split_at_checked(usize::try_from(count).ok()?)?;
        self.0 = rest;
        Some(front)
    }

    /// Drops up to `count` bytes.
    pub(crate) fn skip(&mut self, count: u64) {
        let _ = self.take(count.min(length(self.0)));
    }
}
