use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const KINDS: [ExtentKind; 4] = [
    ExtentKind::Free,
    ExtentKind::Data,
    ExtentKind::Zero,
    ExtentKind::Unreadable,
];

/// Extents of these kinds and lengths.
fn tiling(parts: &[(usize, u64)]) -> Vec<Extent> {
    let mut at = 0;
    let extents = parts.iter().map(|&(kind, length)| {
        let extent = Extent::new(at..at + length, KINDS[kind % KINDS.len()]);
        at += length;
        extent
    });
    extents.collect()
}

fn walk<'a>(bytes: &'a Vec<u8>, tiling: &'a Vec<Extent>, unit_bytes: u64) -> Walk<'a> {
    Walk {
        bytes,
        tiling,
        range: 0..bytes.size(),
        unit_bytes,
        free: true,
        zeros: false,
    }
}

#[test]
fn ranges_are_rounded_inward() {
    let extents = tiling(&[(1, 5), (0, 20), (1, 7), (0, 3), (1, 5), (0, 8)]);
    let bytes = vec![1; 48];
    let (mut totals, mut ranges) = (Totals::default(), Vec::new());
    walk(&bytes, &extents, 8)
        .run(&mut totals, &mut |range| {
            ranges.push(range.clone());
            Ok(())
        })
        .unwrap();
    assert_eq!(ranges, [8..24, 40..48]);
    let want = Totals {
        free_bytes: 31,
        punched_bytes: 24,
        zero_bytes: 0,
        ranges: 2,
    };
    assert_eq!(totals, want);
}

#[test]
fn a_long_range_is_given_back_in_parts() {
    let size = (5 << 29) + 1000;
    let whole = blockio::MemoryDisk::default();
    blockio::WriteAt::set_size(&whole, size).unwrap();
    let extents = vec![Extent::new(0..size, ExtentKind::Free)];
    let walk = Walk {
        bytes: &whole,
        tiling: &extents,
        range: 0..size,
        unit_bytes: 4096,
        free: true,
        zeros: false,
    };
    let (mut totals, mut ranges) = (Totals::default(), Vec::new());
    walk.run(&mut totals, &mut |range| {
        ranges.push(range.clone());
        Ok(())
    })
    .unwrap();
    assert_eq!(ranges, [0..1 << 30, 1 << 30..2 << 30, 2 << 30..5 << 29]);
    assert_eq!((totals.ranges, totals.punched_bytes), (1, 5 << 29));
}

#[test]
fn the_first_refusal_ends_it_and_counts_what_was_given_back() {
    let extents = tiling(&[(0, 8), (1, 8), (0, 8), (1, 8), (0, 8)]);
    let bytes = vec![1; 40];
    for fails_at in 0..3 {
        let mut changed = bytes.clone();
        let (mut totals, mut calls) = (Totals::default(), 0);
        let stop = walk(&bytes, &extents, 8).run(&mut totals, &mut |range| {
            if calls == fails_at {
                return Err(Failure::Failed("no".into()));
            }
            calls += 1;
            let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            changed[range].fill(0);
            Ok(())
        });
        assert!(matches!(stop, Err(Stop::Refused(Failure::Failed(why))) if why == "no"));
        let (done, size) = (blockio::len_u64(calls), 8);
        assert_eq!((totals.ranges, totals.punched_bytes), (done, done * size));
        let zeroed = changed.iter().filter(|&&byte| byte == 0).count();
        assert_eq!(zeroed, calls * 8);
        assert!(changed[16 * calls..].iter().all(|&byte| byte == 1));
    }
}

#[test]
fn a_disk_that_does_not_tell_ends_it() {
    struct Broken;
    impl Tiling for Broken {
        fn extents(&self, _: Range<u64>) -> blockio::Extents<'_> {
            let free = Extent::new(0..8, ExtentKind::Free);
            Box::new([Ok(free), Err("broken".into())].into_iter())
        }
    }
    let walk = Walk {
        bytes: &vec![1; 16],
        tiling: &Broken,
        range: 0..16,
        unit_bytes: 8,
        free: true,
        zeros: true,
    };
    let mut totals = Totals::default();
    let stop = walk.run(&mut totals, &mut |_| Ok(()));
    assert!(matches!(stop, Err(Stop::Unread(why)) if why == "broken"));
}

proptest! {
    #[test]
    fn nothing_that_is_kept_is_given_back(
        parts in vec((0usize..4, 1u64..40), 1..20),
        bytes in vec(prop_oneof![3 => Just(0u8), 1 => any::<u8>()], 800),
        unit in prop_oneof![Just(1u64), Just(4), Just(8), Just(12)],
        free in any::<bool>(),
        zeros in any::<bool>(),
    ) {
        let extents = tiling(&parts);
        let size = extents.last().unwrap().end();
        let bytes = bytes[..usize::try_from(size).unwrap()].to_vec();
        let walk = Walk { free, zeros, ..walk(&bytes, &extents, unit) };
        let (mut totals, mut seen, mut end) = (Totals::default(), 0, 0);
        walk.run(&mut totals, &mut |range| {
            assert!(range.start >= end && range.start < range.end && range.end <= size);
            end = range.end;
            seen += range.end - range.start;
            for at in range.clone() {
                let owner = extents.iter().find(|extent| extent.range().contains(&at)).unwrap();
                let byte = bytes[usize::try_from(at).unwrap()];
                let is_free = free && owner.kind == ExtentKind::Free;
                assert!(is_free || zeros && byte == 0, "byte {at} of {owner:?}");
            }
            assert!(range.start % unit == 0 && range.end % unit == 0);
            Ok(())
        }).unwrap();
        prop_assert_eq!(totals.punched_bytes + totals.zero_bytes, seen);
    }
}
