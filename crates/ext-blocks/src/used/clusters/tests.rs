//! What is taken down is given back, wherever it is kept.

use std::io;
use std::ops::Range;

use blockio::MemoryDisk;
use proptest::prelude::*;

use super::*;

const CLUSTERS: usize = 300;

fn runs(bitmap: &Bitmap) -> Vec<(Range<usize>, bool)> {
    let next = |at: usize| bitmap.run_from(at);
    std::iter::successors(next(0), |(run, _)| next(run.end)).collect()
}

fn bitmap(words: &[u64]) -> Bitmap {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut bitmap = Bitmap::default();
    bitmap.load(&bytes, CLUSTERS);
    bitmap
}

fn record(groups: &[Option<Bitmap>], memory: usize, spool: Option<NewSpool<'_>>) -> UsedClusters {
    let mut recorder = Recorder::new(memory, spool);
    for group in groups {
        recorder.push(group.as_ref());
    }
    recorder.finish()
}

/// What is kept of `group`, if it is.
fn load(recorded: &mut Recorded<'_>, group: usize) -> Option<Vec<(Range<usize>, bool)>> {
    let mut loaded = Bitmap::default();
    let group = u32::try_from(group).unwrap();
    let found = recorded.load(group, CLUSTERS, &mut loaded).unwrap();
    found.then(|| runs(&loaded))
}

fn expected(group: Option<&Bitmap>) -> Vec<(Range<usize>, bool)> {
    group.map_or_else(|| vec![(0..CLUSTERS, true)], runs)
}

fn memory_spool() -> io::Result<Box<dyn Spool>> {
    Ok(Box::new(MemoryDisk::default()))
}

/// A group: all used, all free, runs, or bits by turns.
fn group() -> impl Strategy<Value = Option<Bitmap>> {
    let word = prop_oneof![Just(0), Just(u64::MAX), any::<u64>(), Just(0xff00)];
    let words = proptest::collection::vec(word, 5);
    proptest::option::of(words.prop_map(|words| bitmap(&words)))
}

proptest! {
    #[test]
    fn groups_are_the_same_wherever_they_are_kept(
        groups in proptest::collection::vec(group(), 0..300),
        memory in 0usize..4096,
    ) {
        let all = record(&groups, MEMORY_BYTES, None);
        let spooled = record(&groups, memory, Some(&memory_spool));
        let part = record(&groups, memory, None);
        let [mut all, mut spooled, mut part] = [&all, &spooled, &part].map(Recorded::new);
        let order = (0..groups.len()).chain((0..groups.len()).rev());
        for n in order {
            let want = expected(groups[n].as_ref());
            prop_assert_eq!(load(&mut all, n), Some(want.clone()));
            prop_assert_eq!(load(&mut spooled, n), Some(want.clone()));
            // What has no room is not there, and what is there is right.
            let kept = load(&mut part, n);
            prop_assert!(kept.is_none() || kept == Some(want));
        }
        prop_assert_eq!(load(&mut all, groups.len()), None);
    }

    #[test]
    fn what_was_not_written_by_us_frees_nothing_past_the_end(
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut loaded = bitmap(&[u64::MAX; 5]);
        decode(&bytes, CLUSTERS, &mut loaded);
        let end = runs(&loaded).last().map(|(run, _)| run.end);
        prop_assert_eq!(end, Some(CLUSTERS));
    }
}

#[test]
fn numbers_are_as_short_as_they_can_be() {
    for (number, length) in [
        (0, 1),
        (127, 1),
        (128, 2),
        (16383, 2),
        (16384, 3),
        (usize::MAX, 10),
    ] {
        let mut bytes = Vec::new();
        put_number(&mut bytes, number);
        assert_eq!(bytes.len(), length, "{number}");
        bytes.push(9);
        let mut rest = &bytes[..];
        assert_eq!((take_number(&mut rest), rest), (Some(number), &[9][..]));
        // It ends early.
        let mut cut = &bytes[..length - 1];
        assert_eq!(take_number(&mut cut), None);
    }
}

#[test]
fn a_group_takes_no_more_than_its_bitmap() {
    let mut bytes = Vec::new();
    encode(&bitmap(&[0x5555_5555_5555_5555; 5]), &mut bytes);
    assert_eq!((bytes[0], bytes.len()), (BITMAP, 41));
    bytes.clear();
    encode(&bitmap(&[0; 5]), &mut bytes);
    assert_eq!(bytes, [RUNS, 0, 0xac, 2]);
}

#[test]
fn a_spool_that_fails_is_none() {
    let groups: Vec<_> = (0..200).map(|_| Some(bitmap(&[0xff00; 5]))).collect();
    let refused = || Err(io::ErrorKind::StorageFull.into());
    let clusters = record(&groups, 1500, Some(&refused));
    assert_eq!((clusters.end, clusters.spool.is_none()), (64, true));
    let mut recorded = Recorded::new(&clusters);
    assert_eq!(load(&mut recorded, 63), Some(expected(groups[63].as_ref())));
    assert_eq!(load(&mut recorded, 64), None);
}

#[test]
fn a_spool_that_cannot_be_read_is_an_error() {
    let groups: Vec<_> = (0..3).map(|_| Some(bitmap(&[0xff00; 5]))).collect();
    let mut clusters = record(&groups, 0, Some(&memory_spool));
    clusters.spool = Some(Box::new(MemoryDisk::default()));
    let mut loaded = Bitmap::default();
    let error = Recorded::new(&clusters).load(1, CLUSTERS, &mut loaded);
    assert!(matches!(error, Err(Error::Spool(_))), "{error:?}");
}
