//! The boot region of exFAT.

use blockio::{ReadAt, is_zero};

use crate::bytes::{byte, le16, le32, le64, usize_of};
use crate::chains::{Place, Width};
use crate::clusters::{CLUSTERS_MAX, FIRST_CLUSTER, Heap};
use crate::error::{Structure, fill};
use crate::filesystem::{Info, Kind};
use crate::finding::{Distrust, Step};

const NAME: &[u8] = b"EXFAT   ";
/// Sectors of the region, the last of which repeats a checksum of the others.
const REGION_SECTORS: u64 = 12;
/// Two regions come before the first FAT.
const FAT_OFFSET_MIN: u32 = 24;
/// Cluster and sector shifts are 25 together at most.
const CLUSTER_SHIFT_MAX: u32 = 25;

/// Bits of `VolumeFlags`: the second FAT is active, mounted, failures of the medium.
const ACTIVE_FAT: u16 = 1;
const DIRTY: u16 = 2 | 4;
/// `VolumeFlags` and `PercentInUse`, which the checksum leaves out.
const UNCHECKED: [usize; 3] = [106, 107, 112];

/// A boot region that was checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boot {
    pub(super) table: Place,
    pub(super) heap: Heap,
    pub(super) root: u32,
}

/// Whether `sector` is a boot sector of exFAT.
pub(crate) fn is_mine(sector: &[u8; 512]) -> bool {
    sector.get(3..11) == Some(NAME)
}

impl Boot {
    /// Checks the boot region that begins with `sector`, and takes its facts into `info`.
    pub(super) fn new<R: ReadAt + ?Sized>(
        disk: &R,
        sector: &[u8; 512],
        info: &mut Info,
    ) -> Step<Self> {
        info.kind = Some(Kind::ExFat);
        info.serial = le32(sector, 100);
        let shift = u32::from(byte(sector, 108));
        let cluster_shift = shift.saturating_add(u32::from(byte(sector, 109)));
        if !(9..=12).contains(&shift) {
            return Err(field("BytesPerSectorShift", shift).into());
        }
        if cluster_shift > CLUSTER_SHIFT_MAX {
            return Err(field("SectorsPerClusterShift", byte(sector, 109)).into());
        }
        let unit = 1u64 << shift;
        info.sector_bytes = 1 << shift;
        let revision = le16(sector, 104);
        if revision >> 8 != 1 {
            return Err(unsupported("FileSystemRevision", revision).into());
        }
        if byte(sector, 110) != 1 {
            return Err(unsupported("NumberOfFats", byte(sector, 110).into()).into());
        }
        if !is_zero(sector.get(11..64).unwrap_or_default()) {
            return Err(field("MustBeZero", 1u8).into());
        }
        let sectors = le64(sector, 72);
        let (bytes, disk_bytes) = (sectors.saturating_mul(unit), disk.size());
        info.bytes = bytes;
        if bytes > disk_bytes {
            return Err(Distrust::Cut { bytes, disk_bytes }.into());
        }
        check_region(disk, unit)?;
        let state = le16(sector, 106);
        if state & ACTIVE_FAT != 0 {
            return Err(unsupported("VolumeFlags", state).into());
        }
        if state & DIRTY != 0 {
            return Err(Distrust::Dirty { state }.into());
        }
        let boot = Self::place(sector, sectors, unit, cluster_shift)?;
        (info.cluster_bytes, info.clusters) = (boot.heap.cluster_bytes, boot.heap.count);
        Ok(boot)
    }

    /// Where FAT and clusters are, within a filesystem of `sectors` sectors.
    fn place(sector: &[u8; 512], sectors: u64, unit: u64, cluster_shift: u32) -> Step<Self> {
        let (fat_at, fat_sectors) = (le32(sector, 80), le32(sector, 84));
        let (heap_at, count) = (le32(sector, 88), le32(sector, 92));
        let fat_end = u64::from(fat_at).saturating_add(fat_sectors.into());
        if fat_at < FAT_OFFSET_MIN || fat_end > u64::from(heap_at) {
            return Err(field("FatOffset", fat_at).into());
        }
        if u64::from(count) > CLUSTERS_MAX {
            let found = u64::from(count);
            return Err(Distrust::TooManyClusters { found }.into());
        }
        let entries = u64::from(count).saturating_add(u64::from(FIRST_CLUSTER));
        let table_bytes = u64::from(fat_sectors).saturating_mul(unit);
        if entries.saturating_mul(4) > table_bytes {
            return Err(field("FatLength", fat_sectors).into());
        }
        let heap = Heap {
            start: u64::from(heap_at).saturating_mul(unit),
            cluster_bytes: 1 << cluster_shift,
            count,
        };
        if count == 0 || heap.byte(count.into()) > sectors.saturating_mul(unit) {
            return Err(field("ClusterCount", count).into());
        }
        let table = Place {
            start: u64::from(fat_at).saturating_mul(unit),
            bytes: table_bytes,
            copies: 1,
            width: Width::ExFat,
        };
        let root = le32(sector, 96);
        Ok(Self { table, heap, root })
    }
}

/// Checks the checksum of the boot region, of sectors of `unit` bytes.
fn check_region<R: ReadAt + ?Sized>(disk: &R, unit: u64) -> Step<()> {
    let bytes = unit.saturating_mul(REGION_SECTORS);
    if bytes > disk.size() {
        let disk_bytes = disk.size();
        return Err(Distrust::Cut { bytes, disk_bytes }.into());
    }
    let mut region = vec![0; usize_of(bytes)];
    fill(disk, Structure::Boot, 0, &mut region)?;
    let last = usize_of(bytes.saturating_sub(unit));
    let (covered, sums) = region.split_at_checked(last).unwrap_or_default();
    let covered = covered.iter().enumerate();
    let covered = covered.filter(|(at, _)| !UNCHECKED.contains(at));
    let computed = covered.fold(0u32, |sum, (_, byte)| {
        sum.rotate_right(1).wrapping_add(u32::from(*byte))
    });
    for sum in sums.as_chunks::<4>().0 {
        let stored = u32::from_le_bytes(*sum);
        if stored != computed {
            return Err(Distrust::BootChecksum { stored, computed }.into());
        }
    }
    Ok(())
}

fn field(field: &'static str, found: impl Into<u64>) -> Distrust {
    let found = found.into();
    Distrust::Field { field, found }
}

fn unsupported(field: &'static str, found: u16) -> Distrust {
    let found = u64::from(found);
    Distrust::Unsupported { field, found }
}
