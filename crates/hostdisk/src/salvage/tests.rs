use blockio::testing::Double;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;

const SECTOR: NonZeroU64 = NonZeroU64::new(512).unwrap();

/// Bytes that differ from sector to sector, none of them zero.
fn bytes(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at ^ at >> 8).to_le_bytes()[0] | 1)
        .collect()
}

fn range(sector: u64) -> Range<u64> {
    sector * 512..(sector + 1) * 512
}

/// A disk that cannot read some of its sectors.
fn failing(length: usize, bad: impl IntoIterator<Item = u64>) -> Double<Vec<u8>> {
    let disk = Double::new(bytes(length)).with_error(|| Errno::IO.into());
    let bad = bad.into_iter().map(range);
    bad.fold(disk, Double::failing)
}

/// Such a disk, zeros where nothing can be read.
fn readable(length: usize, bad: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut bytes = bytes(length);
    for sector in bad.into_iter().map(range) {
        let [start, end] = [sector.start, sector.end].map(|at| usize::try_from(at).unwrap());
        bytes[start..end].fill(0);
    }
    bytes
}

#[test]
fn only_the_sector_that_fails_is_lost() {
    let bad = [3, 1000, 1001];
    let (disk, want) = (failing(1 << 20, bad), readable(1 << 20, bad));
    let salvage = Salvage::new(disk, SECTOR);
    let mut read = vec![9; 1 << 20];
    salvage.read_at(0, &mut read).unwrap();
    assert!(read == want);
    let ranges: Vec<_> = salvage.lost().ranges().collect();
    assert_eq!(ranges, [1536..2048, 512_000..513_024]);
    // The disk, two parts, and what they are cut into.
    let reads = salvage.inner().calls().len();
    assert!(reads < 150, "{reads}");
    assert!(salvage.inner().read_at(1536, &mut [0]).is_err());

    // What is lost is not asked for again, though it could be read now.
    salvage.inner().heal();
    let mut part = vec![9; 2000];
    salvage.read_at(1000, &mut part).unwrap();
    assert!(part == want[1000..3000]);
}

#[test]
fn a_part_of_a_sector_loses_all_of_it() {
    let salvage = Salvage::new(failing(1300, [1, 2]), SECTOR);
    let mut part = [9; 100];
    salvage.read_at(600, &mut part).unwrap();
    assert_eq!(part, [0; 100]);
    salvage.read_at(1280, &mut part[..20]).unwrap();
    let pieces = salvage.lost().pieces(0..1300);
    assert_eq!(pieces, [(0..512, false), (512..1300, true)]);
}

#[test]
fn a_sector_that_can_be_read_at_last_is_not_lost() {
    // The disk, one of its parts, and all attempts but the last.
    let want = bytes(64 * 512);
    let disk = failing(64 * 512, []).failing_times(range(40), u64::from(2 + RETRIES));
    let salvage = Salvage::new(disk, SECTOR);
    let mut read = vec![9; 64 * 512];
    salvage.read_at(0, &mut read).unwrap();
    assert!(read == want && salvage.lost().is_empty());
}

#[test]
fn what_is_not_of_the_medium_stays_an_error() {
    for error in [Errno::INVAL, Errno::NODEV, Errno::NXIO, Errno::NOMEM] {
        let disk = failing(4096, [1]).with_error(move || error.into());
        let salvage = Salvage::new(disk, SECTOR);
        let found = salvage.read_at(0, &mut [0; 4096]).unwrap_err();
        assert_eq!(Errno::from_io_error(&found), Some(error));
        assert!(salvage.lost().is_empty());
    }
    for error in [Errno::NODATA, Errno::ILSEQ, Errno::UCLEAN, Errno::TIMEDOUT] {
        let disk = failing(4096, [1]).with_error(move || error.into());
        let salvage = Salvage::new(disk, SECTOR);
        salvage.read_at(0, &mut [0; 4096]).unwrap();
        assert_eq!(salvage.lost().bytes(), 512);
    }
    let salvage = Salvage::new(failing(4096, [7]), SECTOR);
    for offset in [4096, u64::MAX] {
        let error = salvage.read_at(offset, &mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn read_again_only_what_was_lost_may_fail() {
    let (disk, want) = (failing(8192, [2]), readable(8192, [2]));
    let salvage = Salvage::new(&disk, SECTOR);
    let mut read = vec![9; 8192];
    salvage.read_at(0, &mut read).unwrap();
    // Lost at first, readable now: it was stored as zeros.
    let healed = failing(8192, []);
    let mut again = vec![9; 8192];
    salvage.again(&healed).read_at(0, &mut again).unwrap();
    assert!(again == want);
    // Read at first, lost now: this cannot be compared.
    let worse = failing(8192, [2, 5]);
    let error = salvage.again(&worse).read_at(0, &mut again).unwrap_err();
    assert_eq!(Errno::from_io_error(&error), Some(Errno::IO));
    assert_eq!(salvage.lost().bytes(), 512);
}

proptest! {
    #[test]
    fn reads_agree_with_the_disk_whatever_their_order(
        bad in btree_set(0u64..159, 0..12),
        sectors_of in 0u32..4,
        reads in vec((0u64..80_000, 0usize..70_000), 1..8),
    ) {
        let length = 81_111usize;
        let sector_bytes = 512u64 << sectors_of;
        let disk = failing(length, bad.iter().copied());
        let salvage = Salvage::new(&disk, NonZeroU64::new(sector_bytes).unwrap());
        // With larger sectors, all of one is lost.
        let mut want = bytes(length);
        for sector in &bad {
            let start = usize::try_from(sector * 512 / sector_bytes * sector_bytes).unwrap();
            let end = length.min(start + usize::try_from(sector_bytes).unwrap());
            if start < end {
                want[start..end].fill(0);
            }
        }
        let mut whole = vec![9; length];
        for (offset, count) in reads {
            let at = usize::try_from(offset).unwrap();
            let mut read = vec![9; count.min(length - at)];
            salvage.read_at(offset, &mut read).unwrap();
            // A sector of which only a readable part was asked for is not lost.
            let lost = salvage.lost();
            for (index, &byte) in read.iter().enumerate() {
                let place = len_u64(at + index);
                let is_lost = lost.ranges().any(|range| range.contains(&place));
                prop_assert!(byte == want[at + index] || !is_lost && byte == disk.inner[at + index]);
            }
        }
        salvage.read_at(0, &mut whole).unwrap();
        prop_assert!(whole == want);
        let mut again = vec![9; length];
        salvage.again(&disk).read_at(0, &mut again).unwrap();
        prop_assert!(again == want);
    }
}
