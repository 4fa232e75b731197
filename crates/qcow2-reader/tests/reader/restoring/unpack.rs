//! What a target is told: ascending, never past the end, the same every time.

use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::common::{L1, L2_FIRST, SIZE, base, base_disk, chain, open, put, put32, put64};
use blockio::{MemoryDisk, Progress, ReadAt, WriteAt, len_u64};
use hostdisk::StreamTarget;
use qcow2_reader::{Error, ErrorKind, Image, OpenOptions, UnpackOptions};

/// What was asked of a [`Recorder`].
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Reserve(u64),
    Write(u64, u64),
    Zeroes(u64, u64),
    Resize(u64),
}

/// A target that remembers what it was asked, and holds 0xff before.
struct Recorder {
    zeroed: bool,
    asked: Mutex<Vec<Asked>>,
    bytes: MemoryDisk,
    /// Fails the `n`-th request; 0 fails none.
    fail: AtomicUsize,
}

impl Recorder {
    fn new(zeroed: bool, length: usize, fail: usize) -> Self {
        Self {
            zeroed,
            asked: Mutex::default(),
            bytes: MemoryDisk::new(vec![if zeroed { 0 } else { 0xff }; length]),
            fail: AtomicUsize::new(fail),
        }
    }

    fn note(&self, asked: Asked) -> io::Result<()> {
        self.asked.lock().unwrap().push(asked);
        if self.fail.fetch_sub(1, SeqCst) == 1 {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "injected"));
        }
        Ok(())
    }

    fn asked(self) -> Vec<Asked> {
        self.asked.into_inner().unwrap()
    }
}

impl WriteAt for Recorder {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.note(Asked::Write(offset, len_u64(bytes.len())))?;
        self.bytes.write_at(offset, bytes)
    }
    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.note(Asked::Zeroes(offset, length))?;
        self.bytes.write_zeroes(offset, length)
    }
    fn reserve(&self, size: u64) -> io::Result<()> {
        self.note(Asked::Reserve(size))
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.note(Asked::Resize(size))
    }
    fn starts_zeroed(&self) -> bool {
        self.zeroed
    }
    fn sync(&self) -> io::Result<()> {
        panic!("nobody asked for it")
    }
}

fn threads(count: usize) -> UnpackOptions<'static> {
    let mut options = UnpackOptions::default();
    options.threads = NonZeroUsize::new(count).unwrap();
    options
}

#[test]
fn a_zeroed_target_is_given_what_is_not_zero() {
    let image = open(base()).unwrap();
    let target = Recorder::new(true, 0, 0);
    let report = image.unpack(&target, &threads(1)).unwrap();
    assert_eq!((report.disk_bytes, report.written_bytes), (40_000, 11_328));
    assert_eq!(
        target.asked(),
        [
            Asked::Reserve(40_000),
            Asked::Write(0, 4096),
            Asked::Write(28_672, 4096),
            Asked::Write(36_864, 3136),
            Asked::Resize(40_000),
        ]
    );
}

#[test]
fn a_device_is_made_zero_where_the_disk_is_and_not_touched_behind_it() {
    let mut image = base();
    put64(&mut image, L2_FIRST + 63 * 8, 0);
    put64(&mut image, L1 + 8, 0);
    let image = open(image).unwrap();
    let target = Recorder::new(false, SIZE + 1000, 0);
    image.unpack(&target, &threads(2)).unwrap();
    let mut bytes = vec![0; SIZE + 1000];
    target.bytes.read_at(0, &mut bytes).unwrap();
    let mut disk = base_disk();
    disk[3584..].fill(0);
    assert!(bytes[..SIZE] == disk);
    assert!(bytes[SIZE..].iter().all(|&byte| byte == 0xff));
    assert_eq!(
        target.asked(),
        [
            Asked::Reserve(40_000),
            Asked::Write(0, 3584),
            Asked::Zeroes(3584, 40_000 - 3584),
            Asked::Resize(40_000),
        ]
    );
}

#[test]
fn a_device_too_small_is_refused_before_anything_is_written() {
    let image = open(base()).unwrap();
    let target = Recorder::new(false, 0, 1);
    let error = image.unpack(&target, &threads(1)).unwrap_err();
    assert_eq!(chain(&error), "making the disk 40000 bytes long: injected");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(matches!(error, Error::Resize { source, .. }
        if source.kind() == io::ErrorKind::StorageFull));
    assert_eq!(target.asked(), [Asked::Reserve(40_000)]);
}

