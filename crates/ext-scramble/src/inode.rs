//! The fields of an inode that may hold names.

use blockio::len_u64;
use ext_format::inode::{I_BLOCK_BYTES, Inode};
use ext_format::superblock::{join, u16_at, u32_at};

use crate::map::EXTENT_BYTES;

/// File type bits of `i_mode`, and the types.
const S_IFMT: u16 = 0xf000;
const S_IFCHR: u16 = 0x2000;
const S_IFDIR: u16 = 0x4000;
const S_IFBLK: u16 = 0x6000;
const S_IFREG: u16 = 0x8000;
const S_IFLNK: u16 = 0xa000;

/// Bits of `i_flags`.
const ENCRYPT_FL: u32 = 0x800;
const INDEX_FL: u32 = 0x1000;
const EXTENTS_FL: u32 = 0x8_0000;
const EA_INODE_FL: u32 = 0x20_0000;
const INLINE_DATA_FL: u32 = 0x1000_0000;
const CASEFOLD_FL: u32 = 0x4000_0000;

/// Where `i_flags` and `i_block` lie.
const FLAGS_AT: usize = 0x20;
pub(super) const I_BLOCK: std::ops::Range<usize> = 0x28..0x28 + I_BLOCK_BYTES;

/// `i_atime`, where an inode with an attribute's value keeps its hash.
pub(super) const VALUE_HASH_AT: usize = 0x08;

/// End of the part every inode has, and of all fields there are, in bytes.
const GOOD_OLD_BYTES: usize = 128;
pub(super) const FIELDS_BYTES: usize = 0xa0;

/// `eh_magic`.
const EXTENT_MAGIC: u16 = 0xf30a;

/// What `i_block` and the contents of an inode are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    /// The target of a link is in `i_block`.
    FastLink,
    /// The target of a link is in a block.
    SlowLink,
    /// The target of a link is in `i_block` and an attribute.
    InlineLink,
    InlineDirectory,
    /// File data in `i_block` and an attribute.
    InlineData,
    /// File data in blocks, which hold no names.
    File,
    /// The value of an attribute.
    Value,
    Device,
    /// `i_block` is not used, or should not be: who repairs a filesystem looks
    /// whether it was a directory.
    Doubtful,
}

/// Fields of an inode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    mode: u16,
    flags: u32,
    pub(super) size: u64,
    pub(super) file_acl: u64,
}

impl Fields {
    /// The fields of an inode stored as `inode`, and `decoded` from that.
    pub(super) fn new(inode: &[u8], decoded: &Inode) -> Self {
        Self {
            mode: decoded.i_mode,
            flags: decoded.i_flags,
            size: join(u32_at(inode, 0x04), u32_at(inode, 0x6c)),
            file_acl: decoded.i_file_acl,
        }
    }

    /// What the inode holds; `is_reserved` is one of the first, whose mode may
    /// be zero.
    pub(super) fn kind(&self, inode: &[u8], is_reserved: bool) -> Kind {
        let inline = self.flags & INLINE_DATA_FL != 0;
        match self.mode & S_IFMT {
            S_IFDIR if inline => Kind::InlineDirectory,
            S_IFDIR => Kind::Directory,
            S_IFLNK if inline => Kind::InlineLink,
            S_IFLNK if self.is_slow(inode) => Kind::SlowLink,
            S_IFLNK => Kind::FastLink,
            S_IFREG if inline && !self.has_extents() => Kind::InlineData,
            S_IFREG if self.flags & EA_INODE_FL != 0 => Kind::Value,
            S_IFREG => Kind::File,
            S_IFCHR | S_IFBLK if is_number(inode) => Kind::Device,
            _ if inline => Kind::InlineDirectory,
            0 if is_reserved => Kind::File,
            _ => Kind::Doubtful,
        }
    }

    /// Whether `i_block` maps the block with the target of a link. The kernel
    /// and e2fsprogs go by the size, or by whether there are blocks; here a
    /// short target is one in any case, so that it is scrambled.
    fn is_slow(&self, inode: &[u8]) -> bool {
        let map = inode.get(I_BLOCK).unwrap_or_default();
        if self.has_extents() {
            u16_at(map, 0) == EXTENT_MAGIC
        } else {
            self.size >= len_u64(I_BLOCK_BYTES)
        }
    }

