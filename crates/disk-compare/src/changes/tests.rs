use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Mutex;

use blockio::{AllData, MemoryDisk, tiles};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use ExtentKind::{Data, Free, Unallocated, Unreadable, Zero};

fn all(tiling: &impl Tiling, range: Range<u64>) -> Vec<Extent> {
    tiling.extents(range).map(Result::unwrap).collect()
}

fn whole(disk: &Vec<u8>) -> Base<'_> {
    Base::Disk {
        disk,
        stored: &AllData,
    }
}

/// The disk that an image of `changes` over `old` restores to.
fn laid_over(changes: &impl Tiling, new: &[u8], old: &[u8]) -> Vec<u8> {
    let mut disk = old.to_vec();
    disk.resize(new.len(), 0);
    for extent in all(changes, 0..u64::try_from(new.len()).unwrap()) {
        let range = usize_of(extent.start)..usize_of(extent.end());
        match extent.kind {
            Data => disk[range.clone()].copy_from_slice(&new[range]),
            Zero => disk[range].fill(0),
            Unallocated => {}
            other => panic!("{other:?}"),
        }
    }
    disk
}

/// A disk that tells what is read of it.
struct Watched(Vec<u8>, Mutex<Vec<(u64, u64)>>);

impl Watched {
    /// Where each read started and ended.
    fn read(self) -> Vec<(u64, u64)> {
        self.1.into_inner().unwrap()
    }
}

impl ReadAt for Watched {
    fn size(&self) -> u64 {
        self.0.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
        let end = offset + u64::try_from(buf.len()).unwrap();
        self.1.lock().unwrap().push((offset, end));
        self.0.read_at(offset, buf)
    }
    fn next_data(&self, from: u64) -> std::io::Result<Option<Range<u64>>> {
        Ok((from < 4096).then_some(from..4096))
    }
}

#[test]
fn what_is_known_to_be_zeros_is_not_read() {
    let mut new = vec![0; 20_000];
    new[..4096].fill(1);
    let new = Watched(new, Mutex::default());
    let tiling = [
        Extent::new(0..8192, Data),
        Extent::new(8192..12_288, Free),
        Extent::new(12_288..20_000, Zero),
    ];
    let mut old = vec![0; 16_384];
    old[8192..8200].fill(2);
    let stored = [
        Extent::new(0..8192, Unallocated),
        Extent::new(8192..8704, Data),
        Extent::new(8704..16_384, Zero),
    ];
    let old = Watched(old, Mutex::default());
    let base = Base::Disk {
        disk: &old,
        stored: &stored,
    };
    let found = changes(&new, &tiling, &base, 512, None, &Options::default()).unwrap();
    let want = [
        Extent::new(0..4096, Data),
        Extent::new(4096..8192, Unallocated),
        Extent::new(8192..8704, Zero),
        Extent::new(8704..20_000, Unallocated),
    ];
    assert_eq!(all(&found, 0..20_000), want);
    assert_eq!(new.read(), [(0, 4096)]);
    assert_eq!(old.read(), [(8192, 8704)]);
    let report = found.report();
    assert_eq!(report.used_bytes, 15_904);
    assert_eq!((report.changed_bytes, report.zeroed_bytes), (4096, 512));
    assert_eq!(report.unchanged_bytes, 0);
}

#[test]
fn free_bytes_of_a_changed_unit_are_zeros_and_of_another_what_they_were() {
    let new = vec![7; 2048];
    let tiling = [
        Extent::new(0..100, Data),
        Extent::new(100..612, Free),
        Extent::new(612..2048, Data),
    ];
    let mut old = vec![7; 2048];
    old[100..612].fill(0);
    old[2047] = 8;
    let found = changes(&new, &tiling, &whole(&old), 512, None, &Options::default()).unwrap();
    let want = [
        Extent::new(0..1536, Unallocated),
        Extent::new(1536..2048, Data),
    ];
    assert_eq!(all(&found, 0..2048), want);
    // The free bytes held something.
    old[500] = 1;
    let found = changes(&new, &tiling, &whole(&old), 512, None, &Options::default()).unwrap();
    let want = [
        Extent::new(0..100, Data),
        Extent::new(100..512, Zero),
        Extent::new(512..1536, Unallocated),
        Extent::new(1536..2048, Data),
    ];
    assert_eq!(all(&found, 0..2048), want);
    assert_eq!(
        all(&found, 200..520),
        [
            Extent::new(200..512, Zero),
            Extent::new(512..520, Unallocated)
        ]
    );
}

#[test]
fn what_readers_of_sectors_see_past_the_end_is_zeros() {
    let mut old = vec![0; 4096];
    old[1023] = 1;
    let kind = |old: &Vec<u8>| {
        let new = vec![0; 1000];
        let found = changes(&new, &AllData, &whole(old), 1024, None, &Options::default());
        all(&found.unwrap(), 0..1000)[0].kind
    };
    assert_eq!(kind(&old), Zero);
    let new = vec![0; 600];
    let found = changes(
        &new,
        &AllData,
        &whole(&old),
        2048,
        None,
        &Options::default(),
    )
    .unwrap();
    assert_eq!(all(&found, 0..600)[0].kind, Zero);
    // No sector of the new disk reaches there.
    old[1023] = 0;
    old[1024] = 1;
    let found = changes(
        &new,
        &AllData,
        &whole(&old),
        2048,
        None,
        &Options::default(),
    )
    .unwrap();
    assert_eq!(all(&found, 0..600)[0].kind, Unallocated);
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    let disk = vec![0; 4096];
    let options = Options::default();
    for unit in [0, 256, 513, 4 << 20] {
        let found = changes(&disk, &AllData, &Base::Nothing, unit, None, &options);
        assert!(matches!(found, Err(Error::Unit { unit_bytes }) if unit_bytes == unit));
    }
    let message =
        |tiling: &[Extent]| match changes(&disk, tiling, &Base::Nothing, 512, None, &options) {
            Err(Error::Expected(error)) => error.to_string(),
            other => panic!("{other:?}"),
        };
    assert_eq!(
        message(&[
            Extent::new(0..512, Data),
            Extent::new(512..4096, Unreadable)
        ]),
        "3584 bytes at 0x200 are in use and cannot be read"
    );
    let untiled = "its extents do not tile its 4096 bytes: they go wrong at 0x200";
    assert_eq!(message(&[Extent::new(0..512, Data)]), untiled);
    let late = [Extent::new(0..512, Zero), Extent::new(512..5000, Free)];
    let cut = "its extents do not tile its 4096 bytes: they go wrong at 0x1000";
    // The slice clips what passes the end.
    assert!(
        changes(&disk, &late, &Base::Nothing, 512, None, &options).is_ok(),
        "{cut}"
    );
}

