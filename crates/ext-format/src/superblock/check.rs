//! Whether a superblock is fit to be believed: its checksum, its features, the
//! sizes it gives, and the state it says the filesystem is in.

use crate::checksum;
use crate::feature::{Compat, Incompat, RoCompat};
use crate::finding::{Allowed, Distrust, FeatureWord};
use crate::superblock::{SUPERBLOCK_BYTES, Superblock};

/// `s_rev_level` of filesystems without feature words, and the newest known.
const GOOD_OLD_REV: u32 = 0;
const DYNAMIC_REV: u32 = 1;

/// `s_checksum_type` of CRC-32C.
const CRC32C: u64 = 1;

/// Largest `s_log_block_size`: blocks of 64 KiB.
const LOG_BLOCK_SIZE_MAX: u64 = 6;

/// Largest `s_log_cluster_size`: clusters of 512 MiB, as in e2fsprogs.
const LOG_CLUSTER_SIZE_MAX: u64 = 19;

/// Most clusters in a group: free counts were 16 bits wide, as in e2fsprogs.
const CLUSTERS_PER_GROUP_MAX: u64 = (1 << 16) - 8;

/// Bits of `s_state`.
const VALID_FS: u16 = 0x1;
const ERROR_FS: u16 = 0x2;
const FC_REPLAY: u16 = 0x20;

/// Refuses a superblock with a wrong checksum or with features that are not
/// known.
///
/// # Errors
///
/// [`Distrust`] tells why.
pub fn check_superblock(sb: &Superblock, bytes: &[u8; SUPERBLOCK_BYTES]) -> Result<(), Distrust> {
    check_checksum(sb, bytes)?;
    let revisions = Allowed::range(u64::from(GOOD_OLD_REV), u64::from(DYNAMIC_REV));
    revisions.check("s_rev_level", 0x4c, sb.s_rev_level)?;
    check_features(sb)
}

fn check_checksum(sb: &Superblock, bytes: &[u8; SUPERBLOCK_BYTES]) -> Result<(), Distrust> {
    if !sb.ro_compat.contains(RoCompat::METADATA_CSUM) {
        return Ok(());
    }
    Allowed::Exactly(CRC32C).check("s_checksum_type", 0x175, sb.s_checksum_type)?;
    let computed = checksum::superblock(bytes);
    if computed == sb.s_checksum {
        Ok(())
    } else {
        Err(Distrust::SuperblockChecksum {
            stored: sb.s_checksum,
            computed,
        })
    }
}

fn check_features(sb: &Superblock) -> Result<(), Distrust> {
    let words = [
        (FeatureWord::Compat, sb.compat.bits()),
        (FeatureWord::Incompat, sb.incompat.bits()),
        (FeatureWord::RoCompat, sb.ro_compat.bits()),
    ];
    if sb.s_rev_level == GOOD_OLD_REV
        && let Some((word, bits)) = words.into_iter().find(|(_, bits)| *bits != 0)
    {
        // The kernel heeds them, the format says that they do not exist.
        return Err(Distrust::Revision0Features { word, bits });
    }
    let unknown = [
        (FeatureWord::Incompat, sb.incompat.unknown()),
        (FeatureWord::RoCompat, sb.ro_compat.unknown()),
    ];
    if let Some((word, bits)) = unknown.into_iter().find(|(_, bits)| *bits != 0) {
        return Err(Distrust::UnknownFeatures { word, bits });
    }
    if sb.compat.contains(Compat::RESIZE_INODE) && sb.incompat.contains(Incompat::META_BG) {
        return Err(Distrust::FeatureConflict {
            first: "resize_inode",
            second: "meta_bg",
        });
    }
    Ok(())
}

/// Refuses sizes that e2fsprogs or the kernel would refuse by themselves.
///
/// # Errors
///
/// [`Distrust::Field`] with the first of them.
pub fn check_sizes(sb: &Superblock) -> Result<(), Distrust> {
    let log_block = sb.s_log_block_size;
    Allowed::range(0, LOG_BLOCK_SIZE_MAX).check("s_log_block_size", 0x18, log_block)?;
    let block_bytes = 1024u64 << log_block;
    let bits_per_block = block_bytes.saturating_mul(8);

    let log_cluster = if sb.ro_compat.contains(RoCompat::BIGALLOC) {
        Allowed::range(u64::from(log_block), LOG_CLUSTER_SIZE_MAX)
    } else {
        Allowed::Exactly(u64::from(log_block))
    };
    log_cluster.check("s_log_cluster_size", 0x1c, sb.s_log_cluster_size)?;
    let clusters = Allowed::range(8, CLUSTERS_PER_GROUP_MAX.min(bits_per_block));
    clusters.check("s_clusters_per_group", 0x24, sb.s_clusters_per_group)?;
    let inodes = Allowed::range(1, bits_per_block);
    inodes.check("s_inodes_per_group", 0x28, sb.s_inodes_per_group)?;

    let inode_bytes = Allowed::PowerOfTwo {
        min: 128,
        max: block_bytes,
    };
    inode_bytes.check("s_inode_size", 0x58, sb.s_inode_size)?;
    let reserved = Allowed::range(0, block_bytes / 4);
    reserved.check("s_reserved_gdt_blocks", 0xce, sb.s_reserved_gdt_blocks)?;
    if sb.incompat.contains(Incompat::IS_64BIT) {
        let descriptor_bytes = Allowed::PowerOfTwo { min: 64, max: 1024 };
        descriptor_bytes.check("s_desc_size", 0xfe, sb.s_desc_size)?;
    }
    Ok(())
}

/// Why the bitmaps of a filesystem may not be what its owner would see, once its
/// journal is replayed.
#[must_use]
pub fn unclean_state(sb: &Superblock) -> Option<Distrust> {
    let s_state = sb.s_state;
    if s_state & FC_REPLAY != 0 {
        Some(Distrust::FastCommitReplay { s_state })
    } else if s_state & ERROR_FS != 0 {
        Some(Distrust::HasErrors { s_state })
    } else if s_state & VALID_FS == 0 {
        Some(Distrust::NotClean { s_state })
    } else {
        None
    }
}
