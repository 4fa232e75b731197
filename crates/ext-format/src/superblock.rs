//! The superblock as it is stored: any bytes are legal.

pub mod check;

use blockio::ReadAt;
use byteorder::{ByteOrder, LittleEndian};

use crate::error::{Error, Structure, read};
use crate::feature::{Compat, Incompat, RoCompat};

/// Where the superblock lies, in bytes from the start of the disk, whatever
/// the block size.
pub const SUPERBLOCK_OFFSET: u64 = 1024;

/// Size of the superblock in bytes.
pub const SUPERBLOCK_BYTES: usize = 1024;

/// The smallest disk that has one, in bytes.
pub const SUPERBLOCK_END: u64 = 2048;

/// `s_magic`.
const MAGIC: u16 = 0xef53;

/// First inode of revision 0 that is not reserved.
const REV0_FIRST_INODE: u32 = 11;

/// Inode size of revision 0, in bytes.
const REV0_INODE_BYTES: u16 = 128;

/// The fields of the superblock that decide which blocks are in use, under the
/// names the kernel gives them.
#[derive(Clone, Debug)]
pub struct Superblock {
    /// Inodes of all groups.
    pub s_inodes_count: u32,
    /// `s_blocks_count_lo`, and with the 64bit feature `s_blocks_count_hi`.
    pub s_blocks_count: u64,
    /// The block that holds the superblock, if clusters are 1 KiB.
    pub s_first_data_block: u32,
    /// log2 of the block size, less 10.
    pub s_log_block_size: u32,
    /// log2 of the cluster size, less 10.
    pub s_log_cluster_size: u32,
    /// Blocks of a group.
    pub s_blocks_per_group: u32,
    /// Clusters of a group.
    pub s_clusters_per_group: u32,
    /// Inodes of a group.
    pub s_inodes_per_group: u32,
    /// How the filesystem was left.
    pub s_state: u16,
    /// The system that made it.
    pub s_creator_os: u32,
    /// The revision; 0 has no features.
    pub s_rev_level: u32,
    /// 11 in revision 0, which does not store it.
    pub s_first_ino: u32,
    /// 128 in revision 0, which does not store it.
    pub s_inode_size: u16,
    /// `s_feature_compat`.
    pub compat: Compat,
    /// `s_feature_incompat`.
    pub incompat: Incompat,
    /// `s_feature_ro_compat`.
    pub ro_compat: RoCompat,
    /// The group that this copy is in.
    pub s_block_group_nr: u16,
    /// The name of the filesystem.
    pub s_uuid: [u8; 16],
    /// The label, ended by a zero byte if it is shorter.
    pub s_volume_name: [u8; 16],
    /// Blocks in a group reserved for more descriptors.
    pub s_reserved_gdt_blocks: u16,
    /// The name of a journal on another device.
    pub s_journal_uuid: [u8; 16],
    /// The inode of the journal, or 0.
    pub s_journal_inum: u32,
    /// The first inode that was deleted while open, or 0.
    pub s_last_orphan: u32,
    /// 1 where `s_jnl_blocks` holds a copy of the journal's `i_block`.
    pub s_jnl_backup_type: u8,
    /// Size of a group descriptor in bytes, with the 64bit feature.
    pub s_desc_size: u16,
    /// The first block of descriptors that lies as in `meta_bg`.
    pub s_first_meta_bg: u32,
    /// The first 60 bytes: `i_block`.
    pub s_jnl_blocks: [u8; 60],
    /// The multiple mount protection block.
    pub s_mmp_block: u64,
    /// The kind of checksums.
    pub s_checksum_type: u8,
    /// What hashes of names start from.
    pub s_hash_seed: [u8; 16],
    /// Flags, among them how hashes take bytes.
    pub s_flags: u32,
    /// The quota file of users, or 0.
    pub s_usr_quota_inum: u32,
    /// The quota file of groups, or 0.
    pub s_grp_quota_inum: u32,
    /// The groups with copies, with `sparse_super2`.
    pub s_backup_bgs: [u32; 2],
    /// The quota file of projects, or 0.
    pub s_prj_quota_inum: u32,
    /// What checksums start from, with `metadata_csum_seed`.
    pub s_checksum_seed: u32,
    /// The orphan file, or 0.
    pub s_orphan_file_inum: u32,
    /// The checksum of the superblock.
    pub s_checksum: u32,
}

impl Superblock {
    /// Reads the fields, or `None` where the magic number is missing.
    #[must_use]
    pub fn decode(bytes: &[u8; SUPERBLOCK_BYTES]) -> Option<Self> {
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
pub enum JournalPlace {
    /// There is none.
    None,
    /// In this inode.
    Inside(u32),
    /// On another device.
    Outside,
}

impl Superblock {
    /// Where the journal is.
    #[must_use]
    pub fn journal_place(&self) -> JournalPlace {
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
///
/// # Errors
///
/// [`Error::Read`] if the storage fails.
pub fn read_superblock<R: ReadAt + ?Sized>(
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
#[must_use]
pub fn join(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// The little-endian integer at byte `at`; 0 past the end of `bytes`.
#[must_use]
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    LittleEndian::read_u16(&array_at::<2>(bytes, at))
}

/// The little-endian integer at byte `at`; 0 past the end of `bytes`.
#[must_use]
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    LittleEndian::read_u32(&array_at::<4>(bytes, at))
}

/// The `N` bytes at byte `at`; zeros past the end of `bytes`.
#[must_use]
pub fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .copied()
        .unwrap_or([0; N])
}

#[cfg(test)]
mod tests;