#[test]
fn every_failed_request_is_reported() {
    for zeroed in [true, false] {
        let image = open(base()).unwrap();
        let whole = Recorder::new(zeroed, SIZE, 0);
        image.unpack(&whole, &threads(1)).unwrap();
        let requests = whole.asked().len();
        for fail in 1..=requests {
            let target = Recorder::new(zeroed, SIZE, fail);
            let error = image.unpack(&target, &threads(1)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io);
            assert!(chain(&error).ends_with(": injected"));
            assert_eq!(
                target.asked().len(),
                fail,
                "nothing is asked after an error"
            );
        }
    }
}

#[test]
fn a_pipe_gets_the_whole_disk() {
    let mut image = base();
    put64(&mut image, L1 + 8, 0);
    let image = open(image).unwrap();
    let target = StreamTarget::new(Vec::new());
    image.unpack(&target, &threads(3)).unwrap();
    let mut disk = base_disk();
    disk[32_768..].fill(0);
    assert!(target.into_inner() == disk);
}

/// An image with clusters of 4 KiB whose data lies backwards and in pieces.
fn scattered(clusters: usize) -> (Vec<u8>, Vec<u8>) {
    const CLUSTER: usize = 4096;
    let tables = clusters.div_ceil(CLUSTER / 8);
    let first = 2 + tables;
    let mut image = vec![0; (first + clusters) * CLUSTER];
    put(&mut image, 0, &base()[..104]);
    put32(&mut image, 20, 12);
    put64(&mut image, 24, len_u64(clusters * CLUSTER));
    put32(&mut image, 36, u32::try_from(tables).unwrap());
    put64(&mut image, 40, 4096);
    put64(&mut image, 48, 0);
    put32(&mut image, 56, 0);
    for table in 0..tables {
        put64(
            &mut image,
            CLUSTER + table * 8,
            len_u64((2 + table) * CLUSTER),
        );
    }
    let mut disk = vec![0; clusters * CLUSTER];
    for guest in (0..clusters).filter(|guest| guest / 5 % 3 != 1) {
        let host = (first + clusters - 1 - guest) * CLUSTER;
        put64(&mut image, 2 * CLUSTER + guest * 8, len_u64(host));
        let value = u8::try_from(guest % 7).unwrap();
        image[host..host + CLUSTER].fill(value);
        disk[guest * CLUSTER..(guest + 1) * CLUSTER].fill(value);
    }
    (image, disk)
}

#[test]
fn the_requests_do_not_depend_on_the_threads() {
    let (image, disk) = scattered(2000);
    let image = open(image).unwrap();
    for zeroed in [true, false] {
        let mut first = None;
        for count in [1, 2, 5, 64] {
            let target = Recorder::new(zeroed, disk.len(), 0);
            image.unpack(&target, &threads(count)).unwrap();
            let mut bytes = vec![0; disk.len()];
            target.bytes.read_at(0, &mut bytes).unwrap();
            assert!(bytes == disk);
            let asked = target.asked();
            assert_eq!(first.get_or_insert_with(|| asked.clone()), &asked);
            let mut end = 0;
            for request in &asked[1..asked.len() - 1] {
                let (Asked::Write(start, length) | Asked::Zeroes(start, length)) = *request else {
                    panic!("{request:?} between the writes");
                };
                assert!(length > 0 && end <= start);
                assert!(zeroed || end == start, "every byte is settled");
                end = start + length;
            }
            assert!(end <= len_u64(disk.len()));
        }
    }
}

#[test]
fn progress_ascends_to_the_size_of_the_disk() {
    let (image, disk) = scattered(2000);
    let image = Image::open(image, &OpenOptions::default()).unwrap();
    let seen = Mutex::new(Vec::new());
    let progress = |progress: Progress| {
        seen.lock().unwrap().push(progress);
        ControlFlow::Continue(())
    };
    let mut options = UnpackOptions::default();
    options.progress = Some(&progress);
    image.unpack(&MemoryDisk::default(), &options).unwrap();
    let seen = seen.into_inner().unwrap();
    let total_bytes = len_u64(disk.len());
    assert!(seen.is_sorted_by_key(|progress| progress.done_bytes));
    assert!(
        seen.iter()
            .all(|progress| progress.total_bytes == total_bytes)
    );
    assert_eq!(seen.last().unwrap().done_bytes, total_bytes);
    assert!(seen.len() > 4);
}
