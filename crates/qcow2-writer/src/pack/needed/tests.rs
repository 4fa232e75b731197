#![expect(
    clippy::single_range_in_vec_init,
    reason = "lists of one range are meant"
)]

use super::*;
use std::io;
use std::sync::Mutex;

use ExtentKind::{Data, Free, Zero};

/// A disk of 100 bytes with data in known places, which notes what it was asked.
#[derive(Default)]
struct Sparse {
    data: Vec<Range<u64>>,
    asked: Mutex<Vec<u64>>,
}

impl ReadAt for Sparse {
    fn size(&self) -> u64 {
        100
    }
    fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.asked.lock().unwrap().push(from);
        let run = self.data.iter().find(|run| run.end > from);
        Ok(run.map(|run| from.max(run.start)..run.end))
    }
}

fn data(extent: Result<Extent, Error>) -> Range<u64> {
    let extent = extent.unwrap();
    assert_eq!(extent.kind, Data);
    extent.range()
}

fn ranges(source: &Sparse, extents: &[(Range<u64>, ExtentKind)]) -> (Vec<Range<u64>>, u64) {
    let extents = extents
        .iter()
        .map(|(range, kind)| Ok(Extent::new(range.clone(), *kind)));
    let mut used = NeededExtents::new(source, Box::new(extents), 100);
    let found = used.by_ref().map(data).collect();
    assert!(used.next().is_none());
    (found, used.used_bytes())
}

#[test]
fn what_is_used_and_no_hole_is_data() {
    let source = Sparse {
        data: vec![5..15, 30..32, 34..60],
        ..Sparse::default()
    };
    let extents = [
        (0..10, Data),
        (10..12, Free),
        (12..31, Data),
        (31..40, Zero),
        (40..45, Data),
        (45..50, Data),
        (50..100, Data),
    ];
    let want = vec![5..10, 12..15, 30..31, 40..45, 45..50, 50..60];
    assert_eq!(ranges(&source, &extents), (want, 98));
    // Once for each run, and where the last one ended.
    assert_eq!(*source.asked.lock().unwrap(), [0, 15, 40, 60]);
}

#[test]
fn data_makes_data_of_its_unit_and_of_no_other_extent() {
    let source = Sparse {
        data: vec![14..15, 33..34, 41..42, 59..61, 96..97],
        ..Sparse::default()
    };
    let extents = [
        (0..13, Data),
        (13..18, Data),
        (18..25, Free),
        (25..30, Data),
        (30..36, Free),
        (36..100, Data),
    ];
    let extents = extents
        .into_iter()
        .map(|(range, kind)| Ok(Extent::new(range, kind)));
    let used = NeededExtents::new(&source, Box::new(extents), 100).in_units_of(10);
    let found: Vec<_> = used.map(data).collect();
    assert_eq!(found, [10..13, 13..18, 36..40, 40..50, 50..70, 90..100]);
}

#[test]
fn a_hole_is_skipped_however_many_extents_it_holds() {
    let source = Sparse {
        data: vec![90..91],
        ..Sparse::default()
    };
    let extents: Vec<_> = (0..100u64)
        .map(|at| (at..at + 1, if at % 2 == 0 { Data } else { Free }))
        .collect();
    assert_eq!(ranges(&source, &extents), (vec![90..91], 50));
    assert_eq!(*source.asked.lock().unwrap(), [0, 92]);
}

#[test]
fn a_source_that_errs_about_its_data_is_read() {
    struct Wrong;
    impl ReadAt for Wrong {
        fn size(&self) -> u64 {
            100
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
            Ok(())
        }
        fn next_data(&self, _: u64) -> io::Result<Option<Range<u64>>> {
            Ok(Some(3..7))
        }
    }
    let extents = [Ok(Extent::new(0..100, Data))];
    let found: Vec<_> = NeededExtents::new(&Wrong, Box::new(extents.into_iter()), 100)
        .map(data)
        .collect();
    assert_eq!(found, [3..7, 7..100]);
}
