//! Extended attributes, in an inode or in a block of their own.

use std::ops::Range;

use ext_format::checksum::Checksums;
use ext_format::error::Error;
use ext_format::geometry::to_index;
use ext_format::superblock::{array_at, u16_at, u32_at};

use crate::directory::entries::{put_u32, zero};
use crate::names::{Case, Names, is_portable};

/// `h_magic`, of a block and of the attributes in an inode.
const MAGIC: u32 = 0xea02_0000;

/// Where the entries begin in a block, and in an inode after its fields.
const BLOCK_ENTRIES_AT: usize = 0x20;
const INODE_ENTRIES_AT: usize = 4;

/// Fields of the header of a block.
const H_HASH: usize = 0x0c;
const H_CHECKSUM: usize = 0x10;
const H_RESERVED: Range<usize> = 0x14..0x20;

/// Size of an entry before its name, in bytes; entries and values begin at
/// multiples of four.
const HEADER_BYTES: usize = 16;
const ALIGNMENT: usize = 4;

/// The largest `e_name_index` there is.
const INDEX_MAX: u8 = 10;

/// `e_name_index` and the name of the attribute that holds inline data.
const SYSTEM: u8 = 7;
const DATA: &[u8] = b"data";

/// Hashes of a value in an inode of its own, as it is and as it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ValueHashes {
    pub(super) old: u32,
    pub(super) new: u32,
}

/// What attributes need to know of the rest of the filesystem.
pub(super) trait Surroundings {
    /// Scrambles the inline data of the inode, the value of `system.data`.
    fn scramble_data(&mut self, value: &mut [u8]);

    /// The hashes of the value in inode `number`; `None` where it is none.
    fn value_hashes(&mut self, number: u32) -> Result<Option<ValueHashes>, Error>;
}

/// What is done with an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Policy {
    name: bool,
    value: bool,
}

impl Policy {
    /// By `e_name_index`. ACLs, security labels and encryption contexts hold
    /// no names; values of trusted attributes may be paths (overlayfs, Lustre),
    /// and so may the translators of the Hurd.
    const fn of(index: u8) -> Self {
        let (name, value) = match index {
            2 | 3 | 6..=9 => (false, false),
            4 | 5 | 10 => (false, true),
            _ => (true, true),
        };
        Self { name, value }
    }
}

/// Whether all of `name` can be a name that the system gives: a damaged length
/// may take in the next entry.
fn is_systems(name: &[u8]) -> bool {
    name.iter().all(|byte| is_portable(*byte))
}

/// One attribute.
#[derive(Clone, Debug)]
struct Attribute {
    /// The entry without its name.
    header: [u8; HEADER_BYTES],
    name: Vec<u8>,
    /// The value in the same area, if it is there and overlaps nothing else.
    value: Option<Range<usize>>,
}

impl Attribute {
    fn index(&self) -> u8 {
        let [_, index, ..] = self.header;
        index
    }

    /// The inode with the value; 0 where it is here.
    fn inode(&self) -> u32 {
        u32_at(&self.header, 4)
    }

    fn is_data(&self) -> bool {
        self.index() == SYSTEM && self.name == DATA
    }

    /// What entries in a block are sorted by.
    fn key(&self) -> (u8, usize, &[u8]) {
        (self.index(), self.name.len(), &self.name)
    }
}

/// The attributes of an area, and where its entries end.
#[derive(Debug)]
struct Table {
    attributes: Vec<Attribute>,
    /// After the zeros that end the entries, or where they stop making sense.
    end: usize,
    is_sound: bool,
}

impl Table {
    /// The entries from byte `first` of `area` on; values are found from byte
    /// `base`.
    #[expect(clippy::arithmetic_side_effects, reason = "offsets in an area")]
    fn parse(area: &[u8], first: usize, base: usize) -> Self {
        let mut attributes = Vec::new();
        let mut at = first;
        let is_sound = loop {
            match area.get(at..at + ALIGNMENT) {
                Some([0, 0, 0, 0]) => break true,
                // A letter: something damaged led into a name.
                Some([_, index, ..]) if *index > INDEX_MAX => break false,
                Some([name_bytes, ..]) => {
                    let name = at + HEADER_BYTES..at + HEADER_BYTES + usize::from(*name_bytes);
                    let end = name.end.next_multiple_of(ALIGNMENT);
                    let Some(name) = area.get(name).filter(|_| end <= area.len()) else {
                        break false;
                    };
                    attributes.push(Attribute {
                        header: array_at(area, at),
                        name: name.to_vec(),
                        value: None,
                    });
                    at = end;
                }
                // Entries may end with the area.
                _ => break at == area.len(),
            }
        };
        let end = if is_sound { at + ALIGNMENT } else { at };
        for attribute in &mut attributes {
            let start = base + usize::from(u16_at(&attribute.header, 2));
            let bytes = to_index(u32_at(&attribute.header, 8).into());
            let value = start..start.saturating_add(bytes);
            let here = attribute.inode() == 0 && value.start >= end && value.end <= area.len();
            attribute.value = here.then_some(value);
        }
        Self {
            attributes,
            end,
            is_sound,
        }
    }

