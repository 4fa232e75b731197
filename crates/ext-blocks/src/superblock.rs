//! The superblock as it is stored: any bytes are legal.

use blockio::ReadAt;
use byteorder::{ByteOrder, LittleEndian};

use crate::error::{Error, Structure, read};

use crate::feature::{Compat, Incompat, RoCompat};

/// Where the superblock lies, in bytes from the start of the disk, whatever
/// the block size.
pub(crate) const SUPERBLOCK_OFFSET: u64 = 1024;

/// Size of the superblock in bytes.
pub(crate) const SUPERBLOCK_BYTES: usize = 1024;

/// The smallest disk that has one, in bytes.
pub(crate) const SUPERBLOCK_END: u64 = 2048;

/// `s_magic`.
const MAGIC: u16 = 0xef53;

/// First inode of revision 0 that is not reserved.
const REV0_FIRST_INODE: u32 = 11;

/// Inode size of revision 0, in bytes.
const REV0_INODE_BYTES: u16 = 128;

/// The fields of the superblock that decide which blocks are in use, under the
/// names the kernel gives them.
#[derive(Clone, Debug)]
pub(crate) struct Superblock {
    pub(crate) s_inodes_count: u32,
    /// `s_blocks_count_lo`, and with the 64bit feature `s_blocks_count_hi`.
    pub(crate) s_blocks_count: u64,
    pub(crate) s_first_data_block: u32,
    pub(crate) s_log_block_size: u32,
    pub(crate) s_log_cluster_size: u32,
    pub(crate) s_blocks_per_group: u32,
    pub(crate) s_clusters_per_group: u32,
    pub(crate) s_inodes_per_group: u32,
    pub(crate) s_state: u16,
    pub(crate) s_creator_os: u32,
    pub(crate) s_rev_level: u32,
    /// 11 in revision 0, which does not store it.
    pub(crate) s_first_ino: u32,
    /// 128 in revision 0, which does not store it.
    pub(crate) s_inode_size: u16,
    pub(crate) compat: Compat,
    pub(crate) incompat: Incompat,
    pub(crate) ro_compat: RoCompat,
    /// The group that this copy is in.
    pub(crate) s_block_group_nr: u16,
    pub(crate) s_uuid: [u8; 16],
    pub(crate) s_volume_name: [u8; 16],
    pub(crate) s_reserved_gdt_blocks: u16,
    pub(crate) s_journal_uuid: [u8; 16],
    pub(crate) s_journal_inum: u32,
    pub(crate) s_last_orphan: u32,
    /// 1 where `s_jnl_blocks` holds a copy of the journal's `i_block`.
    pub(crate) s_jnl_backup_type: u8,
    pub(crate) s_desc_size: u16,
    pub(crate) s_first_meta_bg: u32,
    /// The first 60 bytes: `i_block`.
    pub(crate) s_jnl_blocks: [u8; 60],
    pub(crate) s_mmp_block: u64,
    pub(crate) s_checksum_type: u8,
    /// What hashes of names start from.
    pub(crate) s_hash_seed: [u8; 16],
    pub(crate) s_flags: u32,
    pub(crate) s_usr_quota_inum: u32,
    pub(crate) s_grp_quota_inum: u32,
    pub(crate) s_backup_bgs: [u32; 2],
    pub(crate) s_prj_quota_inum: u32,
    pub(crate) s_checksum_seed: u32,
    pub(crate) s_orphan_file_inum: u32,
    pub(crate) s_checksum: u32,
}

