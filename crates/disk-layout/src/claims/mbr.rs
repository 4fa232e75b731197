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
    Ok(has_partitions(&sector).then_some(Found { claim, at }))
}

/// Whether `sector` holds partitions, and not boot code alone, which boot loaders
/// leave in front of a filesystem with the same signature. Code or zeros are
/// where the entries would be then: one of the four status bytes is neither 0
/// nor 0x80, or no entry has both a type and a length.
///
/// Nothing else tells the two apart: the last partition of a disk that was cut
/// ends past the end or begins there, entries of type 0 keep what they held, and
/// tables with partitions that overlap or begin at sector 0 are in use.
fn has_partitions(sector: &[u8; 512]) -> bool {
    let entries = ENTRIES_AT.map(|at| array::<16>(sector, at));
    let is_status = |entry: &[u8; 16]| matches!(u8(entry, 0), 0x00 | 0x80);
    let is_partition = |entry: &[u8; 16]| u8(entry, 4) != 0 && le32(entry, 12) != 0;
    le16(sector, SIGNATURE_AT) == SIGNATURE
        && entries.iter().all(is_status)
        && entries.iter().any(is_partition)
}
