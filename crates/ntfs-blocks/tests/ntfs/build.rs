//! Structures of NTFS, byte by byte, at literal offsets.

use std::ops::Range;

/// Bytes of a cluster, of a file record and of an index block.
pub(crate) const UNIT: usize = 1024;
/// Types of attributes.
pub(crate) const LIST: u32 = 0x20;
pub(crate) const DATA: u32 = 0x80;

/// An attribute that is in its record.
pub(crate) fn here(kind: u32, name: &str, instance: u16, value: &[u8]) -> Vec<u8> {
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let value_at = (24 + name.len()).next_multiple_of(8);
    let mut bytes = vec![0; (value_at + value.len()).next_multiple_of(8)];
    put(&mut bytes, 0, &kind.to_le_bytes());
    let length = bytes.len() as u32;
    put(&mut bytes, 4, &length.to_le_bytes());
    bytes[9] = (name.len() / 2) as u8;
    put(&mut bytes, 10, &24u16.to_le_bytes());
    put(&mut bytes, 14, &instance.to_le_bytes());
    put(&mut bytes, 16, &(value.len() as u32).to_le_bytes());
    put(&mut bytes, 20, &(value_at as u16).to_le_bytes());
    put(&mut bytes, 24, &name);
    put(&mut bytes, value_at, value);
    bytes
}

/// The clusters `vcns` of an attribute of `bytes` bytes, with the run list `pairs`.
pub(crate) fn away(
    (kind, name, instance): (u32, &str, u16),
    vcns: Range<u64>,
    bytes: u64,
    pairs: &[u8],
) -> Vec<u8> {
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let pairs_at = (64 + name.len()).next_multiple_of(8);
    let mut attribute = vec![0; (pairs_at + pairs.len()).next_multiple_of(8)];
    put(&mut attribute, 0, &kind.to_le_bytes());
    let length = attribute.len() as u32;
    put(&mut attribute, 4, &length.to_le_bytes());
    attribute[8] = 1;
    attribute[9] = (name.len() / 2) as u8;
    put(&mut attribute, 10, &64u16.to_le_bytes());
    put(&mut attribute, 14, &instance.to_le_bytes());
    put(&mut attribute, 16, &vcns.start.to_le_bytes());
    put(&mut attribute, 24, &vcns.end.wrapping_sub(1).to_le_bytes());
    put(&mut attribute, 32, &(pairs_at as u16).to_le_bytes());
    if vcns.start == 0 {
        let allocated = bytes.next_multiple_of(UNIT as u64);
        for (at, value) in [(40, allocated), (48, bytes), (56, bytes)] {
            put(&mut attribute, at, &value.to_le_bytes());
        }
    }
    put(&mut attribute, 64, &name);
    put(&mut attribute, pairs_at, pairs);
    attribute
}

/// A file record in use with `attributes`, as it is before it is sealed.
pub(crate) fn record(number: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0; UNIT];
    put(&mut bytes, 0, b"FILE");
    // The update sequence, the sequence number, the first attribute, in use.
    put(&mut bytes, 4, &[0x30, 0, 3, 0]);
    put(&mut bytes, 16, &[1, 0, 1, 0, 0x38, 0, 1, 0]);
    put(&mut bytes, 44, &number.to_le_bytes());
    let mut at = 0x38;
    for attribute in attributes {
        put(&mut bytes, at, attribute);
        at += attribute.len();
    }
    put(&mut bytes, at, &[0xff; 4]);
    put(&mut bytes, 24, &(at as u32 + 8).to_le_bytes());
    put(&mut bytes, 28, &(UNIT as u32).to_le_bytes());
    bytes
}

/// The same, with attributes of the file in record `base`.
pub(crate) fn extension(number: u32, base: u64, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = record(number, attributes);
    put(&mut bytes, 32, &reference(base).to_le_bytes());
    bytes
}

/// A reference to a record that was never used before.
pub(crate) const fn reference(number: u64) -> u64 {
    number | 1 << 48
}

/// An entry of an attribute list.
pub(crate) fn listed(kind: u32, lowest: u64, holder: u64, instance: u16) -> Vec<u8> {
    let mut entry = vec![0; 32];
    put(&mut entry, 0, &kind.to_le_bytes());
    put(&mut entry, 4, &[32, 0, 0, 26]);
    put(&mut entry, 8, &lowest.to_le_bytes());
    put(&mut entry, 16, &reference(holder).to_le_bytes());
    put(&mut entry, 24, &instance.to_le_bytes());
    entry
}

/// An entry of a directory.
pub(crate) fn entry(number: u64, name: &str) -> Vec<u8> {
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let key = 66 + name.len();
    let mut entry = vec![0; (16 + key).next_multiple_of(8)];
    put(&mut entry, 0, &reference(number).to_le_bytes());
    let length = entry.len() as u16;
    put(&mut entry, 8, &length.to_le_bytes());
    put(&mut entry, 10, &(key as u16).to_le_bytes());
    entry[16 + 64] = (name.len() / 2) as u8;
    put(&mut entry, 16 + 66, &name);
    entry
}

/// The entry that ends a block of a directory.
pub(crate) fn last() -> Vec<u8> {
    let mut entry = vec![0; 16];
    put(&mut entry, 8, &[16, 0, 0, 0, 2]);
    entry
}

/// The index root of a directory with `entries`.
pub(crate) fn root(entries: &[Vec<u8>]) -> Vec<u8> {
    let entries = entries.concat();
    let mut bytes = vec![0; 32 + entries.len()];
    put(&mut bytes, 0, &[0x30, 0, 0, 0, 1, 0, 0, 0, 0, 4, 0, 0, 1]);
    put(&mut bytes, 16, &[16, 0, 0, 0]);
    put(&mut bytes, 20, &(16 + entries.len() as u32).to_le_bytes());
    put(&mut bytes, 32, &entries);
    bytes
}

/// A block of a directory with `entries`, sealed.
pub(crate) fn block(entries: &[Vec<u8>]) -> Vec<u8> {
    let entries = entries.concat();
    let mut bytes = vec![0; UNIT];
    put(&mut bytes, 0, b"INDX");
    put(&mut bytes, 4, &[40, 0, 3, 0]);
    put(&mut bytes, 24, &[24, 0, 0, 0]);
    put(&mut bytes, 28, &(24 + entries.len() as u32).to_le_bytes());
    put(&mut bytes, 48, &entries);
    seal(&mut bytes);
    bytes
}

/// Puts the update sequence into whole strides of 512 bytes.
pub(crate) fn seal(bytes: &mut [u8]) {
    let at = usize::from(u16::from_le_bytes([bytes[4], bytes[5]]));
    bytes[at..at + 2].copy_from_slice(&[7, 0]);
    for stride in 1..=bytes.len() / 512 {
        let tail = stride * 512 - 2;
        bytes.copy_within(tail..tail + 2, at + stride * 2);
        bytes[tail..tail + 2].copy_from_slice(&[7, 0]);
    }
}

pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}
