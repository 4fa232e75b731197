//! Images that are written from front to end are the same images.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use blockio::{AllData, Extent, ExtentKind, MemoryDisk, Progress, ReadAt, Reflink};
use hostdisk::{Spool, StreamTarget};
use proptest::prelude::*;
use qcow2_format::{ClusterBits, RefcountOrder, Version};
use qcow2_writer::{
    Compression, DeflateWindow, Error, ErrorKind, PackOptions, PackReport, pack, pack_to_pipe,
};

use ExtentKind::{Data, Free, Zero};

fn options(bits: u32) -> PackOptions<'static> {
    let mut options = PackOptions::default();
    options.cluster_bits = ClusterBits::new(bits).unwrap();
    options
}

fn stream(
    disk: &impl ReadAt,
    extents: &[Extent],
    options: &PackOptions<'_>,
) -> Result<(Vec<u8>, PackReport), Error> {
    let pipe = StreamTarget::new(Vec::new());
    let report = pack_to_pipe(disk, extents, &Spool::new().unwrap(), &pipe, options)?;
    Ok((pipe.into_inner(), report))
}

/// Asserts that a pipe gets what a file gets.
#[track_caller]
fn same(disk: &impl ReadAt, extents: &[Extent], options: &PackOptions<'_>) {
    let target = MemoryDisk::default();
    let want = pack(disk, extents, &target, options).unwrap();
    let want = (target.into_bytes(), want);
    let found = stream(disk, extents, options).unwrap();
    assert!(found == want, "{:?} and not {:?}", found.1, want.1);
}

/// Runs of a kind, with a length in bytes and a fill.
fn disks() -> impl Strategy<Value = (Vec<u8>, Vec<Extent>)> {
    let kind = prop_oneof![3 => Just(Data), 1 => Just(Zero), 1 => Just(Free)];
    let length = prop_oneof![
        1usize..700,
        1usize..9_000,
        1usize..200_000,
        1usize..3_000_000
    ];
    let fill = prop_oneof![1 => Just(0u8), 3 => 1u8..];
    prop::collection::vec((kind, length, fill), 0..12).prop_map(|runs| {
        let (mut bytes, mut extents) = (Vec::new(), Vec::new());
        for (kind, length, fill) in runs {
            let start = bytes.size();
            bytes.resize(bytes.len() + length, fill);
            extents.push(Extent::new(start..bytes.size(), kind));
        }
        for at in (0..bytes.len()).step_by(509) {
            bytes[at] = bytes[at].wrapping_mul(u8::try_from(at % 251).unwrap());
        }
        (bytes, extents)
    })
}

