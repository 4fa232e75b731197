use super::*;
use crate::MemoryDisk;
use crate::testing::{Call, Double};
use proptest::prelude::*;

/// A disk that remembers where it was changed.
fn watched(bytes: Vec<u8>) -> Double<MemoryDisk> {
    Double::new(MemoryDisk::new(bytes)).starting_zeroed(true)
}

/// Where `disk` was changed.
fn changes(disk: &Double<MemoryDisk>) -> Vec<Call> {
    let mut calls = disk.calls();
    calls.retain(Call::is_change);
    calls
}

#[test]
fn what_is_the_same_is_not_written() {
    let mut bytes = vec![7; 5 * 4096 + 100];
    let watched = watched(bytes.clone());
    let target = OnlyChanged::anywhere(&watched);
    assert!(!target.starts_zeroed(), "it is not to be trusted");
    target.write_at(0, &bytes).unwrap();
    assert_eq!(changes(&watched), []);

    // Whole blocks, wherever the bytes start; neighbours at once.
    bytes[4096] = 8;
    bytes[2 * 4096] = 8;
    bytes[5 * 4096 + 99] = 8;
    target.write_at(100, &bytes[100..]).unwrap();
    assert_eq!(
        changes(&watched),
        [
            Call::Write(4096..3 * 4096),
            Call::Write(5 * 4096..5 * 4096 + 100)
        ]
    );
    assert_eq!((target.written_bytes(), target.zeroed_bytes()), (8292, 0));
    assert!(watched.inner.into_bytes() == bytes);
}

#[test]
fn zeros_are_made_where_there_are_none() {
    let mut bytes = vec![0; 10 * 4096];
    bytes[3 * 4096 + 5] = 1;
    bytes[9 * 4096] = 1;
    let watched = watched(bytes);
    let target = OnlyChanged::anywhere(&watched);
    target.write_zeroes(0, 9 * 4096).unwrap();
    assert_eq!(changes(&watched), [Call::Zero(3 * 4096..4 * 4096)]);
    assert_eq!(target.zeroed_bytes(), 4096);
    target.write_zeroes(9 * 4096 - 2, 4).unwrap();
    target.write_zeroes(9 * 4096 - 2, 4).unwrap();
    assert_eq!(changes(&watched), [Call::Zero(9 * 4096 - 2..9 * 4096 + 2)]);
}

#[test]
fn what_lies_behind_the_end_is_written() {
    let watched = watched(vec![7; 5000]);
    let target = OnlyChanged::anywhere(&watched);
    target.write_at(4000, &[7; 2000]).unwrap();
    assert_eq!(changes(&watched), [Call::Write(5000..6000)]);
    target.write_zeroes(5999, 10).unwrap();
    assert_eq!(
        changes(&watched),
        [Call::Zero(5999..6000), Call::Zero(6000..6009)]
    );
    target.write_at(7000, &[1]).unwrap();
    target.set_size(7002).unwrap();
    let want = [&[7; 5999][..], &[0; 1001], &[1, 0]].concat();
    assert!(target.write_at(u64::MAX, &[1, 2]).is_err());
    assert!(target.write_zeroes(u64::MAX, 2).is_err());
    assert!(watched.inner.into_bytes() == want);
}

#[test]
fn a_write_that_goes_back_is_refused_and_changes_nothing() {
    let watched = watched(vec![7; 100]);
    let target = OnlyChanged::new(&watched);
    target.write_at(10, &[8; 20]).unwrap();
    target.write_zeroes(30, 5).unwrap();
    target.write_at(35, &[9; 5]).unwrap();
    let before = changes(&watched);
    for refused in [
        target.write_at(39, &[1; 20]),
        target.write_zeroes(0, 200),
        target.write_at(0, &[7]),
    ] {
        let error = refused.unwrap_err();
        let cause: &GoesBack = error.get_ref().unwrap().downcast_ref().unwrap();
        assert!(cause.done == 40 && cause.offset < cause.done);
    }
    let error = target.write_at(39, &[1]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "internal error: a write at 0x27 starts before 0x28, the end of what is written"
    );
    assert_eq!(changes(&watched), []);
    assert_eq!(before.len(), 3);
    let want = [&[7; 10][..], &[8; 20], &[0; 5], &[9; 5], &[7; 60]].concat();
    assert!(watched.inner.into_bytes() == want);
}

proptest! {
    #[test]
    fn it_becomes_what_it_would_be(
        old in proptest::collection::vec(0u8..2, 0..20_000),
        steps in proptest::collection::vec((0u64..30_000, 0usize..20_000, 0u8..2), 0..6),
    ) {
        let (plain, watched) = (MemoryDisk::new(old.clone()), watched(old));
        let target = OnlyChanged::anywhere(&watched);
        for (offset, length, byte) in steps {
            if byte == 0 {
                plain.write_zeroes(offset, len_u64(length)).unwrap();
                target.write_zeroes(offset, len_u64(length)).unwrap();
            } else {
                plain.write_at(offset, &vec![byte; length]).unwrap();
                target.write_at(offset, &vec![byte; length]).unwrap();
            }
        }
        prop_assert!(plain.into_bytes() == watched.inner.into_bytes());
    }
}

#[test]
fn a_target_is_asked_once_for_each_range_of_data() {
    let target = Double::new(MemoryDisk::new(vec![7; 1 << 20]));
    let changed = OnlyChanged::new(&target);
    for at in (0..1 << 20).step_by(8192) {
        changed.write_at(at, &[9; 4096]).unwrap();
        changed.write_zeroes(at + 4096, 4096).unwrap();
    }
    let calls = target.calls();
    let questions = calls
        .iter()
        .filter(|call| matches!(call, Call::NextData(_)));
    assert_eq!(questions.count(), 1);
    let want: Vec<u8> = [[9; 4096], [0; 4096]].concat().repeat(128);
    assert!(target.inner.into_bytes() == want);
}
