//! Directory entries of FAT12, FAT16 and FAT32, of 32 bytes each.

use super::boot::label;
use crate::bytes::{array, byte, le16, le32};
use crate::filesystem::Kind;

pub(super) const ENTRY_BYTES: usize = 32;

const VOLUME: u8 = 0x08;
const DIRECTORY: u8 = 0x10;
/// Attributes of a part of a long name: all of the lower four.
const LONG_NAME: u8 = 0x0f;
const ATTRIBUTES: u8 = 0x3f;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// None, and none after it.
    End,
    /// Nothing that has clusters of its own.
    Skipped,
    Label(Vec<u8>),
    Directory(u32),
    File {
        first: u32,
        bytes: u32,
    },
}

impl Entry {
    pub(super) fn new(stored: &[u8], kind: Kind) -> Self {
        let (start, attributes) = (byte(stored, 0), byte(stored, 11));
        let name: [u8; 11] = array(stored, 0);
        match start {
            0 => return Self::End,
            0xe5 => return Self::Skipped,
            _ => {}
        }
        if attributes & ATTRIBUTES == LONG_NAME || is_dots(&name) {
            return Self::Skipped;
        }
        if attributes & VOLUME != 0 {
            return Self::Label(label(name));
        }
        // FAT12 and FAT16 keep something else in the upper half.
        let high = if kind == Kind::Fat32 {
            le16(stored, 20)
        } else {
            0
        };
        let first = u32::from(high) << 16 | u32::from(le16(stored, 26));
        if attributes & DIRECTORY != 0 {
            return Self::Directory(first);
        }
        let bytes = le32(stored, 28);
        Self::File { first, bytes }
    }
}

/// Whether it is the directory itself or the one above, which are reached otherwise.
fn is_dots(name: &[u8; 11]) -> bool {
    matches!(name, b".          " | b"..         ")
}
