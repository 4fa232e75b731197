use super::*;
use blockio::Reflink;
use proptest::prelude::*;
use qcow2_format::ClusterBits;
use qcow2_format::header::CompressionType;

use qcow2_map::Codec;

fn data(guest: Range<u64>, host: u64) -> Result<Run, ImageError> {
    Ok(Run {
        guest,
        file: 0,
        mapping: Mapping::Data {
            host: HostOffset(host),
        },
    })
}

fn hole(guest: Range<u64>) -> Result<Run, ImageError> {
    let mapping = Mapping::Unallocated;
    Ok(Run::empty(guest, mapping))
}

fn batches(runs: Vec<Result<Run, ImageError>>) -> Vec<Batch> {
    Batches::new(runs.into_iter()).map(Result::unwrap).collect()
}

fn segment(guest: Range<u64>, host: u64) -> Segment {
    Segment {
        guest,
        file: 0,
        stored: Stored::Plain { host },
    }
}

#[test]
fn a_long_run_is_cut_at_multiples_of_the_batch_size() {
    const B: u64 = BATCH_BYTES;
    assert_eq!(
        batches(vec![hole(0..B - 1), data(B - 1..2 * B + 1, 1000)]),
        [
            Batch {
                guest: B - 4096..B,
                segments: vec![segment(B - 1..B, 1000)],
            },
            Batch {
                guest: B..2 * B,
                segments: vec![segment(B..2 * B, 1001)],
            },
            Batch {
                guest: 2 * B..2 * B + 1,
                segments: vec![segment(2 * B..2 * B + 1, 1001 + B)],
            },
        ]
    );
}

#[test]
fn short_gaps_are_bridged_and_long_ones_are_not() {
    let after = 512 + GAP_BYTES_END;
    assert_eq!(
        batches(vec![
            data(0..512, 0),
            hole(512..after - 1),
            data(after - 1..after, 7),
            hole(after..2 * after),
            data(2 * after..2 * after + 1, 9),
        ]),
        [
            Batch {
                guest: 0..after,
                segments: vec![segment(0..512, 0), segment(after - 1..after, 7)],
            },
            Batch {
                guest: 2 * after / 4096 * 4096..2 * after + 1,
                segments: vec![segment(2 * after..2 * after + 1, 9)],
            },
        ]
    );
}

#[test]
fn an_error_comes_behind_the_batch_before_it_and_ends_all() {
    let runs = vec![data(0..512, 0), Err(ImageError::MarkedCorrupt)];
    let mut batches = Batches::new(runs.into_iter());
    assert_eq!(batches.next().unwrap().unwrap().guest, 0..512);
    assert!(matches!(
        batches.next(),
        Some(Err(Error::Image(ImageError::MarkedCorrupt)))
    ));
    assert!(batches.next().is_none());
}

/// A compressed cluster with a stream of 100 bytes.
fn compressed(guest: Range<u64>, host: u64) -> Result<Run, ImageError> {
    let mapping = Mapping::Compressed(stream(host));
    Ok(Run::empty(guest, mapping))
}

fn stream(host: u64) -> Stream {
    Stream {
        codec: Codec {
            compression: CompressionType::Deflate,
            cluster_bits: ClusterBits::MIN,
        },
        host: HostOffset(host),
        bytes: 100,
        bytes_max: 100,
    }
}

#[test]
fn a_compressed_cluster_is_not_cut() {
    const B: u64 = BATCH_BYTES;
    let found = batches(vec![
        data(B..4 * B, 0),
        compressed(4 * B..8 * B, 7),
        compressed(8 * B..8 * B + 1, 9),
    ]);
    let ranges: Vec<_> = found.iter().map(|batch| batch.guest.clone()).collect();
    assert_eq!(
        ranges,
        [
            B..2 * B,
            2 * B..3 * B,
            3 * B..4 * B,
            4 * B..8 * B,
            8 * B..8 * B + 1
        ]
    );
    assert_eq!(found[3].streams().collect::<Vec<_>>(), [&stream(7)]);
}

#[test]
fn streams_follow_each_other_where_they_share_bytes_or_touch() {
    let segments = [0, 90, 190, 291, 280].map(|host| Segment {
        file: 0,
        guest: 0..512,
        stored: Stored::Compressed(stream(host)),
    });
    let groups: Vec<_> = segments
        .chunk_by(Segment::is_followed_by)
        .map(<[_]>::len)
        .collect();
    assert_eq!(groups, [3, 1, 1]);
}

