//! Directory entries, as they follow each other in a block or in an inode.

use std::ops::Range;

use byteorder::{ByteOrder, LittleEndian};
use ext_format::superblock::{array_at, u16_at, u32_at};

/// Size of an entry before its name, in bytes.
pub(crate) const HEADER_BYTES: usize = 8;

/// Smallest entry in bytes.
const ENTRY_BYTES_MIN: usize = 12;

/// Entries begin at multiples of this.
const ALIGNMENT: usize = 4;

/// Size of the hash that follows names which are encrypted and ignore case, in
/// bytes.
const HASH_BYTES: usize = 8;

/// Size of a block whose entries may be longer than 16 bits tell, in bytes.
const LARGE_BLOCK_BYTES: usize = 1 << 16;

/// Bits of the file type that say what follows the name, with `dirdata`.
const DIRDATA_BITS: u8 = 0xf0;

/// What entries of a directory look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) block_bytes: usize,
    /// A hash follows each name, at the next multiple of four.
    pub(crate) has_hash: bool,
    /// The upper bits of file types say what follows the name.
    pub(crate) has_data: bool,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The whole entry, up to the next.
    pub(crate) bytes: Range<usize>,
    /// 0 where nothing is there.
    pub(crate) inode: u32,
    pub(crate) name: Range<usize>,
    /// What follows the name and belongs to it.
    pub(crate) after: Range<usize>,
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "offsets in a block, and lengths of at most 18 bits"
)]
impl Format {
    /// The entry at byte `at` of `area`; `None` where there can be none.
    pub(crate) fn entry(&self, area: &[u8], at: usize) -> Option<Entry> {
        area.get(at..at + HEADER_BYTES)?;
        let length = self.length(u16_at(area, at + 4));
        let [name_bytes, file_type] = array_at(area, at + 6).map(usize::from);
        let inode = u32_at(area, at);
        let bytes = at..at + length;
        let name = at + HEADER_BYTES..at + HEADER_BYTES + name_bytes;
        let after = if inode == 0 {
            name.end..name.end
        } else {
            self.after(area, &name, u8::try_from(file_type).unwrap_or_default())?
        };
        let fits = bytes.end <= area.len() && after.end <= bytes.end;
        let sane = length >= ENTRY_BYTES_MIN && length.is_multiple_of(ALIGNMENT);
        (fits && sane).then_some(Entry {
            bytes,
            inode,
            name,
            after,
        })
    }

    /// What follows `name` and belongs to it.
    fn after(&self, area: &[u8], name: &Range<usize>, file_type: u8) -> Option<Range<usize>> {
        let name_end = name.end;
        if self.has_hash {
            let start = name_end.next_multiple_of(ALIGNMENT);
            let is_dots = [&b"."[..], b".."].contains(&area.get(name.clone())?);
            let hash_bytes = if is_dots { 0 } else { HASH_BYTES };
            return Some(start..start + hash_bytes);
        }
        let records = (file_type & DIRDATA_BITS).count_ones();
        if !self.has_data || records == 0 {
            return Some(name_end..name_end);
        }
        // A NUL ends the name; each record begins with its length in bytes.
        let mut end = name_end + 1;
        for _ in 0..records {
            end += usize::from(*area.get(end)?);
        }
        Some(name_end..end)
    }

    /// `rec_len` in bytes.
    fn length(&self, stored: u16) -> usize {
        match usize::from(stored) {
            0 | 0xffff if self.block_bytes >= LARGE_BLOCK_BYTES => self.block_bytes,
            length => length,
        }
    }

    /// Writes `rec_len` of the entry at byte `at`.
    pub(crate) fn set_length(&self, area: &mut [u8], at: usize, length: usize) {
        if let Some(field) = area.get_mut(at + 4..at + 6) {
            // Only a whole block of 64 KiB is too long.
            LittleEndian::write_u16(field, u16::try_from(length).unwrap_or(u16::MAX));
        }
    }
}

impl Entry {
    /// Bytes the entry needs, without the room that follows it.
    #[expect(clippy::arithmetic_side_effects, reason = "offsets in a block")]
    pub(crate) fn needed_bytes(&self) -> usize {
        (self.after.end - self.bytes.start)
            .next_multiple_of(ALIGNMENT)
            .max(ENTRY_BYTES_MIN)
    }
}

/// What became of the entries of an area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rewritten {
    /// Names that were mapped.
    pub(crate) names: u64,
    /// Whether something that was no entry was zeroed.
    pub(crate) cleared: bool,
    /// Whether a name has other bytes than those of ASCII now.
    pub(crate) has_other_than_ascii: bool,
}

/// Gives every entry of `area` the name that `map` makes of its own. Entries
/// stay where they are; all that is not part of one becomes zeros.
pub(crate) fn rename(area: &mut [u8], format: Format, map: impl Fn(&[u8]) -> Vec<u8>) -> Rewritten {
    let mut rewritten = Rewritten::default();
    let mut at = 0;
    while at < area.len() {
        let Some(entry) = format.entry(area, at) else {
            rewritten.cleared = clear(area, at);
            break;
        };
        at = entry.bytes.end;
        let kept = if entry.inode == 0 {
            // What was deleted keeps nothing but its length.
            entry.bytes.start.saturating_add(6)..entry.bytes.end
        } else {
            let name = area.get(entry.name.clone()).unwrap_or_default();
            let mapped = map(name);
            if let Some(name) = area.get_mut(entry.name.clone()) {
                name.copy_from_slice(&mapped);
            }
            rewritten.names = rewritten.names.saturating_add(1);
            rewritten.has_other_than_ascii |= !mapped.is_ascii();
            zero(area, entry.name.end..entry.after.start);
            entry.after.end..entry.bytes.end
        };
        zero(area, kept);
    }
    rewritten
}

/// Zeros what follows byte `at`, which is not an entry. Its lengths stay: a program that
/// looks for damage finds it. Returns whether anything was lost.
fn clear(area: &mut [u8], at: usize) -> bool {
    let rest = area.get_mut(at..).unwrap_or_default();
    let lost = rest.iter().any(|byte| *byte != 0);
    for (index, byte) in rest.iter_mut().enumerate() {
        if !(4..7).contains(&index) {
            *byte = 0;
        }
    }
    lost
}

/// Zeros `range` of `area`.
pub(crate) fn zero(area: &mut [u8], range: Range<usize>) {
    if let Some(bytes) = area.get_mut(range) {
        bytes.fill(0);
    }
}

pub(crate) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    let field = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<4>);
    if let Some(field) = field {
        *field = value.to_le_bytes();
    }
}

#[cfg(test)]
mod tests;
