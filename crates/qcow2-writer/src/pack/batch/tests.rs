#![expect(
    clippy::single_range_in_vec_init,
    reason = "lists of one range are meant"
)]

use super::*;
use proptest::prelude::*;

/// Batches of at most four clusters of 512 bytes.
fn batches(ranges: &[Range<u64>]) -> Vec<Batch> {
    let data = |range: &Range<u64>| Ok(Extent::new(range.clone(), ExtentKind::Data));
    let extents = ranges.iter().map(data);
    Batches::new(extents, ClusterBits::MIN, 2048 + 511, Allocation::Needed)
        .map(Result::unwrap)
        .collect()
}

/// Guest clusters of each batch.
fn clusters(ranges: &[Range<u64>]) -> Vec<Vec<Range<u64>>> {
    let spans = |batch: Batch| batch.spans.into_iter().map(|span| span.clusters).collect();
    batches(ranges).into_iter().map(spans).collect()
}

#[test]
fn a_batch_ends_between_clusters() {
    assert_eq!(clusters(&[]), Vec::<Vec<_>>::new());
    assert_eq!(clusters(&[600..601]), [[1..2]]);
    assert_eq!(clusters(&[0..4096]), [[0..4], [4..8]]);
    assert_eq!(clusters(&[100..2049]), [[0..4], [4..5]]);
    // The last cluster of a full batch takes what else is in it, and no more.
    assert_eq!(
        clusters(&[0..1600, 1700..1800, 2000..2100, 2200..2300]),
        [[0..4], [4..5]]
    );
    let apart = [
        0..1,
        5120..5121,
        5122..5123,
        10_240..10_241,
        12_800..12_801,
        20_480..20_481,
    ];
    assert_eq!(
        clusters(&apart),
        [vec![0..1, 10..11, 20..21, 25..26], vec![40..41]]
    );
}

#[test]
fn neighbouring_ranges_are_read_at_once() {
    let batches = batches(&[10..20, 20..600, 700..701]);
    let piece = |guest, at| Piece { guest, at };
    assert_eq!(
        batches[0].pieces,
        [piece(10..600, 10), piece(700..701, 700)]
    );
}

#[test]
fn an_error_comes_through() {
    let data = Extent::new(0..1, ExtentKind::Data);
    let extents = [Ok(data), Err(Error::Broken)].into_iter();
    let mut batches = Batches::new(extents, ClusterBits::MIN, 0, Allocation::Needed);
    assert!(matches!(batches.next(), Some(Err(Error::Broken))));
}

#[test]
fn extents_that_go_back_are_refused() {
    for (ranges, offset, done) in [([0..600, 599..700], 599, 600), ([600..5000, 0..1], 0, 5000)] {
        let extents = ranges.map(|range| Ok(Extent::new(range, ExtentKind::Data)));
        let batches = Batches::new(
            extents.into_iter(),
            ClusterBits::MIN,
            2048,
            Allocation::Needed,
        );
        let found = batches
            .filter_map(Result::err)
            .next()
            .map(|error| match error {
                Error::ReadsBack { offset, done } => (offset, done),
                error => panic!("{error}"),
            });
        assert_eq!(found, Some((offset, done)));
    }
}

proptest! {
    #[test]
    fn loads_what_is_there(lengths in prop::collection::vec((0u64..3000, 1u64..3000), 0..30), used in 0u8..3) {
        let mut ranges = Vec::new();
        let mut end = 0;
        for (gap, length) in lengths {
            ranges.push(end + gap..end + gap + length);
            end += gap + length;
        }
        // Whole clusters of zeros and of others, in turn.
        let disk: Vec<u8> = (0..to_usize(end)).map(|at| u8::from(at / 1024 % 3 != usize::from(used))).collect();
        let mut want = vec![0; to_usize(end.next_multiple_of(512))];
        for range in &ranges {
            let range = to_usize(range.start)..to_usize(range.end);
            want[range.clone()].copy_from_slice(&disk[range]);
        }
        let pool = BufferPool::new();
        let mut found = vec![0; want.len()];
        let (mut data_bytes, mut seen) = (0, 0);
        for batch in batches(&ranges) {
            prop_assert!(batch.clusters() <= 4);
            let loaded = batch.load(&disk, &pool).unwrap();
            data_bytes += loaded.data_bytes;
            for (guest, bytes) in loaded.runs() {
                prop_assert!(guest >= seen && guest % 512 == 0 && bytes.len() % 512 == 0);
                seen = guest + len_u64(bytes.len());
                prop_assert!(bytes.chunks(512).all(|cluster| cluster.contains(&1)));
                found[to_usize(guest)..][..bytes.len()].copy_from_slice(bytes);
            }
        }
        prop_assert!(found == want);
        prop_assert_eq!(data_bytes, ranges.iter().map(|range| range.end - range.start).sum::<u64>());
    }
}
