//! The fields of an inode that locate its blocks.

use blockio::ReadAt;

use crate::error::{Error, Structure, read};
use crate::finding::{InodeDamage, JournalDamage};
use crate::geometry::{Geometry, to_index};
use crate::group::{GroupReader, Layout};
use crate::runs::BlockRun;
use crate::superblock::{array_at, join, u16_at, u32_at};

/// File type bits of `i_mode`, and the types that have contents in blocks.
const S_IFMT: u16 = 0xf000;
const S_IFREG: u16 = 0x8000;
const S_IFDIR: u16 = 0x4000;
const S_IFLNK: u16 = 0xa000;

/// The types of devices.
const S_IFCHR: u16 = 0x2000;
const S_IFBLK: u16 = 0x6000;

/// Flags of an inode: `i_block` is an extent tree, not block pointers; the
/// contents are the value of an extended attribute; they are in the inode.
const EXTENTS_FL: u32 = 0x8_0000;
const EA_INODE_FL: u32 = 0x20_0000;
const INLINE_DATA_FL: u32 = 0x1000_0000;

/// Size of the part every inode has, in bytes.
const GOOD_OLD_BYTES: u32 = 128;

/// Size of `i_block` in bytes.
pub const I_BLOCK_BYTES: usize = 60;

/// Pointers at the start of `i_block` that may be a device's numbers.
const DEVICE_POINTERS: usize = 4;

/// The inode of bad blocks, which has no mode.
pub const BAD_BLOCKS_INODE: u32 = 1;

/// An inode as it is stored: any bytes are legal.
#[derive(Clone, Debug)]
pub struct Inode {
    /// Its number, from 1.
    pub number: u32,
    /// File type and permissions.
    pub i_mode: u16,
    /// Names it has; 0 if it was deleted.
    pub i_links_count: u16,
    /// Flags, among them what `i_block` is.
    pub i_flags: u32,
    /// Part of its checksum and those of its blocks.
    pub i_generation: u32,
    /// Block pointers or the root of an extent tree.
    pub i_block: [u8; I_BLOCK_BYTES],
    /// `i_file_acl_lo`, and with the 64bit feature `i_file_acl_high`: the block
    /// of extended attributes, or 0.
    pub i_file_acl: u64,
    /// `osd1`: in filesystems of the Hurd the block of the translator, or 0.
    pub translator: u32,
    /// Length of the contents in bytes.
    i_size: u64,
    /// `i_blocks_lo`.
    i_blocks: u32,
}

impl Inode {
    /// Inode `number`, stored as `bytes`.
    #[must_use]
    pub fn decode(bytes: &[u8], number: u32, geometry: &Geometry) -> Self {
        let i_file_acl_high = if geometry.is_64bit() {
            u32::from(u16_at(bytes, 0x76))
        } else {
            0
        };
        Self {
            number,
            i_mode: u16_at(bytes, 0x00),
            i_size: join(u32_at(bytes, 0x04), u32_at(bytes, 0x6c)),
            i_links_count: u16_at(bytes, 0x1a),
            i_blocks: u32_at(bytes, 0x1c),
            i_flags: u32_at(bytes, 0x20),
            translator: u32_at(bytes, 0x24),
            i_block: array_at(bytes, 0x28),
            i_generation: u32_at(bytes, 0x64),
            i_file_acl: join(u32_at(bytes, 0x68), i_file_acl_high),
        }
    }

    /// An inode with nothing but its block map known.
    #[must_use]
    pub fn with_map(number: u32, i_block: [u8; I_BLOCK_BYTES], geometry: &Geometry) -> Self {
        Self {
            i_block,
            ..Self::decode(&[], number, geometry)
        }
    }

    const fn file_type(&self) -> u16 {
        self.i_mode & S_IFMT
    }

    /// Whether it is a regular file that was not deleted.
    #[must_use]
    pub const fn is_file_in_use(&self) -> bool {
        self.is_regular() && self.i_links_count > 0
    }

    /// Whether it is a regular file.
    #[must_use]
    pub const fn is_regular(&self) -> bool {
        self.file_type() == S_IFREG
    }

    /// Whether it is a directory.
    #[must_use]
    pub const fn is_directory(&self) -> bool {
        self.file_type() == S_IFDIR
    }

    /// Whether `i_block` is said to be the root of an extent tree.
    #[must_use]
    pub const fn has_extents(&self) -> bool {
        self.i_flags & EXTENTS_FL != 0
    }

