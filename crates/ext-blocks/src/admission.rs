//! Whether a superblock is fit to be believed: its checksum, its features, and
//! the state it says the filesystem is in.

use crate::checksum;
use crate::feature::{Compat, Incompat, RoCompat};
use crate::superblock::{SUPERBLOCK_BYTES, Superblock};
use crate::trust::{Allowed, Distrust, FeatureWord};

/// `s_rev_level` of filesystems without feature words, and the newest known.
const GOOD_OLD_REV: u32 = 0;
const DYNAMIC_REV: u32 = 1;

/// `s_checksum_type` of CRC-32C.
const CRC32C: u8 = 1;

/// Bits of `s_state`.
const VALID_FS: u16 = 0x1;
const ERROR_FS: u16 = 0x2;
const FC_REPLAY: u16 = 0x20;

/// Refuses a superblock with a wrong checksum or with features that are not
/// known.
pub(crate) fn check_superblock(
    sb: &Superblock,
    bytes: &[u8; SUPERBLOCK_BYTES],
) -> Result<(), Distrust> {
    check_checksum(sb, bytes)?;
    let revisions = Allowed::Range {
        min: u64::from(GOOD_OLD_REV),
        max: u64::from(DYNAMIC_REV),
    };
    if !revisions.contains(u64::from(sb.s_rev_level)) {
        return Err(Distrust::Field {
            field: "s_rev_level",
            offset: 0x4c,
            found: u64::from(sb.s_rev_level),
            allowed: revisions,
        });
    }
    check_features(sb)
}

fn check_checksum(sb: &Superblock, bytes: &[u8; SUPERBLOCK_BYTES]) -> Result<(), Distrust> {
    if !sb.ro_compat.contains(RoCompat::METADATA_CSUM) {
        return Ok(());
    }
    if sb.s_checksum_type != CRC32C {
        return Err(Distrust::Field {
            field: "s_checksum_type",
            offset: 0x175,
            found: u64::from(sb.s_checksum_type),
            allowed: Allowed::Exactly(u64::from(CRC32C)),
        });
    }
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
    if sb.incompat.contains(Incompat::JOURNAL_DEV) {
        return Err(Distrust::JournalDevice);
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

/// Refuses a filesystem whose bitmaps may not be what its owner would see.
pub(crate) fn check_state(sb: &Superblock) -> Result<(), Distrust> {
    let s_state = sb.s_state;
    if sb.incompat.contains(Incompat::RECOVER) {
        Err(Distrust::NeedsRecovery)
    } else if s_state & FC_REPLAY != 0 {
        Err(Distrust::FastCommitReplay { s_state })
    } else if s_state & ERROR_FS != 0 {
        Err(Distrust::HasErrors { s_state })
    } else if s_state & VALID_FS == 0 {
        Err(Distrust::NotClean { s_state })
    } else {
        Ok(())
    }
}
