//! What else may claim a disk that has an ext superblock. A disk that was
//! formatted whole and partitioned later keeps a superblock and group
//! descriptors of which every checksum verifies.

use std::fmt;

use blockio::ReadAt;

use crate::error::{Error, Structure, read};
use crate::superblock::{array_at, u16_at, u32_at};

/// Something other than the ext filesystem that claims the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// A master boot record with partitions.
    Mbr,
    /// A GUID partition table, at the start or at the end.
    Gpt,
    /// An LVM2 physical volume.
    Lvm2,
    /// A member of a Linux software RAID.
    Md,
    /// A LUKS container.
    Luks,
    /// An XFS filesystem.
    Xfs,
    /// A btrfs filesystem.
    Btrfs,
    /// Swap space.
    Swap,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mbr => "an MBR partition table",
            Self::Gpt => "a GPT partition table",
            Self::Lvm2 => "LVM2",
            Self::Md => "Linux RAID",
            Self::Luks => "LUKS",
            Self::Xfs => "XFS",
            Self::Btrfs => "btrfs",
            Self::Swap => "swap space",
        })
    }
}

const SECTOR_BYTES: u64 = 512;
const SECTOR_LENGTH: usize = 512;

const GPT_MAGIC: &[u8] = b"EFI PART";
/// Either byte order of 0xa92b4efc: version 0.90 is in that of its machine.
const MD_MAGIC: &[u8] = &[0xfc, 0x4e, 0x2b, 0xa9];
const MD_MAGIC_SWAPPED: &[u8] = &[0xa9, 0x2b, 0x4e, 0xfc];

/// Signatures at fixed offsets, in bytes from the start of the disk.
const AT_START: &[(Claim, u64, &[u8])] = &[
    (Claim::Gpt, 512, GPT_MAGIC),
    (Claim::Gpt, 4096, GPT_MAGIC),
    // The label may be in any of the first four sectors, but in the third it
    // would have overwritten the superblock.
    (Claim::Lvm2, 0, b"LABELONE"),
    (Claim::Lvm2, 512, b"LABELONE"),
    (Claim::Lvm2, 1536, b"LABELONE"),
    // Versions 1.1 and 1.2.
    (Claim::Md, 0, MD_MAGIC),
    (Claim::Md, 4096, MD_MAGIC),
    (Claim::Luks, 0, b"LUKS\xba\xbe"),
    (Claim::Xfs, 0, b"XFSB"),
    (Claim::Btrfs, 0x1_0040, b"_BHRfS_M"),
    // The last ten bytes of the first page, whatever the page size.
    (Claim::Swap, 0x1000 - 10, b"SWAPSPACE2"),
    (Claim::Swap, 0x2000 - 10, b"SWAPSPACE2"),
    (Claim::Swap, 0x4000 - 10, b"SWAPSPACE2"),
    (Claim::Swap, 0x8000 - 10, b"SWAPSPACE2"),
    (Claim::Swap, 0x1_0000 - 10, b"SWAPSPACE2"),
    (Claim::Swap, 0x1000 - 10, b"SWAP-SPACE"),
    (Claim::Swap, 0x2000 - 10, b"SWAP-SPACE"),
    (Claim::Swap, 0x4000 - 10, b"SWAP-SPACE"),
    (Claim::Swap, 0x8000 - 10, b"SWAP-SPACE"),
    (Claim::Swap, 0x1_0000 - 10, b"SWAP-SPACE"),
];

/// Bytes of the longest signature.
const SIGNATURE_BYTES: usize = 10;

/// The first claim found on `disk`.
pub(crate) fn find<R: ReadAt + ?Sized>(disk: &R) -> Result<Option<Claim>, Error> {
    let mut sector = [0; SECTOR_LENGTH];
    if disk.size() >= SECTOR_BYTES {
        read(disk, Structure::Signature, 0, &mut sector)?;
    }
    if has_partitions(&sector, disk.size()) {
        return Ok(Some(Claim::Mbr));
    }
    let at_start = AT_START.iter().copied();
    for (claim, offset, signature) in at_start.chain(at_end(disk.size())) {
        let mut found = [0; SIGNATURE_BYTES];
        let Some(found) = found.get_mut(..signature.len()) else {
            continue;
        };
        let fits = offset
            .checked_add(u64::try_from(signature.len()).unwrap_or(u64::MAX))
            .is_some_and(|end| end <= disk.size());
        if !fits {
            continue;
        }
        read(disk, Structure::Signature, offset, found)?;
        if found == signature {
            return Ok(Some(claim));
        }
    }
    Ok(None)
}

/// Signatures at offsets that depend on the size of the disk.
fn at_end(disk_bytes: u64) -> impl Iterator<Item = (Claim, u64, &'static [u8])> {
    // The last sector, of either size.
    let gpt = [512, 4096].map(|sector: u64| {
        let whole = disk_bytes & !sector.saturating_sub(1);
        (Claim::Gpt, whole.checked_sub(sector), GPT_MAGIC)
    });
    // Version 0.90: the last whole 64 KiB; 1.0: at least 8 KiB from the end,
    // aligned to 4 KiB.
    let md_090 = (disk_bytes & !0xffff).checked_sub(0x1_0000);
    let sectors = disk_bytes & !SECTOR_BYTES.saturating_sub(1);
    let md_10 = sectors.checked_sub(0x2000).map(|at| at & !0xfff);
    let md = [
        (Claim::Md, md_090, MD_MAGIC),
        (Claim::Md, md_090, MD_MAGIC_SWAPPED),
        (Claim::Md, md_10, MD_MAGIC),
    ];
    gpt.into_iter()
        .chain(md)
        .filter_map(|(claim, offset, signature)| Some((claim, offset?, signature)))
}

/// Whether `sector`, the first of a disk, is a master boot record with sane
/// partitions. Boot code with the same last two bytes is none.
fn has_partitions(sector: &[u8; SECTOR_LENGTH], disk_bytes: u64) -> bool {
    const SIGNATURE: u16 = 0xaa55;
    if u16_at(sector, 510) != SIGNATURE {
        return false;
    }
    let mut partitions = Vec::new();
    for at in [446, 462, 478, 494] {
        let entry: [u8; 16] = array_at(sector, at);
        if entry == [0; 16] {
            continue;
        }
        let [status, _, _, _, kind, ..] = entry;
        let start = u64::from(u32_at(&entry, 8));
        let length = u64::from(u32_at(&entry, 12));
        let end = start.saturating_add(length);
        let on_disk = start >= 1 && end <= disk_bytes.div_ceil(SECTOR_BYTES);
        if !matches!(status, 0x00 | 0x80) || kind == 0 || !on_disk {
            return false;
        }
        partitions.push(start..end);
    }
    partitions.sort_unstable_by_key(|partition| partition.start);
    let apart = |pair: &[std::ops::Range<u64>]| match pair {
        [first, second] => first.end <= second.start,
        _ => true,
    };
    !partitions.is_empty() && partitions.windows(2).all(apart)
}