    /// Whether the contents are metadata, whatever file has the inode: names, the
    /// target of a link, or the value of an extended attribute.
    #[must_use]
    pub const fn holds_metadata(&self) -> bool {
        matches!(self.file_type(), S_IFDIR | S_IFLNK) || self.i_flags & EA_INODE_FL != 0
    }

    /// Whether `i_block` is a map: its contents are in blocks.
    #[must_use]
    pub fn has_map(&self) -> bool {
        if self.i_flags & INLINE_DATA_FL != 0 {
            return false;
        }
        match self.file_type() {
            S_IFREG | S_IFDIR => true,
            S_IFLNK => !self.is_fast_symlink(),
            _ => false,
        }
    }

    /// Whether `i_block` is the target of the link, as e2fsprogs tells it: by
    /// what is stored, and where that may be either, by the size.
    fn is_fast_symlink(&self) -> bool {
        let fits = self.i_size < 60;
        if self.i_file_acl == 0 {
            // An attribute's value in another inode counts in `i_blocks`, too.
            self.i_blocks == 0 || (fits && self.i_size > 0)
        } else {
            // No target has a zero byte, so these would be pointers.
            fits && (self.i_size <= 4 || u32_at(&self.i_block, 4) != 0)
        }
    }

    /// The block that e2fsck reads to see whether the inode is a directory
    /// with a damaged mode. Nothing but `i_block` tells.
    #[must_use]
    pub fn maybe_directory(&self, geometry: &Geometry) -> Option<u64> {
        let pointers = || {
            self.i_block
                .chunks_exact(4)
                .map(|pointer| u64::from(u32_at(pointer, 0)))
        };
        let first = pointers().next().filter(|block| *block != 0)?;
        let beyond_device = pointers().skip(DEVICE_POINTERS).any(|block| block != 0);
        let device = matches!(self.file_type(), S_IFCHR | S_IFBLK) && self.i_links_count == 1;
        let inside = pointers().all(|block| block == 0 || geometry.holds(block));
        let type_allows = !matches!(self.file_type(), S_IFREG | S_IFDIR);
        (type_allows && inside && (beyond_device || !device)).then_some(first)
    }
}

/// Reads inode `number` and checks its checksum. The inner error is damage.
///
/// # Errors
///
/// [`Error::Read`] if the storage fails.
pub fn read_inode<R: ReadAt + ?Sized>(
    disk: &R,
    groups: &mut GroupReader<'_, R>,
    number: u32,
) -> Result<Result<Inode, JournalDamage>, Error> {
    let layout = groups.layout();
    let geometry = &layout.geometry;
    let per_group = geometry.inodes_per_group().max(1);
    let inodes = geometry.inode_count();
    let Some(index) = number.checked_sub(1).filter(|index| *index < inodes) else {
        return Ok(Err(JournalDamage::NoSuchInode { inodes }));
    };
    let descriptor = groups.descriptor(index.div_euclid(per_group))?;
    let table = BlockRun::new(descriptor.inode_table, geometry.table_blocks());
    if !descriptor.verifies() || !geometry.holds_all(table) {
        return Ok(Err(JournalDamage::Descriptor));
    }
    let inode_bytes = u64::from(geometry.inode_bytes());
    let before = u64::from(index.rem_euclid(per_group)).saturating_mul(inode_bytes);
    let at = geometry.byte_of(table.start).saturating_add(before);
    let mut bytes = vec![0; to_index(inode_bytes)];
    read(disk, Structure::Inode, at, &mut bytes)?;
    Ok(match checksum_damage(&bytes, number, layout) {
        Some(damage) => Err(damage.into()),
        None => Ok(Inode::decode(&bytes, number, geometry)),
    })
}

/// Whether the checksum of inode `number`, stored as `bytes`, is wrong.
#[must_use]
pub fn checksum_damage(bytes: &[u8], number: u32, layout: &Layout) -> Option<InodeDamage> {
    // The upper half is there where the inode's own `i_extra_isize` covers it.
    let has_high = layout.geometry.inode_bytes() > GOOD_OLD_BYTES && u16_at(bytes, 0x80) >= 4;
    let low = u32::from(u16_at(bytes, 0x7c));
    let stored = if has_high {
        low | u32::from(u16_at(bytes, 0x82)) << 16
    } else {
        low
    };
    let computed = layout.checksums.inode(number, bytes, has_high)?;
    (computed != stored).then_some(InodeDamage::Checksum { stored, computed })
}
