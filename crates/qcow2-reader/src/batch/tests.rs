use super::*;
use proptest::prelude::*;
use qcow2_format::HostOffset;

fn data(guest: Range<u64>, host: u64) -> Result<Run, Error> {
    Ok(Run {
        guest,
        mapping: Mapping::Data {
            host: HostOffset(host),
        },
    })
}

fn hole(guest: Range<u64>) -> Result<Run, Error> {
    let mapping = Mapping::Unallocated;
    Ok(Run { guest, mapping })
}

fn batches(runs: Vec<Result<Run, Error>>) -> Vec<Batch> {
    Batches::new(runs.into_iter()).map(Result::unwrap).collect()
}

fn segment(guest: Range<u64>, host: u64) -> Segment {
    Segment { guest, host }
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
    let after = 512 + GAP_BYTES_MAX;
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
                        && last.host + (last.guest.end - last.guest.start) == next.host =>
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
