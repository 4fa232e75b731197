//! Keys of items, their types, and the numbers of trees.

use crate::bytes::{byte, le64};

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 17;

/// What items are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) object: u64,
    pub(crate) kind: u8,
    pub(crate) offset: u64,
}

impl Key {
    pub(crate) const fn new(object: u64, kind: u8, offset: u64) -> Self {
        Self {
            object,
            kind,
            offset,
        }
    }

    /// The key at byte `at`.
    pub(crate) fn decode(bytes: &[u8], at: usize) -> Self {
        let bytes = bytes.get(at..).unwrap_or(&[]);
        Self::new(le64(bytes, 0), byte(bytes, 8), le64(bytes, 9))
    }
}

/// Types of items.
pub(crate) mod item {
    pub(crate) const EXTENT_DATA: u8 = 108;
    pub(crate) const ROOT: u8 = 132;
    pub(crate) const EXTENT: u8 = 168;
    pub(crate) const METADATA: u8 = 169;
    pub(crate) const BLOCK_GROUP: u8 = 192;
    pub(crate) const FREE_SPACE_INFO: u8 = 198;
    pub(crate) const FREE_SPACE_EXTENT: u8 = 199;
    pub(crate) const FREE_SPACE_BITMAP: u8 = 200;
    pub(crate) const DEV_EXTENT: u8 = 204;
    pub(crate) const DEV: u8 = 216;
    pub(crate) const CHUNK: u8 = 228;
    /// With object 0 in the device tree: the state of a replacement.
    pub(crate) const DEV_REPLACE: u8 = 250;
}

/// Numbers of trees, and of other objects.
pub(crate) mod tree {
    pub(crate) const ROOT: u64 = 1;
    pub(crate) const EXTENT: u64 = 2;
    pub(crate) const CHUNK: u64 = 3;
    pub(crate) const DEV: u64 = 4;
    pub(crate) const FS: u64 = 5;
    pub(crate) const FREE_SPACE: u64 = 10;
    pub(crate) const BLOCK_GROUP: u64 = 11;
    /// The first subvolume; the first chunk has the same number.
    pub(crate) const FIRST_FREE: u64 = 256;
    /// The last subvolume, -256.
    pub(crate) const LAST_FREE: u64 = 0u64.wrapping_sub(256);
    pub(crate) const LOG: u64 = 0u64.wrapping_sub(6);
    pub(crate) const RELOCATION: u64 = 0u64.wrapping_sub(8);
    pub(crate) const DATA_RELOCATION: u64 = 0u64.wrapping_sub(9);
}