    fn is_sorted(&self) -> bool {
        self.attributes.is_sorted_by(|a, b| a.key() <= b.key())
    }

    /// `h_hash` of a block with these attributes.
    fn hash(&self) -> u32 {
        let hashes = self.attributes.iter().map(|a| u32_at(&a.header, 12));
        if hashes.clone().any(|hash| hash == 0) {
            return 0;
        }
        hashes.fold(0, |all: u32, hash| all.rotate_left(16) ^ hash)
    }
}

/// The value of `system.data` in `area`, which begins after the fields of an
/// inode.
pub(super) fn inline_data(area: &[u8]) -> Option<&[u8]> {
    if u32_at(area, 0) != MAGIC {
        return None;
    }
    let table = Table::parse(area, INODE_ENTRIES_AT, INODE_ENTRIES_AT);
    let data = table.attributes.into_iter().find(Attribute::is_data)?;
    area.get(data.value?)
}

/// Whether `block` says that it holds attributes.
pub(super) fn is_block(block: &[u8]) -> bool {
    u32_at(block, 0) == MAGIC
}

/// Scrambles extended attributes.
pub(super) struct Scrambler<'a, S> {
    pub(super) names: &'a Names,
    pub(super) checksums: &'a Checksums,
    pub(super) surroundings: S,
    /// Whether lengths of values are believed. What they take in that is kept
    /// otherwise is replaced where they are not.
    pub(super) is_believed: bool,
}

