//! Whatever fails, and whenever: an error, and no image.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use blockio::{AllData, Extent, ExtentKind, MemoryDisk, OnProgress, ReadAt};
use common::FailFrom;
use common::in_units::Disk;
use qcow2_format::ClusterBits;
use qcow2_writer::{
    Allocation, Compression, Error, ErrorKind, ImageWriter, PackOptions, WriteOptions, pack,
};

/// Runs `job` on stores that fail at the first operation, at the second, and so
/// on, until it succeeds; returns how often it failed.
#[track_caller]
fn fails_at_every_operation(
    target: impl Fn() -> MemoryDisk,
    job: impl Fn(&FailFrom<'_>) -> Result<(), Error>,
) -> u64 {
    for operations in 0.. {
        let inner = target();
        let result = job(&FailFrom::new(&inner, operations));
        if result.is_ok() {
            common::expand(&inner.into_bytes());
            return operations;
        }
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Target);
        let bytes = inner.into_bytes();
        // The first operation makes a stale target one that holds no image.
        if operations > 0 && bytes.len() >= 4 {
            assert_ne!(bytes[..4], common::MAGIC, "after {operations} operations");
        }
    }
    unreachable!("some number of operations is enough")
}

fn write_some(target: &FailFrom<'_>) -> Result<(), Error> {
    let mut options = WriteOptions::default();
    options.size = 1 << 20;
    options.cluster_bits = ClusterBits::MIN;
    options.l2_cache_tables = NonZeroUsize::MIN;

    let mut writer = ImageWriter::create(target, &options)?;
    for offset in [0, 700_000, 5_000, 300_000, 700_100] {
        writer.write_at(offset, &[1; 1300])?;
    }
    writer.finish().map(drop)
}

#[test]
fn writing() {
    assert!(fails_at_every_operation(MemoryDisk::default, write_some) > 12);
    assert!(fails_at_every_operation(|| common::stale(1 << 20), write_some) > 20);
}

#[test]
fn an_error_does_not_go_away() {
    let inner = MemoryDisk::default();
    let target = FailFrom::new(&inner, 0);
    let mut options = WriteOptions::default();
    options.size = 1 << 20;

    let mut writer = ImageWriter::create(&target, &options).unwrap();
    assert!(matches!(
        writer.write_at(0, &[1]),
        Err(Error::WriteImage {
            structure: "data",
            ..
        })
    ));
    assert!(matches!(writer.write_at(0, &[1]), Err(Error::Broken)));
    assert!(matches!(writer.finish(), Err(Error::Broken)));
}

/// Packs `disk`, compressed or not, with clusters of 1 KiB.
fn pack_whole(
    disk: &Vec<u8>,
    compression: Option<Compression>,
    target: &FailFrom<'_>,
) -> Result<(), Error> {
    let whole = Extent::new(0..disk.size(), ExtentKind::Data);
    let mut options = PackOptions::default();
    options.cluster_bits = ClusterBits::new(10).unwrap();
    options.compression = compression;

    let extents = [whole];
    pack(disk, &extents, target, &options).map(drop)
}

#[test]
fn packing() {
    let disk: Vec<u8> = (0..3u32 << 20).map(|at| at.to_be_bytes()[2]).collect();
    let job = |target: &FailFrom<'_>| pack_whole(&disk, None, target);
    assert!(fails_at_every_operation(MemoryDisk::default, job) > 6);
    assert!(fails_at_every_operation(|| common::stale(4 << 20), job) > 6);
}

#[test]
fn packing_exactly() {
    let runs = [(ExtentKind::Data, 90, 1), (ExtentKind::Zero, 9000, 1)].repeat(3);
    let disk = Disk::new(&runs, 512, 5);
    for (bits, extended_l2) in [(9, false), (14, true)] {
        let mut options = PackOptions::default();
        options.cluster_bits = ClusterBits::new(bits).unwrap();
        options.extended_l2 = extended_l2;
        options.allocation = Allocation::Exact;

        let job =
            |target: &FailFrom<'_>| pack(&disk.bytes, &disk.extents, target, &options).map(drop);
        assert!(fails_at_every_operation(MemoryDisk::default, job) > 6);
        assert!(fails_at_every_operation(|| common::stale(4 << 20), job) > 6);
    }
}

#[test]
fn packing_compressed() {
    let disk = common::mixed(1 << 10, 300);
    for compression in common::compressions() {
        let job = |target: &FailFrom<'_>| pack_whole(&disk, Some(compression), target);
        assert!(fails_at_every_operation(MemoryDisk::default, job) > 12);
        assert!(fails_at_every_operation(|| common::stale(4 << 20), job) > 12);
    }
}

/// Packs with `job` and stops at the first call of its progress, then at the second,
/// and so on; returns how many calls there are. Each time it must fail as stopped, and
/// `target` must hold no image.
fn stops_at_every_call(
    target: impl Fn() -> MemoryDisk,
    job: impl Fn(&MemoryDisk, OnProgress<'_>) -> Result<(), Error>,
) -> usize {
    for calls in 0.. {
        let left = AtomicUsize::new(calls);
        let on_progress = |_| match left.load(Ordering::Relaxed) {
            0 => ControlFlow::Break(()),
            more => {
                left.store(more - 1, Ordering::Relaxed);
                ControlFlow::Continue(())
            }
        };
        let target = target();
        match job(&target, &on_progress) {
            Ok(()) => {
                assert_eq!(left.into_inner(), 0);
                assert_eq!(target.into_bytes()[..4], common::MAGIC);
                return calls;
            }
            Err(error) => {
                assert!(matches!(error, Error::Stopped), "{error}");
                assert_eq!(
                    (error.kind(), error.to_string().as_str()),
                    (ErrorKind::Stopped, "stopped")
                );
                let image = target.into_bytes();
                assert!(image.iter().take(512).all(|byte| *byte == 0), "{calls}");
            }
        }
    }
    unreachable!()
}

#[test]
fn what_is_stopped_is_no_image() {
    // Progress is told at 16, 32 and 34 MiB.
    let disk = vec![3; 34 << 20];
    for stale in [0, 4 << 20] {
        for compression in [None].into_iter().chain(common::compressions().map(Some)) {
            let calls = stops_at_every_call(
                || common::stale(stale),
                |target, on_progress| {
                    let mut options = PackOptions::default();
                    options.compression = compression;
                    options.progress = Some(on_progress);
                    pack(&disk, &AllData, target, &options).map(drop)
                },
            );
            assert_eq!(calls, 3);
        }
    }
    // Nothing is read, and progress is told all the same.
    let job = |target: &MemoryDisk, on_progress: OnProgress<'_>| {
        let mut options = PackOptions::default();
        options.progress = Some(on_progress);
        pack(
            &vec![7; 9],
            &[Extent::new(0..9, ExtentKind::Free)],
            target,
            &options,
        )
        .map(drop)
    };
    assert_eq!(stops_at_every_call(MemoryDisk::default, job), 1);
}