    /// Whether the inode, which is of `kind`, may be one: there is no checksum
    /// to tell, but what it leads to fits.
    pub(super) fn is_plausible(&self, kind: Kind, inode: &[u8], block_count: u64) -> bool {
        let map = inode.get(I_BLOCK).unwrap_or_default();
        let text = map.iter().position(|byte| *byte == 0);
        let text_bytes = len_u64(text.unwrap_or(map.len()));
        match kind {
            Kind::Directory | Kind::SlowLink | Kind::File | Kind::Value if self.has_extents() => {
                u16_at(map, 0) == EXTENT_MAGIC
            }
            Kind::Directory | Kind::SlowLink | Kind::File | Kind::Value => map
                .chunks_exact(4)
                .all(|pointer| u64::from(u32_at(pointer, 0)) < block_count),
            Kind::FastLink => text_bytes == self.size || self.is_encrypted(),
            Kind::Device => true,
            Kind::InlineDirectory | Kind::InlineLink | Kind::InlineData => self.size < 1 << 16,
            Kind::Doubtful => text_bytes == 0,
        }
    }

    pub(super) const fn has_extents(&self) -> bool {
        self.flags & EXTENTS_FL != 0
    }

    pub(super) const fn is_encrypted(&self) -> bool {
        self.flags & ENCRYPT_FL != 0
    }

    pub(super) const fn is_indexed(&self) -> bool {
        self.flags & INDEX_FL != 0
    }

    pub(super) const fn ignores_case(&self) -> bool {
        self.flags & CASEFOLD_FL != 0
    }

    /// Whether the inode holds the value of an attribute.
    pub(super) const fn is_value(&self) -> bool {
        self.mode & S_IFMT == S_IFREG && self.flags & EA_INODE_FL != 0
    }
}

/// The value of `i_flags` without the one that says there is an index.
pub(super) fn unindexed_flags(inode: &[u8]) -> u32 {
    u32_at(inode, FLAGS_AT) & !INDEX_FL
}

pub(super) const I_FLAGS_AT: usize = FLAGS_AT;

/// Zeros the fields that no kernel knows, which `i_extra_isize` counts.
pub(super) fn zero_unknown_fields(inode: &mut [u8]) {
    let end = attributes_at(inode);
    if let Some(unknown) = inode.get_mut(FIELDS_BYTES..end) {
        unknown.fill(0);
    }
}

/// Where attributes lie, from after the fields of `inode` to its end. With an
/// extra size that cannot be, from after the fields that there are.
pub(super) fn attributes_at(inode: &[u8]) -> usize {
    let extra = usize::from(u16_at(inode, 0x80));
    let room = inode.len().saturating_sub(GOOD_OLD_BYTES);
    let known = FIELDS_BYTES.min(inode.len());
    if room == 0 {
        inode.len()
    } else if extra.is_multiple_of(4) && (4..=room).contains(&extra) {
        GOOD_OLD_BYTES.saturating_add(extra)
    } else {
        known
    }
}

const _: () = assert!(I_BLOCK_BYTES == 5 * EXTENT_BYTES);

/// Words of `i_block` that may be a device's number.
const NUMBERS: std::ops::Range<usize> = 0..2 * 4;

/// Whether `i_block` can be that of a device: nothing but numbers.
fn is_number(inode: &[u8]) -> bool {
    let map = inode.get(I_BLOCK).unwrap_or_default();
    let rest = map.get(NUMBERS.end..).unwrap_or_default();
    rest.iter().all(|byte| *byte == 0)
}

/// Zeros what `i_block` of a device does not need: its number is in the first
/// word that is not zero, of two.
pub(super) fn clean_device(map: &mut [u8]) {
    let number = if u32_at(map, 0) == 0 { 4..8 } else { 0..4 };
    for (at, byte) in map.iter_mut().enumerate() {
        if !number.contains(&at) {
            *byte = 0;
        }
    }
}
