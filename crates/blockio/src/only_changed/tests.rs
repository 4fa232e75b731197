use super::*;
use crate::{MemoryDisk, ReadAt};
use proptest::prelude::*;
use std::sync::Mutex;

/// A disk that remembers where it was changed.
#[derive(Debug, Default)]
struct Watched {
    disk: MemoryDisk,
    changes: Mutex<Vec<(&'static str, Range<u64>)>>,
}

impl Watched {
    fn new(bytes: Vec<u8>) -> Self {
        Self {
            disk: MemoryDisk::new(bytes),
            changes: Mutex::default(),
        }
    }

    fn note(&self, what: &'static str, offset: u64, length: u64) {
        let mut changes = self.changes.lock().unwrap();
        changes.push((what, offset..offset + length));
    }

    fn changes(&self) -> Vec<(&'static str, Range<u64>)> {
        std::mem::take(&mut *self.changes.lock().unwrap())
    }
}

impl ReadAt for Watched {
    fn size(&self) -> u64 {
        self.disk.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(offset, buf)
    }
}

impl WriteAt for Watched {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.note("write", offset, len_u64(bytes.len()));
        self.disk.write_at(offset, bytes)
    }
    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.note("zero", offset, length);
        self.disk.write_zeroes(offset, length)
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.disk.set_size(size)
    }
    fn starts_zeroed(&self) -> bool {
        true
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_the_same_is_not_written() {
    let mut bytes = vec![7; 5 * 4096 + 100];
    let watched = Watched::new(bytes.clone());
    let target = OnlyChanged::anywhere(&watched);
    assert!(!target.starts_zeroed(), "it is not to be trusted");
    target.write_at(0, &bytes).unwrap();
    assert_eq!(watched.changes(), []);

    // Whole blocks, wherever the bytes start; neighbours at once.
    bytes[4096] = 8;
    bytes[2 * 4096] = 8;
    bytes[5 * 4096 + 99] = 8;
    target.write_at(100, &bytes[100..]).unwrap();
    assert_eq!(
        watched.changes(),
        [
            ("write", 4096..3 * 4096),
            ("write", 5 * 4096..5 * 4096 + 100)
        ]
    );
    assert_eq!((target.written_bytes(), target.zeroed_bytes()), (8292, 0));
    assert!(watched.disk.into_bytes() == bytes);
}

#[test]
fn zeros_are_made_where_there_are_none() {
    let mut bytes = vec![0; 10 * 4096];
    bytes[3 * 4096 + 5] = 1;
    bytes[9 * 4096] = 1;
    let watched = Watched::new(bytes);
    let target = OnlyChanged::anywhere(&watched);
    target.write_zeroes(0, 9 * 4096).unwrap();
    assert_eq!(watched.changes(), [("zero", 3 * 4096..4 * 4096)]);
    assert_eq!(target.zeroed_bytes(), 4096);
    target.write_zeroes(9 * 4096 - 2, 4).unwrap();
    target.write_zeroes(9 * 4096 - 2, 4).unwrap();
    assert_eq!(watched.changes(), [("zero", 9 * 4096 - 2..9 * 4096 + 2)]);
}

#[test]
fn what_lies_behind_the_end_is_written() {
    let watched = Watched::new(vec![7; 5000]);
    let target = OnlyChanged::anywhere(&watched);
    target.write_at(4000, &[7; 2000]).unwrap();
    assert_eq!(watched.changes(), [("write", 5000..6000)]);
    target.write_zeroes(5999, 10).unwrap();
    assert_eq!(
        watched.changes(),
        [("zero", 5999..6000), ("zero", 6000..6009)]
    );
    target.write_at(7000, &[1]).unwrap();
    target.set_size(7002).unwrap();
    let want = [&[7; 5999][..], &[0; 1001], &[1, 0]].concat();
    assert!(target.write_at(u64::MAX, &[1, 2]).is_err());
    assert!(target.write_zeroes(u64::MAX, 2).is_err());
    assert!(watched.disk.into_bytes() == want);
}

#[test]
fn a_write_that_goes_back_is_refused_and_changes_nothing() {
    let watched = Watched::new(vec![7; 100]);
    let target = OnlyChanged::new(&watched);
    target.write_at(10, &[8; 20]).unwrap();
    target.write_zeroes(30, 5).unwrap();
    target.write_at(35, &[9; 5]).unwrap();
    let before = watched.changes();
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
    assert_eq!(watched.changes(), []);
    assert_eq!(before.len(), 3);
    let want = [&[7; 10][..], &[8; 20], &[0; 5], &[9; 5], &[7; 60]].concat();
    assert!(watched.disk.into_bytes() == want);
}

proptest! {
    #[test]
    fn it_becomes_what_it_would_be(
        old in proptest::collection::vec(0u8..2, 0..20_000),
        steps in proptest::collection::vec((0u64..30_000, 0usize..20_000, 0u8..2), 0..6),
    ) {
        let (plain, watched) = (MemoryDisk::new(old.clone()), Watched::new(old));
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
        prop_assert!(plain.into_bytes() == watched.disk.into_bytes());
    }
}

/// A disk that is data up to its end, and counts how often that end is looked for.
struct Asked {
    disk: MemoryDisk,
    questions: AtomicU64,
}

impl ReadAt for Asked {
    fn size(&self) -> u64 {
        self.disk.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(offset, buf)
    }
    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        Ok((from < self.size()).then_some(from..self.size()))
    }
}

impl WriteAt for Asked {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.write_at(offset, bytes)
    }
    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.disk.write_zeroes(offset, length)
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.disk.set_size(size)
    }
    fn starts_zeroed(&self) -> bool {
        false
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_target_is_asked_once_for_each_range_of_data() {
    let target = Asked {
        disk: MemoryDisk::new(vec![7; 1 << 20]),
        questions: AtomicU64::new(0),
    };
    let changed = OnlyChanged::new(&target);
    for at in (0..1 << 20).step_by(8192) {
        changed.write_at(at, &[9; 4096]).unwrap();
        changed.write_zeroes(at + 4096, 4096).unwrap();
    }
    assert_eq!(target.questions.load(Ordering::Relaxed), 1);
    let want: Vec<u8> = [[9; 4096], [0; 4096]].concat().repeat(128);
    assert!(target.disk.into_bytes() == want);
}
