use super::*;
use blockio::Reflink;
use proptest::prelude::*;
use qcow2_format::ClusterBits;
use qcow2_format::header::CompressionType;

use crate::places::Codec;

fn data(guest: Range<u64>, host: u64) -> Result<Run, Error> {
    Ok(Run {
        guest,
        file: 0,
        mapping: Mapping::Data {
            host: HostOffset(host),
        },
    })
}

fn hole(guest: Range<u64>) -> Result<Run, Error> {
    let mapping = Mapping::Unallocated;
    Ok(Run::empty(guest, mapping))
}

fn batches(runs: Vec<Result<Run, Error>>) -> Vec<Batch> {
    Batches::new(runs.into_iter()).map(Result::unwrap).collect()
}

fn segment(guest: Range<u64>, host: u64) -> Segment {
    Segment {
        guest,
        file: 0,
        stored: Stored::Plain { host },
    }
}

fn host(segment: &Segment) -> u64 {
    let Stored::Plain { host } = segment.stored else {
        panic!("only plain runs are made here");
    };
    host
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
    let runs = vec![data(0..512, 0), Err(Error::MarkedCorrupt)];
    let mut batches = Batches::new(runs.into_iter());
    assert_eq!(batches.next().unwrap().unwrap().guest, 0..512);
    assert!(matches!(batches.next(), Some(Err(Error::MarkedCorrupt))));
    assert!(batches.next().is_none());
}

/// A compressed cluster with a stream of 100 bytes.
fn compressed(guest: Range<u64>, host: u64) -> Result<Run, Error> {
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
    let shareable = |runs: Vec<Result<Run, Error>>| -> Vec<_> {
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

proptest! {
    /// Every stored byte is in one batch, once; batches ascend and keep their size.
    #[test]
    fn batches_hold_every_stored_byte_once(
        parts in prop::collection::vec((any::<bool>(), 1u64..300_000), 0..40),
    ) {
        let (mut at, mut runs, mut stored) = (0, Vec::new(), Vec::new());
        for (index, (is_data, length)) in parts.into_iter().enumerate() {
            let guest = at..at + length;
            at = guest.end;
            if is_data {
                let host = u64::try_from(index).unwrap() << 32;
                stored.push(segment(guest.clone(), host));
                runs.push(data(guest, host));
            } else {
                runs.push(hole(guest));
            }
        }
        let (mut done, mut found): (u64, Vec<Segment>) = (0, Vec::new());
        for batch in batches(runs) {
            let Range { start, end } = batch.guest;
            prop_assert!(done <= start && start < end && start % BLOCK_BYTES == 0);
            prop_assert_eq!(start / BATCH_BYTES, (end - 1) / BATCH_BYTES);
            done = end;
            prop_assert_eq!(batch.segments.last().map(|last| last.guest.end), Some(end));
            for next in batch.segments {
                prop_assert!(start <= next.guest.start && next.guest.end <= end);
                match found.last_mut() {
                    Some(last) if last.guest.end == next.guest.start
                        && host(last) + (last.guest.end - last.guest.start) == host(&next) =>
                    {
                        last.guest.end = next.guest.end;
                    }
                    _ => found.push(next),
                }
            }
        }
        prop_assert_eq!(found, stored);
    }
}
