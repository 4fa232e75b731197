use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn set(runs: &[(u64, u64)]) -> RunSet {
    let mut collector = RunCollector::new(1000);
    for &(start, end) in runs {
        collector.insert(BlockRun { start, end }).unwrap();
    }
    collector.finish().unwrap()
}

#[test]
fn touching_runs_are_joined_and_overlaps_remembered() {
    let set = set(&[(10, 20), (20, 30), (5, 8), (40, 50), (45, 60), (7, 7)]);
    let runs: Vec<_> = set.runs().iter().map(|r| (r.start, r.end)).collect();
    assert_eq!(runs, [(5, 8), (10, 30), (40, 60)]);
    assert!(set.overlaps().meet(BlockRun::new(49, 1)));
    assert!(set.overlaps().meet(BlockRun::new(0, 46)));
    assert!(!set.overlaps().meet(BlockRun::new(50, 10)));
    assert!(!set.overlaps().meet(BlockRun::new(19, 2)));
}

#[test]
fn more_runs_than_the_limit_are_refused() {
    let mut collector = RunCollector::new(2);
    for start in [1, 3, 5] {
        collector.insert(BlockRun::new(start, 1)).unwrap();
    }
    assert_eq!(collector.finish().err(), Some(Full));
}

#[test]
fn too_many_overlaps_count_as_overlapped_everywhere() {
    let mut collector = RunCollector::new(1 << 20);
    for start in 0..=5000 {
        for _ in 0..2 {
            collector.insert(BlockRun::new(start * 2, 1)).unwrap();
        }
    }
    let set = collector.finish().unwrap();
    assert!(set.overlaps().meet(BlockRun::new(1 << 40, 1)));
}

proptest! {
    #[test]
    fn equals_counting_each_block(runs in prop::collection::vec((0u64..100, 0u64..10), 0..40)) {
        let mut count = [0u32; 120];
        let mut collector = RunCollector::new(1000);
        for &(start, blocks) in &runs {
            collector.insert(BlockRun::new(start, blocks)).unwrap();
            for block in start..start + blocks {
                count[usize::try_from(block).unwrap()] += 1;
            }
        }
        let set = collector.finish().unwrap();
        for block in 0..120u64 {
            let times = count[usize::try_from(block).unwrap()];
            let held = set.runs().iter().any(|r| (r.start..r.end).contains(&block));
            prop_assert_eq!(held, times > 0);
            prop_assert_eq!(set.overlaps().meet(BlockRun::new(block, 1)), times > 1);
        }
        prop_assert!(set.runs().windows(2).all(|pair| pair[0].end < pair[1].start));
    }
}

proptest! {
    #[test]
    fn a_wide_collector_loses_nothing_and_keeps_to_its_limit(
        runs in prop::collection::vec((0u64..5000, 1u64..20), 0..300),
        limit in 2usize..50,
    ) {
        let mut collector = WideCollector::new(limit);
        let mut expected = BTreeSet::new();
        for (start, count) in runs {
            collector.insert(BlockRun::new(start, count));
            // As if a batch were full.
            if expected.len() % 7 == 0 && collector.0.settle() == Err(Full) {
                collector.widen();
            }
            expected.extend(start..start + count);
        }
        let found = collector.finish();
        prop_assert!(found.len() <= limit);
        prop_assert!(found.windows(2).all(|pair| pair[0].end < pair[1].start));
        let found: BTreeSet<_> = found.iter().flat_map(|run| run.start..run.end).collect();
        prop_assert!(found.is_superset(&expected));
        // Nothing is taken in but what lies between.
        prop_assert_eq!(found.first(), expected.first());
        prop_assert_eq!(found.last(), expected.last());
    }
}
