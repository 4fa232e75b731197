//! The boot sector of FAT12, FAT16 and FAT32.

use crate::bytes::{array, byte, le16, le32};
use crate::chains::{Place, Width};
use crate::clusters::{CLUSTERS_MAX, FIRST_CLUSTER, Heap};
use crate::filesystem::{Info, Kind};
use crate::finding::{Distrust, Step};

/// FAT12 has fewer clusters than this, FAT16 fewer than the next; FAT32 is told by the
/// lengths of its FATs.
const FAT16_CLUSTERS: u64 = 4085;
const FAT16_CLUSTERS_END: u64 = 65_525;
/// Bytes of a directory entry.
const ENTRY_BYTES: u32 = 32;

/// A boot sector that was checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boot {
    pub(super) kind: Kind,
    pub(super) media: u8,
    pub(super) table: Place,
    pub(super) heap: Heap,
    /// Clusters that there is room for; the FAT may have entries for fewer.
    pub(super) clusters: u64,
    pub(super) root: Root,
}

/// Where the root directory is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Root {
    /// Entries from a byte of the disk.
    Fixed { start: u64, entries: u32 },
    /// A chain of clusters.
    Chain(u32),
}

/// Whether `sector` looks like a boot sector of these. What only Windows or only Linux
/// would accept is none, and kept as a whole.
pub(crate) fn is_mine(sector: &[u8; 512]) -> bool {
    let sector_bytes = le16(sector, 11);
    sector_bytes.is_power_of_two()
        && (512..=4096).contains(&sector_bytes)
        && byte(sector, 13).is_power_of_two()
        && le16(sector, 14) != 0
        && byte(sector, 16) != 0
        && matches!(byte(sector, 21), 0xf0 | 0xf8..)
        && (le16(sector, 22) != 0 || le32(sector, 36) != 0)
        && (le16(sector, 19) != 0 || le32(sector, 32) != 0)
}

impl Boot {
    /// Checks `sector`, for which [`is_mine`] holds, and takes its facts into `info`.
    pub(super) fn new(sector: &[u8; 512], size: u64, info: &mut Info) -> Step<Self> {
        let short_length = le16(sector, 22);
        let is_fat32 = short_length == 0;
        let sector_bytes = u32::from(le16(sector, 11));
        info.sector_bytes = sector_bytes;
        if is_fat32 {
            info.kind = Some(Kind::Fat32);
        }
        identity(sector, if is_fat32 { 64 } else { 36 }, info);
        let unit = u64::from(sector_bytes);
        let sectors = either(le16(sector, 19), le32(sector, 32));
        let bytes = sectors.saturating_mul(unit);
        info.bytes = bytes;
        if bytes > size {
            let disk_bytes = size;
            return Err(Distrust::Cut { bytes, disk_bytes }.into());
        }
        let copies = byte(sector, 16);
        if copies > 4 {
            return Err(field("BPB_NumFATs", copies.into()).into());
        }
        let table_sectors = either(short_length, le32(sector, 36));
        let entries = u32::from(le16(sector, 17));
        let root_bytes = entries.saturating_mul(ENTRY_BYTES);
        let reserved = u64::from(le16(sector, 14));
        let root_sector = u64::from(copies)
            .saturating_mul(table_sectors)
            .saturating_add(reserved);
        let root_sectors = u64::from(root_bytes.div_ceil(sector_bytes));
        let heap_sector = root_sector.saturating_add(root_sectors);
        let cluster_sectors = byte(sector, 13);
        let room = sectors.saturating_sub(heap_sector);
        let clusters = room.checked_div(u64::from(cluster_sectors)).unwrap_or(0);
        if clusters == 0 {
            return Err(field("BPB_TotSec32", sectors).into());
        }
        let (kind, width) = kind(is_fat32, clusters)?;
        info.kind = Some(kind);
        let table = Place {
            start: reserved.saturating_mul(unit),
            bytes: table_sectors.saturating_mul(unit),
            copies: u32::from(copies),
            width,
        };
        let heap = Heap {
            start: heap_sector.saturating_mul(unit),
            cluster_bytes: sector_bytes.saturating_mul(u32::from(cluster_sectors)),
            count: count(table, clusters)?,
        };
        (info.cluster_bytes, info.clusters) = (heap.cluster_bytes, heap.count);
        let root = if is_fat32 {
            check_fat32(sector, entries)?;
            Root::Chain(le32(sector, 44))
        } else {
            let start = root_sector.saturating_mul(unit);
            Root::Fixed { start, entries }
        };
        let state = byte(sector, if is_fat32 { 0x41 } else { 0x25 });
        if state & 3 != 0 {
            let state = u16::from(state);
            return Err(Distrust::Dirty { state }.into());
        }
        Ok(Self {
            kind,
            media: byte(sector, 21),
            table,
            heap,
            clusters,
            root,
        })
    }
}

/// A number that has a short field and, if that is 0, a long one.
fn either(short: u16, long: u32) -> u64 {
    if short == 0 {
        u64::from(long)
    } else {
        u64::from(short)
    }
}

/// The kind, which the number of clusters decides.
fn kind(is_fat32: bool, clusters: u64) -> Step<(Kind, Width)> {
    match (is_fat32, clusters) {
        (true, _) => Ok((Kind::Fat32, Width::Fat32)),
        (false, ..FAT16_CLUSTERS) => Ok((Kind::Fat12, Width::Fat12)),
        (false, ..FAT16_CLUSTERS_END) => Ok((Kind::Fat16, Width::Fat16)),
        (false, _) => Err(field("BPB_TotSec32", clusters).into()),
    }
}

/// The clusters that have an entry in `table`, of `clusters` that there is room for.
fn count(table: Place, clusters: u64) -> Step<u32> {
    let entries = table.width.entries(table.bytes);
    let entries = entries.saturating_sub(u64::from(FIRST_CLUSTER));
    let count = clusters.min(entries);
    let too_many = Distrust::TooManyClusters { found: count };
    if count > CLUSTERS_MAX {
        return Err(too_many.into());
    }
    u32::try_from(count).map_err(|_| too_many.into())
}

/// What only FAT32 has: a version, and FATs that do not mirror each other.
fn check_fat32(sector: &[u8; 512], root_entries: u32) -> Step<()> {
    let (flags, version) = (le16(sector, 40), le16(sector, 42));
    let unsupported = |field, found: u16| Distrust::Unsupported {
        field,
        found: u64::from(found),
    };
    if version != 0 {
        return Err(unsupported("BPB_FSVer", version).into());
    }
    if flags & 0x80 != 0 {
        return Err(unsupported("BPB_ExtFlags", flags).into());
    }
    if root_entries != 0 {
        return Err(field("BPB_RootEntCnt", root_entries.into()).into());
    }
    Ok(())
}

/// Takes in serial number and label from the extended boot record at byte `at`.
fn identity(sector: &[u8; 512], at: usize, info: &mut Info) {
    let signature = byte(sector, at.saturating_add(2));
    if matches!(signature, 0x28 | 0x29) {
        info.serial = le32(sector, at.saturating_add(3));
    }
    if signature == 0x29 {
        info.label = label(array(sector, at.saturating_add(7)));
    }
}

/// A label without the spaces that fill it up; "NO NAME" is none.
pub(super) fn label(stored: [u8; 11]) -> Vec<u8> {
    let label = stored.trim_ascii_end();
    if label == b"NO NAME" || label.first() == Some(&0) {
        return Vec::new();
    }
    label.to_vec()
}

const fn field(field: &'static str, found: u64) -> Distrust {
    Distrust::Field { field, found }
}