impl<S: Surroundings> Scrambler<'_, S> {
    /// Scrambles what lies after the fields of an inode, up to its end. Tells
    /// whether something was zeroed that was no attribute.
    pub(super) fn inode(&mut self, area: &mut [u8]) -> Result<bool, Error> {
        if u32_at(area, 0) != MAGIC {
            let lost = area.iter().any(|byte| *byte != 0);
            area.fill(0);
            return Ok(lost);
        }
        let mut table = Table::parse(area, INODE_ENTRIES_AT, INODE_ENTRIES_AT);
        let new = self.rebuild(area, &mut table, INODE_ENTRIES_AT)?;
        area.copy_from_slice(&new);
        Ok(!table.is_sound)
    }

    /// Scrambles the attributes in block `number`, which is one. Returns whether something was
    /// zeroed that was no attribute.
    pub(super) fn block(&mut self, number: u64, block: &mut [u8]) -> Result<bool, Error> {
        let mut table = Table::parse(block, BLOCK_ENTRIES_AT, 0);
        let was_sorted = table.is_sorted();
        let old_hash = table.hash();
        let old_checksum = self.checksums.attribute_block(number, block);
        let stored = u32_at(block, H_CHECKSUM);
        self.is_believed = old_checksum.is_none_or(|checksum| checksum == stored);
        let mut new = self.rebuild(block, &mut table, BLOCK_ENTRIES_AT)?;
        if was_sorted && !table.is_sorted() {
            table.attributes.sort_by(|a, b| a.key().cmp(&b.key()));
            write_entries(&table, &mut new, BLOCK_ENTRIES_AT);
        }
        zero(&mut new, H_RESERVED);
        let hash = u32_at(block, H_HASH) ^ old_hash ^ table.hash();
        put_u32(&mut new, H_HASH, hash);
        let new_checksum = self.checksums.attribute_block(number, &new);
        if let (Some(old), Some(right)) = (old_checksum, new_checksum) {
            put_u32(
                &mut new,
                H_CHECKSUM,
                u32_at(block, H_CHECKSUM) ^ old ^ right,
            );
        }
        block.copy_from_slice(&new);
        Ok(!table.is_sound)
    }

    /// The area with scrambled attributes, and zeros where none are.
    fn rebuild(&mut self, area: &[u8], table: &mut Table, first: usize) -> Result<Vec<u8>, Error> {
        let mut new = vec![0; area.len()];
        if let (Some(new), Some(old)) = (new.get_mut(..first), area.get(..first)) {
            new.copy_from_slice(old);
        }
        // What is kept goes first: where values overlap, the others win.
        let is_believed = self.is_believed;
        let is_kept = |a: &Attribute| is_believed && !Policy::of(a.index()).value && !a.is_data();
        let values = |kept: bool| {
            let of_kind = table.attributes.iter().filter(move |a| is_kept(a) == kept);
            of_kind.filter_map(|a| Some((a.is_data(), a.value.clone()?)))
        };
        for (_, value) in values(true) {
            if let (Some(new), Some(old)) = (new.get_mut(value.clone()), area.get(value)) {
                new.copy_from_slice(old);
            }
        }
        for (is_data, value) in values(false) {
            let (Some(new), Some(old)) = (new.get_mut(value.clone()), area.get(value)) else {
                continue;
            };
            if is_data {
                new.copy_from_slice(old);
                self.surroundings.scramble_data(new);
            } else {
                self.names.replace(old, new);
            }
        }
        for attribute in &mut table.attributes {
            let policy = Policy::of(attribute.index());
            let name = if policy.name || !is_systems(&attribute.name) {
                self.names.map(&attribute.name, Case::Sensitive)
            } else {
                attribute.name.clone()
            };
            let hash = self.hash(attribute, &name, area, &new)?;
            put_u32(&mut attribute.header, 12, hash);
            attribute.name = name;
        }
        write_entries(table, &mut new, first);
        Ok(new)
    }

    /// `e_hash` of an attribute that is renamed; what was wrong stays so.
    fn hash(
        &mut self,
        attribute: &Attribute,
        name: &[u8],
        old: &[u8],
        new: &[u8],
    ) -> Result<u32, Error> {
        let stored = u32_at(&attribute.header, 12);
        let hashes = match (attribute.inode(), &attribute.value) {
            (0, Some(value)) => {
                let padded = value.start..value.end.next_multiple_of(ALIGNMENT);
                let words = |area: &[u8]| area.get(padded.clone()).map(<[u8]>::to_vec);
                words(old).zip(words(new))
            }
            (0, None) => None,
            (inode, _) => {
                let hashes = self.surroundings.value_hashes(inode)?;
                let words = |hash: u32| hash.to_le_bytes().to_vec();
                hashes.map(|hashes| (words(hashes.old), words(hashes.new)))
            }
        };
        // One that cannot be computed tells of the old name.
        let (Some((old, new)), true) = (hashes, stored != 0) else {
            return Ok(0);
        };
        // Old kernels took bytes of names as signed, where `char` is.
        let was = |signed| entry_hash(&attribute.name, &old, signed);
        let signed = was(false) != stored && was(true) == stored;
        Ok(stored ^ was(signed) ^ entry_hash(name, &new, signed))
    }
}

/// Writes the entries of `table` from byte `first` of `area` on.
#[expect(clippy::arithmetic_side_effects, reason = "offsets in an area")]
fn write_entries(table: &Table, area: &mut [u8], first: usize) {
    zero(area, first..table.end.min(area.len()));
    let mut at = first;
    for Attribute { header, name, .. } in &table.attributes {
        let after = at + HEADER_BYTES;
        if let Some(bytes) = area.get_mut(at..after) {
            bytes.copy_from_slice(header);
        }
        if let Some(bytes) = area.get_mut(after..after + name.len()) {
            bytes.copy_from_slice(name);
        }
        at = (after + name.len()).next_multiple_of(ALIGNMENT);
    }
}

/// The hash of an attribute called `name`; `value` is padded with zeros.
fn entry_hash(name: &[u8], value: &[u8], signed: bool) -> u32 {
    let widen = |byte: u8| {
        if signed {
            i32::from(byte.cast_signed()).cast_unsigned()
        } else {
            u32::from(byte)
        }
    };
    let hash = name
        .iter()
        .fold(0u32, |hash, byte| hash.rotate_left(5) ^ widen(*byte));
    value
        .chunks_exact(4)
        .fold(hash, |hash, word| hash.rotate_left(16) ^ u32_at(word, 0))
}

#[cfg(test)]
mod tests;
