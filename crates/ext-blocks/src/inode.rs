//! An inode, as far as its blocks are concerned.

use blockio::ReadAt;

use crate::damage::JournalDamage;
use crate::error::{Error, Structure, read};
use crate::geometry::to_index;
use crate::group::{GroupReader, Layout};
use crate::runs::BlockRun;
use crate::superblock::{array_at, u16_at, u32_at};

/// File type bits of `i_mode`, and the type of a regular file.
const S_IFMT: u16 = 0xf000;
const S_IFREG: u16 = 0x8000;

/// Flag of an inode whose `i_block` is an extent tree, not block pointers.
const EXTENTS_FL: u32 = 0x8_0000;

/// Size of the part every inode has, in bytes.
const GOOD_OLD_BYTES: u32 = 128;

/// Size of `i_block` in bytes.
pub(crate) const I_BLOCK_BYTES: usize = 60;

/// An inode as it is stored: any bytes are legal.
#[derive(Clone, Debug)]
pub(crate) struct Inode {
    pub(crate) number: u32,
    pub(crate) i_mode: u16,
    pub(crate) i_links_count: u16,
    pub(crate) i_flags: u32,
    pub(crate) i_generation: u32,
    /// Block pointers or the root of an extent tree.
    pub(crate) i_block: [u8; I_BLOCK_BYTES],
}

impl Inode {
    pub(crate) fn decode(bytes: &[u8], number: u32) -> Self {
        Self {
            number,
            i_mode: u16_at(bytes, 0x00),
            i_links_count: u16_at(bytes, 0x1a),
            i_flags: u32_at(bytes, 0x20),
            i_generation: u32_at(bytes, 0x64),
            i_block: array_at(bytes, 0x28),
        }
    }

    /// Whether it is a regular file that was not deleted.
    pub(crate) const fn is_file_in_use(&self) -> bool {
        self.i_mode & S_IFMT == S_IFREG && self.i_links_count > 0
    }

    pub(crate) const fn has_extents(&self) -> bool {
        self.i_flags & EXTENTS_FL != 0
    }
}

/// Reads inode `number` and checks its checksum. The inner error is damage.
pub(crate) fn read_inode<R: ReadAt + ?Sized>(
    disk: &R,
    groups: &mut GroupReader<'_, R>,
    number: u32,
) -> Result<Result<Inode, JournalDamage>, Error> {
    let layout = groups.layout();
    let geometry = &layout.geometry;
    let per_group = geometry.inodes_per_group().max(1);
    let inodes = geometry.group_count().saturating_mul(per_group);
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
    Ok(check(&bytes, number, layout).map(|()| Inode::decode(&bytes, number)))
}

/// Refuses an inode whose checksum does not match.
fn check(bytes: &[u8], number: u32, layout: &Layout) -> Result<(), JournalDamage> {
    // The upper half is there where the inode's own `i_extra_isize` covers it.
    let has_high = layout.geometry.inode_bytes() > GOOD_OLD_BYTES && u16_at(bytes, 0x80) >= 4;
    let low = u32::from(u16_at(bytes, 0x7c));
    let stored = if has_high {
        low | u32::from(u16_at(bytes, 0x82)) << 16
    } else {
        low
    };
    match layout.checksums.inode(number, bytes, has_high) {
        Some(computed) if computed != stored => Err(JournalDamage::Checksum { stored, computed }),
        _ => Ok(()),
    }
}