impl Superblock {
    /// Reads the fields, or `None` where the magic number is missing.
    pub(crate) fn decode(bytes: &[u8; SUPERBLOCK_BYTES]) -> Option<Self> {
        if u16_at(bytes, 0x38) != MAGIC {
            return None;
        }
        let s_rev_level = u32_at(bytes, 0x4c);
        let incompat = Incompat::from_bits_retain(u32_at(bytes, 0x60));
        let s_blocks_count_hi = if incompat.contains(Incompat::IS_64BIT) {
            u32_at(bytes, 0x150)
        } else {
            0
        };
        let (s_first_ino, s_inode_size) = match s_rev_level {
            0 => (REV0_FIRST_INODE, REV0_INODE_BYTES),
            _ => (u32_at(bytes, 0x54), u16_at(bytes, 0x58)),
        };
        Some(Self {
            s_inodes_count: u32_at(bytes, 0x00),
            s_blocks_count: join(u32_at(bytes, 0x04), s_blocks_count_hi),
            s_first_data_block: u32_at(bytes, 0x14),
            s_log_block_size: u32_at(bytes, 0x18),
            s_log_cluster_size: u32_at(bytes, 0x1c),
            s_blocks_per_group: u32_at(bytes, 0x20),
            s_clusters_per_group: u32_at(bytes, 0x24),
            s_inodes_per_group: u32_at(bytes, 0x28),
            s_state: u16_at(bytes, 0x3a),
            s_creator_os: u32_at(bytes, 0x48),
            s_rev_level,
            s_first_ino,
            s_inode_size,
            compat: Compat::from_bits_retain(u32_at(bytes, 0x5c)),
            incompat,
            ro_compat: RoCompat::from_bits_retain(u32_at(bytes, 0x64)),
            s_block_group_nr: u16_at(bytes, 0x5a),
            s_uuid: array_at(bytes, 0x68),
            s_volume_name: array_at(bytes, 0x78),
            s_reserved_gdt_blocks: u16_at(bytes, 0xce),
            s_journal_uuid: array_at(bytes, 0xd0),
            s_journal_inum: u32_at(bytes, 0xe0),
            s_last_orphan: u32_at(bytes, 0xe8),
            s_jnl_backup_type: array_at::<1>(bytes, 0xfd)[0],
            s_desc_size: u16_at(bytes, 0xfe),
            s_first_meta_bg: u32_at(bytes, 0x104),
            s_jnl_blocks: array_at(bytes, 0x10c),
            s_mmp_block: join(u32_at(bytes, 0x168), u32_at(bytes, 0x16c)),
            s_checksum_type: array_at::<1>(bytes, 0x175)[0],
            s_hash_seed: array_at(bytes, 0xec),
            s_flags: u32_at(bytes, 0x160),
            s_usr_quota_inum: u32_at(bytes, 0x240),
            s_grp_quota_inum: u32_at(bytes, 0x244),
            s_backup_bgs: [u32_at(bytes, 0x24c), u32_at(bytes, 0x250)],
            s_prj_quota_inum: u32_at(bytes, 0x26c),
            s_checksum_seed: u32_at(bytes, 0x270),
            s_orphan_file_inum: u32_at(bytes, 0x280),
            s_checksum: u32_at(bytes, 0x3fc),
        })
    }
}

/// Where the journal of a filesystem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JournalPlace {
    /// There is none.
    None,
    /// In this inode.
    Inside(u32),
    /// On another device.
    Outside,
}

impl Superblock {
    pub(crate) fn journal_place(&self) -> JournalPlace {
        if !self.compat.contains(Compat::HAS_JOURNAL) {
            JournalPlace::None
        } else if self.s_journal_inum != 0 {
            JournalPlace::Inside(self.s_journal_inum)
        } else {
            JournalPlace::Outside
        }
    }
}

/// The superblock of `disk`, if there is one, also as it is stored.
pub(crate) fn read_superblock<R: ReadAt + ?Sized>(
    disk: &R,
) -> Result<Option<(Superblock, [u8; SUPERBLOCK_BYTES])>, Error> {
    if disk.size() < SUPERBLOCK_END {
        return Ok(None);
    }
    let mut bytes = [0; SUPERBLOCK_BYTES];
    read(disk, Structure::Superblock, SUPERBLOCK_OFFSET, &mut bytes)?;
    Ok(Superblock::decode(&bytes).map(|sb| (sb, bytes)))
}

/// The value whose halves are stored apart.
pub(crate) fn join(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// The little-endian integer at byte `at`; 0 behind the end of `bytes`.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    LittleEndian::read_u16(&array_at::<2>(bytes, at))
}

/// The little-endian integer at byte `at`; 0 behind the end of `bytes`.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    LittleEndian::read_u32(&array_at::<4>(bytes, at))
}

/// The `N` bytes at byte `at`; zeros behind the end of `bytes`.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .copied()
        .unwrap_or([0; N])
}

#[cfg(test)]
mod tests;