#[test]
fn scattered_runs_are_not_bridged_nor_rounded() {
    let runs = vec![
        data(600..700, 0),
        data(700..800, 900),
        data(801..900, 0),
        data(0..9, 5),
    ];
    let found: Vec<_> = Batches::scattered(runs.into_iter())
        .map(|batch| batch.unwrap().guest)
        .collect();
    assert_eq!(found, [600..800, 801..900, 0..9]);
}

#[test]
fn whole_units_in_step_are_shareable_until_that_is_refused() {
    let cluster_bits = ClusterBits::from_bytes(8192).unwrap();
    let file = tempfile::tempfile().unwrap();
    let sharing = Sharing::new(Reflink::Auto, &[Some(&file)], cluster_bits)
        .unwrap()
        .unwrap();
    let shareable = |runs: Vec<Result<Run, ImageError>>| -> Vec<_> {
        Batches::new(runs.into_iter())
            .with_shareable(Some(&sharing))
            .map(|batch| batch.unwrap())
            .map(|batch| (batch.guest.clone(), batch.shareable().is_some()))
            .collect()
    };
    let runs = || {
        vec![
            data(8000..100_000, 1 << 20 | 8000),
            compressed(106_496..114_688, 5),
            data(114_688..122_880, 4096),
            data(122_880..8_000_000, 0),
        ]
    };
    assert_eq!(
        shareable(runs()),
        [
            (4096..8192, false),
            (8192..98_304, true),
            (98_304..122_880, false),
            (122_880..7_995_392, true),
            (7_995_392..8_000_000, false),
        ]
    );
    sharing.refuse();
    assert!(shareable(runs()).iter().all(|(_, shareable)| !shareable));
}

#[test]
fn a_batch_never_reaches_back_into_the_one_before_it() {
    const B: u64 = BATCH_BYTES;
    // The cluster ends past the limit of its batch, and within a block.
    let end = B + 3 * 4096 + 2048;
    let found = batches(vec![
        compressed(0..end, 0),
        data(end..end + 2048, 7),
        compressed(end + 2048..end + 8192, 9),
        hole(end + 8192..3 * B),
    ]);
    let ranges: Vec<_> = found.iter().map(|batch| batch.guest.clone()).collect();
    assert_eq!(ranges, [0..end, end..end + 8192]);
}

#[test]
fn runs_that_go_back_are_refused() {
    let runs = vec![data(4096..8192, 0), data(8191..9000, 0)];
    let mut batches = Batches::new(runs.into_iter());
    assert_eq!(batches.next().unwrap().unwrap().guest, 4096..8192);
    assert!(matches!(
        batches.next(),
        Some(Err(Error::GoesBack {
            offset: 8191,
            done: 8192
        }))
    ));
    let mut late = Batches::after(5000, vec![data(5000..6000, 0)].into_iter());
    assert_eq!(late.next().unwrap().unwrap().guest, 5000..6000);
    let mut early = Batches::after(5000, vec![data(4999..6000, 0)].into_iter());
    assert!(matches!(early.next(), Some(Err(Error::GoesBack { .. }))));
}

/// What a run of a disk is, as far as batches matter.
#[derive(Clone, Copy, Debug)]
enum Part {
    Hole,
    Data,
    Compressed,
}

/// Lengths of parts: any, a few bytes around multiples of clusters, and such multiples.
fn lengths() -> impl Strategy<Value = u64> {
    let units = (9u32..=21, 1u64..5, -3i64..4);
    let near =
        units.prop_map(|(bits, count, off)| (count << bits).saturating_add_signed(off).max(1));
    let whole = (9u32..=21, 1u64..5).prop_map(|(bits, count)| count << bits);
    prop_oneof![1u64..3000, 1u64..300_000, near, whole]
}

fn parts() -> impl Strategy<Value = Vec<(Part, u64)>> {
    let part = prop_oneof![Just(Part::Hole), Just(Part::Data), Just(Part::Compressed)];
    prop::collection::vec((part, lengths()), 0..24)
}