#[test]
fn a_comparison_can_be_stopped() {
    let disk = vec![1; 4 << 20];
    let stop = |_| ControlFlow::Break(());
    let options = Options {
        progress: Some(&stop),
        ..Options::default()
    };
    let stopped = changes(&disk, &AllData, &Base::Nothing, 65_536, None, &options);
    assert!(matches!(stopped, Err(Error::Stopped)));
}

/// Runs of bytes, each of one value and kind.
fn disks() -> impl Strategy<Value = Vec<(u16, u8, u8)>> {
    vec(
        (1u16..3000, prop_oneof![2 => Just(0u8), 3 => 1u8..3], 0u8..8),
        1..30,
    )
}

fn made(runs: &[(u16, u8, u8)]) -> (Vec<u8>, Vec<Extent>) {
    let (mut bytes, mut extents) = (Vec::new(), Vec::new());
    for &(length, byte, kind) in runs {
        let start = u64::try_from(bytes.len()).unwrap();
        let kind = match kind {
            0 => Free,
            1 if byte == 0 => Zero,
            2 if byte == 0 => Unallocated,
            _ => Data,
        };
        bytes.extend(std::iter::repeat_n(byte, length.into()));
        extents.push(Extent::new(start..start + u64::from(length), kind));
    }
    (bytes, extents)
}

proptest! {
    #[test]
    fn what_changed_over_the_old_disk_is_the_new_one(
        old in disks(),
        new in disks(),
        unit in prop_oneof![Just(512u64), Just(1024), Just(4096)],
        threads in 1usize..4,
    ) {
        let (old, _) = made(&old);
        let (new, tiling) = made(&new);
        let stored: Vec<Extent> = old
            .chunk_by(|a, b| (*a == 0) == (*b == 0))
            .scan(0, |at, run| {
                let start = *at;
                *at += u64::try_from(run.len()).unwrap();
                let kind = if run[0] == 0 { Unallocated } else { Data };
                Some(Extent::new(start..*at, kind))
            })
            .collect();
        let options = Options { threads: NonZeroUsize::new(threads), progress: None };
        let base = Base::Disk { disk: &old, stored: &stored };

        let (old_file, new_file) = (MemoryDisk::default(), MemoryDisk::default());
        let mut kept = IndexWriter::new(&old_file, old.size(), unit).unwrap();
        changes(&old, &AllData, &Base::Nothing, unit, Some(&mut kept), &options).unwrap();
        kept.finish([7; 32]).unwrap();
        let mut kept = IndexWriter::new(&new_file, new.size(), unit).unwrap();
        let found = changes(&new, &tiling, &base, unit, Some(&mut kept), &options).unwrap();
        kept.finish([8; 32]).unwrap();

        let size = new.size();
        let extents = all(&found, 0..size);
        prop_assert!(tiles(extents.iter().copied(), size));
        let mut want = new.clone();
        for extent in tiling.iter().filter(|extent| extent.kind == Free) {
            want[usize_of(extent.start)..usize_of(extent.end())].fill(0);
        }
        prop_assert_eq!(laid_over(&found, &want, &old), want.clone());

        // No more than differs.
        let mut padded = (want.clone(), old.clone());
        let units = usize_of(size.next_multiple_of(unit));
        padded.0.resize(units, 0);
        padded.1.resize(units, 0);
        padded.1[usize_of(size.next_multiple_of(512))..].fill(0);
        for unit_at in (0..size).step_by(usize_of(unit)) {
            let part = usize_of(unit_at)..usize_of(unit_at + unit);
            let kind = extents
                .iter()
                .find(|extent| extent.range().contains(&unit_at))
                .unwrap()
                .kind;
            let same = padded.0[part.clone()] == padded.1[part.clone()];
            prop_assert_eq!(kind == Unallocated, same, "{}", unit_at);
        }

        // The digests say the same, but for bytes past the end of the new disk.
        let index = crate::DigestIndex::open(&old_file).unwrap();
        prop_assert_eq!(index.binding(), [7; 32]);
        let again = changes(&new, &tiling, &Base::Index(&index), unit, None, &options).unwrap();
        prop_assert_eq!(laid_over(&again, &want, &old), want.clone());
        if old.len() <= new.len() {
            prop_assert_eq!(all(&again, 0..size), extents);
            prop_assert_eq!(again.report(), found.report());
        }
        let index = crate::DigestIndex::open(&new_file).unwrap();
        let none = changes(&want, &AllData, &Base::Index(&index), unit, None, &options).unwrap();
        prop_assert_eq!(all(&none, 0..size), [Extent::new(0..size, Unallocated)]);
    }
}
