//! A master boot record, by the rule of the kernel.

use super::claim::Claim;
use blockio::ReadAt;

use super::bytes::{array, le16, le32, u8};
use super::found::Found;
use super::regions::{Regions, Unreadable};

/// The last two bytes of the first sector.
const SIGNATURE: u16 = 0xaa55;
const SIGNATURE_AT: usize = 510;

/// The first of four entries of 16 bytes.
const ENTRIES_AT: [usize; 4] = [446, 462, 478, 494];

/// The claim of a partition table, where there is one.
pub(super) fn find<R: ReadAt + ?Sized>(
    regions: &Regions<'_, R>,
) -> Result<Option<Found>, Unreadable> {
    let mut sector = [0; 512];
    regions.fill(0, &mut sector)?;
    let at = u64::try_from(SIGNATURE_AT).unwrap_or(u64::MAX);
    let claim = Claim::Mbr;
    let disk_sectors = regions.disk_bytes() / 512;
    let is_table = has_partitions(&sector) || has_sound_entry(&sector, disk_sectors);
    Ok(is_table.then_some(Found { claim, at }))
}

/// Whether `sector` holds partitions, and not boot code alone, which boot loaders
/// leave in front of a filesystem with the same signature. Code or zeros are
/// where the entries would be then: one of the four status bytes is neither 0
/// nor 0x80, or no entry has both a type and a length.
///
/// Nothing else tells the two apart: the last partition of a disk that was cut
/// ends past the end or begins there, entries of type 0 keep what they held, and
/// tables with partitions that overlap or begin at sector 0 are in use.
///
/// Other programs skip an entry with another status and list the rest: see
/// [`has_sound_entry`].
fn has_partitions(sector: &[u8; 512]) -> bool {
    let entries = ENTRIES_AT.map(|at| array::<16>(sector, at));
    let is_status = |entry: &[u8; 16]| matches!(u8(entry, 0), 0x00 | 0x80);
    let is_partition = |entry: &[u8; 16]| u8(entry, 4) != 0 && le32(entry, 12) != 0;
    le16(sector, SIGNATURE_AT) == SIGNATURE
        && entries.iter().all(is_status)
        && entries.iter().any(is_partition)
}

/// Whether one entry is a partition in every respect, whatever the others are: boot code
/// hardly ever looks like one that lies on a disk of `disk_sectors`.
fn has_sound_entry(sector: &[u8; 512], disk_sectors: u64) -> bool {
    let is_sound = |entry: [u8; 16]| {
        let (start, length) = (u64::from(le32(&entry, 8)), u64::from(le32(&entry, 12)));
        matches!(u8(&entry, 0), 0x00 | 0x80)
            && u8(&entry, 4) != 0
            && start > 0
            && length > 0
            && start.saturating_add(length) <= disk_sectors
    };
    le16(sector, SIGNATURE_AT) == SIGNATURE
        && ENTRIES_AT.iter().any(|at| is_sound(array(sector, *at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(status: u8, kind: u8, start: u32, length: u32) -> [u8; 16] {
        let mut entry = [0; 16];
        (entry[0], entry[4]) = (status, kind);
        entry[8..12].copy_from_slice(&start.to_le_bytes());
        entry[12..].copy_from_slice(&length.to_le_bytes());
        entry
    }

    #[test]
    fn one_odd_entry_makes_no_boot_code_of_a_table() {
        let is_table = |entries: [[u8; 16]; 2]| {
            let mut disk = vec![0; 1 << 20];
            disk[446..462].copy_from_slice(&entries[0]);
            disk[462..478].copy_from_slice(&entries[1]);
            disk[510..512].copy_from_slice(b"\x55\xaa");
            find(&Regions::read(&disk)).unwrap().is_some()
        };
        let odd = entry(1, 0x83, 1024, 64);
        assert!(is_table([entry(0, 0x83, 63, 64), odd]));
        assert!(is_table([odd, entry(0x80, 0x0c, 2047, 1)]));
        // A length, a start and a type that are none, and one past the end.
        for other in [
            entry(0, 0x83, 63, 0),
            entry(0, 0x83, 0, 64),
            entry(0, 0, 63, 64),
            entry(0, 0x83, 2047, 2),
            entry(2, 0x83, 63, 64),
        ] {
            assert!(!is_table([other, odd]));
        }
    }
}
