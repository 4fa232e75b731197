//! Whatever fails, and whenever: an error, and no image.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::convert::Infallible;
use std::num::NonZeroUsize;

use blockio::{Extent, ExtentKind, MemoryDisk, ReadAt};
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
    let options = WriteOptions {
        size: 1 << 20,
        cluster_bits: ClusterBits::MIN,
        l2_cache_tables: NonZeroUsize::MIN,
        ..WriteOptions::default()
    };
    let mut writer = ImageWriter::create(target, &options)?;
    for offset in [0, 700_000, 5_000, 300_000, 700_100] {
        writer.write_at(&[1; 1300], offset)?;
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
    let options = WriteOptions {
        size: 1 << 20,
        ..WriteOptions::default()
    };
    let mut writer = ImageWriter::create(&target, &options).unwrap();
    assert!(matches!(
        writer.write_at(&[1], 0),
        Err(Error::WriteImage {
            structure: "data",
            ..
        })
    ));
    assert!(matches!(writer.write_at(&[1], 0), Err(Error::Broken)));
    assert!(matches!(writer.finish(), Err(Error::Broken)));
}

/// Packs `disk`, compressed or not, with clusters of 1 KiB.
fn pack_whole(
    disk: &Vec<u8>,
    compression: Option<Compression>,
    target: &FailFrom<'_>,
) -> Result<(), Error> {
    let whole = Extent::new(0..disk.size(), ExtentKind::Data);
    let options = PackOptions {
        cluster_bits: ClusterBits::new(10).unwrap(),
        compression,
        ..PackOptions::default()
    };
    let extents = || [Ok::<_, Infallible>(whole)].into_iter();
    pack(disk, extents, target, &options).map(drop)
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
        let options = PackOptions {
            cluster_bits: ClusterBits::new(bits).unwrap(),
            extended_l2,
            allocation: Allocation::Exact,
            ..PackOptions::default()
        };
        let job = |target: &FailFrom<'_>| {
            let extents = || disk.extents.iter().copied().map(Ok::<_, Infallible>);
            pack(&disk.bytes, extents, target, &options).map(drop)
        };
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