fn compressions() -> impl Strategy<Value = Option<Compression>> {
    let zlib = Compression::Zlib {
        level: 1,
        window: DeflateWindow::Kib32,
    };
    let zstd = Compression::Zstd { level: 1 };
    prop_oneof![2 => Just(None), 1 => Just(Some(zlib)), 1 => Just(Some(zstd))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_pipe_gets_what_a_file_gets(
        (disk, extents) in disks(),
        bits in 9u32..=21,
        order in 0u32..=6,
        threads in 1usize..5,
        compression in compressions(),
    ) {
        let mut options = options(bits);
options.compression = compression;
options.refcount_order = RefcountOrder::new(order).unwrap();
options.threads = NonZeroUsize::new(threads).unwrap();
options.reflink = Reflink::Auto;

        same(&disk, &extents, &options);
    }
}

#[test]
fn tables_that_nothing_was_for_may_be_behind_the_end() {
    // Read as data, and zeros: the tables that are kept for it stay empty, and so
    // the image ends before the place where data would have begun.
    let disk = vec![0; 10 << 20];
    same(&disk, &[Extent::new(0..10 << 20, Data)], &options(9));
}

#[test]
fn version_2_and_disks_of_nothing() {
    let mut v2 = options(9);
    v2.version = Version::V2;

    let disk: Vec<u8> = (0..100_001u32).map(|at| at.to_be_bytes()[2]).collect();
    for kind in [Data, Zero, Free] {
        same(&disk, &[Extent::new(0..100_001, kind)], &v2);
    }
    for options in [options(9), options(16), v2] {
        same(&Vec::new(), &[], &options);
        same(&vec![0], &[Extent::new(0..1, Data)], &options);
    }
}

#[test]
fn any_target_gets_all_bytes_once_and_in_order() {
    let disk = vec![7; 3 << 20];
    let extents = [
        Extent::new(0..1 << 20, Data),
        Extent::new(1 << 20..2 << 20, Free),
        Extent::new(2 << 20..3 << 20, Data),
    ];
    let target = common::stale(8 << 20);
    let spool = MemoryDisk::default();
    pack_to_pipe(&disk, &extents, &spool, &target, &options(12)).unwrap();
    assert!(target.into_bytes() == stream(&disk, &extents, &options(12)).unwrap().0);
    // The spool holds tables only: the data is a hole in it.
    let spooled = spool.into_bytes();
    assert!(spooled.iter().filter(|byte| **byte == 7).count() < 4096);
}

#[test]
fn both_passes_count_as_progress() {
    let told = std::sync::Mutex::new(Vec::new());
    let progress = |now: Progress| {
        told.lock().unwrap().push((now.done_bytes, now.total_bytes));
        ControlFlow::Continue(())
    };
    let mut options = options(16);
    options.progress = Some(&progress);

    stream(
        &vec![1; 12 << 20],
        &[Extent::new(0..12 << 20, Data)],
        &options,
    )
    .unwrap();
    let total = 24 << 20;
    let told = told.into_inner().unwrap();
    assert_eq!(told, [(16 << 20, total), (total, total)]);
}

/// A disk whose bytes are others once the last of them was read.
struct Changing {
    before: Vec<u8>,
    after: Vec<u8>,
    changed: AtomicBool,
}

impl ReadAt for Changing {
    fn size(&self) -> u64 {
        self.before.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let changed = self.changed.load(Ordering::SeqCst);
        if offset + buf.size() == self.size() {
            self.changed.store(true, Ordering::SeqCst);
        }
        if changed { &self.after } else { &self.before }.read_at(offset, buf)
    }
}

#[track_caller]
fn refuses_a_change(before: &[u8], after: &[u8], start: u64, length: u64) {
    let disk = Changing {
        before: before.to_vec(),
        after: after.to_vec(),
        changed: AtomicBool::new(false),
    };
    let mut options = options(9);
    options.threads = NonZeroUsize::MIN;

    let error = stream(&disk, &[Extent::new(0..disk.size(), Data)], &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Source);
    assert_eq!(
        error.to_string(),
        format!(
            "the disk changed between two readings: other clusters of the {length} bytes at \
             {start:#x} hold data now"
        )
    );
}

#[test]
fn a_source_that_changes_between_the_passes_is_refused() {
    /// Four clusters, of zeros or not.
    fn disk(clusters: [u8; 4]) -> Vec<u8> {
        clusters.map(|fill| [fill; 512]).concat()
    }
    let before = disk([1, 1, 0, 1]);
    refuses_a_change(&before, &disk([1, 1, 1, 1]), 0x400, 512);
    refuses_a_change(&before, &disk([1, 0, 0, 1]), 0x200, 0x400);
    refuses_a_change(&before, &disk([0, 0, 0, 1]), 0, 0x600);
    refuses_a_change(&before, &disk([1, 1, 0, 0]), 0x400, 0x400);
    refuses_a_change(&before, &disk([1, 0, 1, 1]), 0x400, 512);
    refuses_a_change(&disk([0; 4]), &disk([0, 0, 0, 1]), 0x600, 512);
    // Other bytes in the same clusters are those of the second pass.
    let changing = Changing {
        before,
        after: disk([2, 3, 0, 4]),
        changed: AtomicBool::new(false),
    };
    let extents = [Extent::new(0..2048, Data)];
    let (image, _) = stream(&changing, &extents, &options(9)).unwrap();
    assert!(common::expand(&image).disk == disk([2, 3, 0, 4]));
}

#[test]
fn data_that_nobody_foresaw_is_refused() {
    // 64 KiB are two tables with clusters of 512 bytes.
    let disk = vec![1; 1 << 16];
    let foreseen = [
        Extent::new(0..1 << 15, Free),
        Extent::new(1 << 15..1 << 16, Data),
    ];
    let extents = common::Changing::new(&foreseen, &[Extent::new(0..1 << 16, Data)]);
    let (spool, pipe) = (MemoryDisk::default(), StreamTarget::new(Vec::new()));
    let error = pack_to_pipe(&disk, &extents, &spool, &pipe, &options(9)).unwrap_err();
    let all = 1 << 16;
    assert!(
        matches!(error, Error::SourceChanged { start: 0, length } if length == all),
        "{error:?}"
    );
    assert_eq!(pipe.into_inner(), []);
}

/// A pipe with room for so many bytes.
struct Narrow(usize);

impl io::Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = bytes.len().min(self.0);
        self.0 -= written;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_pipe_that_fails_is_told_with_what_did_not_get_through() {
    let disk = vec![1; 4 << 10];
    let extents = [Extent::new(0..4 << 10, Data)];
    let (image, _) = stream(&disk, &extents, &options(9)).unwrap();
    // Header, L1 table, L2 table, eight clusters, refcount block and table.
    assert_eq!(image.len(), 13 * 512);
    for (room, structure, at) in [
        (0, "the tables", 0),
        (1535, "the tables", 0),
        (1536, "data", 1536),
        (11 * 512 - 1, "data", 1536),
        (11 * 512, "the tables", 11 * 512),
    ] {
        let pipe = StreamTarget::new(Narrow(room));
        let error = pack_to_pipe(&disk, &extents, &MemoryDisk::default(), &pipe, &options(9));
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Target);
        let message = format!("cannot write {structure} at {at:#x} of the image");
        assert_eq!(error.to_string(), message, "{room}");
    }
}