/// Runs of these parts, each stored elsewhere or, where `in_step`, data at its guest
/// offset.
fn runs_of(parts: &[(Part, u64)], in_step: bool) -> Vec<Run> {
    let mut at = 0;
    let mut runs = Vec::new();
    for (index, (part, length)) in parts.iter().enumerate() {
        let guest = at..at + length;
        at = guest.end;
        let place = u64::try_from(index).unwrap() << 40;
        let host = place + if in_step { guest.start } else { 0 };
        runs.push(match part {
            Part::Hole => hole(guest),
            Part::Data => data(guest, host),
            Part::Compressed => compressed(guest, place),
        });
    }
    runs.into_iter().map(Result::unwrap).collect()
}

/// Adds `next` to the segments found, joined with the last where it was cut off.
fn join(found: &mut Vec<Segment>, mut next: Segment) {
    if let Stored::Shareable { host } = next.stored {
        next.stored = Stored::Plain { host };
    }
    if let (Some(last), Stored::Plain { host: next_host }) = (found.last_mut(), next.stored)
        && let Stored::Plain { host: last_host } = last.stored
        && last.guest.end == next.guest.start
        && last_host + (last.guest.end - last.guest.start) == next_host
    {
        last.guest.end = next.guest.end;
        return;
    }
    found.push(next);
}

proptest! {
    /// Batches ascend, never overlap, keep their size, and hold exactly what is stored.
    #[test]
    fn batches_ascend_and_hold_every_stored_byte_once(
        parts in parts(),
        block_bits in 0u32..=16,
        gap_bytes_end in prop_oneof![Just(1u64), Just(GAP_BYTES_END), 1u64..100_000],
        unit_bits in prop_oneof![Just(0u32), 9u32..=21],
        in_step in any::<bool>(),
    ) {
        let file = tempfile::tempfile().unwrap();
        let sharing = ClusterBits::new(unit_bits).ok().and_then(|bits| {
            Sharing::new(Reflink::Auto, &[Some(&file)], bits).unwrap()
        });
        let runs = runs_of(&parts, in_step);
        let stored: Vec<_> = runs.iter().filter_map(|run| stored(run.clone())).collect();
        let batches = Batches {
            block_bytes: 1 << block_bits,
            gap_bytes_end,
            ..Batches::new(runs.into_iter().map(Ok))
        };
        let (mut done, mut found): (u64, Vec<Segment>) = (0, Vec::new());
        for batch in batches.with_shareable(sharing.as_ref()) {
            let batch = batch.unwrap();
            let is_shared = batch.shareable().is_some();
            let Range { start, end } = batch.guest;
            prop_assert!(done <= start && start < end);
            let first = batch.segments[0].guest.start;
            prop_assert!(start == round_down(first, 1 << block_bits).max(done) || is_shared);
            let limit = round_down(start, BATCH_BYTES) + BATCH_BYTES;
            let last = batch.segments.last().unwrap().clone();
            prop_assert_eq!(last.guest.end, end);
            let is_cut = is_shared || end <= limit || matches!(last.stored, Stored::Compressed(_));
            prop_assert!(is_cut && (is_shared || last.guest.start < limit));
            let mut within = start;
            for segment in batch.segments {
                prop_assert!(within <= segment.guest.start && !segment.guest.is_empty());
                within = segment.guest.end;
                join(&mut found, segment);
            }
            done = end;
        }
        prop_assert_eq!(found, stored);
    }

    /// In any order: exactly what is stored, and nothing around it.
    #[test]
    fn scattered_batches_hold_what_is_stored_and_nothing_else(
        parts in parts(),
        order in any::<u64>(),
    ) {
        let mut runs = runs_of(&parts, false);
        runs.sort_by_key(|run| (run.guest.start ^ order).rotate_left(17).wrapping_mul(order | 1));
        let mut stored: Vec<_> = runs.iter().filter_map(|run| stored(run.clone())).collect();
        let mut found: Vec<Segment> = Vec::new();
        for batch in Batches::scattered(runs.into_iter().map(Ok)) {
            let batch = batch.unwrap();
            let mut within = batch.guest.start;
            for segment in batch.segments {
                prop_assert_eq!(within, segment.guest.start);
                within = segment.guest.end;
                join(&mut found, segment);
            }
            prop_assert_eq!(within, batch.guest.end);
        }
        stored.sort_by_key(|segment| segment.guest.start);
        found.sort_by_key(|segment| segment.guest.start);
        prop_assert_eq!(found, stored);
    }
}