#[test]
fn every_failure_of_the_spool_is_told() {
    let disk: Vec<u8> = (0..3u32 << 20).map(|at| at.to_be_bytes()[2]).collect();
    let whole = [Extent::new(0..3 << 20, Data)];
    let (mut to_write, mut to_read) = (0, 0);
    for operations in 0.. {
        let inner = MemoryDisk::default();
        let spool = common::FailFrom::new(&inner, operations);
        let pipe = StreamTarget::new(Vec::new());
        let Err(error) = pack_to_pipe(&disk, &whole, &spool, &pipe, &options(10)) else {
            break;
        };
        assert_eq!(error.kind(), ErrorKind::Target);
        match error {
            Error::WriteSpool { .. } => to_write += 1,
            Error::ReadSpool { .. } | Error::ReadBack { .. } => to_read += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(to_write > 3 && to_read > 3, "{to_write} {to_read}");
}

#[test]
fn a_pipe_shares_no_blocks() {
    let mut options = options(16);
    options.reflink = Reflink::Always;

    let error = stream(&vec![1; 9], &[Extent::new(0..9, Data)], &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.to_string(),
        "the image cannot share blocks with the disk: it is written from front to end"
    );
}

#[test]
fn what_is_stopped_is_no_whole_image() {
    // Progress is told at 16, 32, 48, 64 and 68 MiB, of which 34 are read first.
    let disk = vec![1; 34 << 20];
    let mut sent = Vec::new();
    for calls in 0.. {
        let left = AtomicUsize::new(calls);
        let on_progress = |_| {
            let before = left.load(Ordering::Relaxed);
            left.store(before.saturating_sub(1), Ordering::Relaxed);
            match before {
                0 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        };
        let mut options = options(16);
        options.progress = Some(&on_progress);
        let (spool, pipe) = (MemoryDisk::default(), StreamTarget::new(Vec::new()));
        match pack_to_pipe(&disk, &AllData, &spool, &pipe, &options) {
            Ok(report) => {
                let whole = pipe.into_inner();
                assert_eq!(report.image_bytes, whole.size());
                assert_eq!(sent.len(), 5);
                assert_eq!(sent[..2], [0, 0]);
                assert!(sent[2..].iter().all(|bytes| *bytes < whole.len()));
                return;
            }
            Err(error) => {
                assert!(matches!(error, Error::Stopped), "{error}");
                sent.push(pipe.into_inner().len());
            }
        }
    }
}
