//! What `qemu-img` says of our images.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::convert::Infallible;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;

use blockio::{Extent, ExtentKind, MemoryDisk};
use qcow2_format::{ClusterBits, RefcountOrder, Version};
use qcow2_writer::{ImageWriter, PackOptions, WriteOptions, pack};

/// Whether `qemu-img` is here; where tests must not be skipped, it is an error
/// if not.
fn have_qemu_img() -> bool {
    if Command::new("qemu-img").arg("--version").output().is_ok() {
        return true;
    }
    assert_ne!(
        std::env::var("CI").as_deref(),
        Ok("true"),
        "qemu-img is missing"
    );
    eprintln!("SKIPPED: qemu-img is missing");
    false
}

#[track_caller]
fn qemu_img(arguments: &[&str], paths: &[&Path]) {
    let output = Command::new("qemu-img")
        .args(arguments)
        .args(paths)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

/// Asserts that `qemu-img` finds nothing wrong with `image`, and `disk` in it.
#[track_caller]
fn accepts(image: &[u8], disk: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let (image_path, raw_path) = (folder.path().join("image"), folder.path().join("raw"));
    fs::write(&image_path, image).unwrap();
    qemu_img(&["check", "-f", "qcow2"], &[&image_path]);
    qemu_img(
        &["convert", "-f", "qcow2", "-O", "raw"],
        &[&image_path, &raw_path],
    );
    let mut raw = fs::read(&raw_path).unwrap();
    assert_eq!(raw.len(), disk.len().next_multiple_of(512));
    raw.truncate(disk.len());
    assert!(raw == disk);
}

#[test]
fn packed() {
    if !have_qemu_img() {
        return;
    }
    let shapes = [(Version::V2, 4), (Version::V3, 0), (Version::V3, 6)];
    for (bits, (version, order)) in (9..=21).zip(shapes.into_iter().cycle()) {
        let mut disk = common::noise((5 << 20) + 77);
        // A hole in what is used, which needs no table with small clusters.
        disk[1 << 20..3 << 20].fill(0);
        let end = disk.len().try_into().unwrap();
        let extents = [
            Extent::new(0..4 << 20, ExtentKind::Data),
            Extent::new(4 << 20..(4 << 20) + 5000, ExtentKind::Unused),
            Extent::new((4 << 20) + 5000..end, ExtentKind::Data),
        ];
        let target = MemoryDisk::default();
        let options = PackOptions {
            cluster_bits: ClusterBits::new(bits).unwrap(),
            version,
            refcount_order: RefcountOrder::new(order).unwrap(),
            ..PackOptions::default()
        };
        let extents = || extents.into_iter().map(Ok::<_, Infallible>);
        pack(&disk, extents, &target, &options).unwrap();
        disk[4 << 20..(4 << 20) + 5000].fill(0);
        accepts(&target.into_bytes(), &disk);
    }
}

#[test]
fn compressed() {
    if !have_qemu_img() {
        return;
    }
    for bits in [9, 12, 16, 21] {
        let disk = common::mixed(1 << bits, 77);
        let whole = Extent::new(0..disk.len().try_into().unwrap(), ExtentKind::Data);
        let mut orders = [0, 1, 2, 3, 4, 5, 6].into_iter().cycle();
        for compression in common::compressions() {
            for order in orders.by_ref().take(3) {
                let target = MemoryDisk::default();
                let options = PackOptions {
                    cluster_bits: ClusterBits::new(bits).unwrap(),
                    refcount_order: RefcountOrder::new(order).unwrap(),
                    compression: Some(compression),
                    ..PackOptions::default()
                };
                let extents = || [Ok::<_, Infallible>(whole)].into_iter();
                let report = pack(&disk, extents, &target, &options).unwrap();
                assert!(report.compressed_clusters > 0);
                assert!(report.compressed_clusters < report.stored_clusters);
                accepts(&target.into_bytes(), &disk);
            }
        }
    }
}

#[test]
fn compressed_in_version_2() {
    if !have_qemu_img() {
        return;
    }
    let disk = common::mixed(1 << 12, 0);
    let whole = Extent::new(0..disk.len().try_into().unwrap(), ExtentKind::Data);
    let target = MemoryDisk::default();
    let options = PackOptions {
        cluster_bits: ClusterBits::new(12).unwrap(),
        version: Version::V2,
        compression: Some(common::compressions()[0]),
        ..PackOptions::default()
    };
    let extents = || [Ok::<_, Infallible>(whole)].into_iter();
    pack(&disk, extents, &target, &options).unwrap();
    accepts(&target.into_bytes(), &disk);
}

#[test]
fn written_backwards_through_one_table() {
    if !have_qemu_img() {
        return;
    }
    for bits in [9, 12, 16] {
        let mut disk = common::noise(3_000_000);
        let target = MemoryDisk::default();
        let options = WriteOptions {
            size: 3_000_000,
            cluster_bits: ClusterBits::new(bits).unwrap(),
            l2_cache_tables: NonZeroUsize::MIN,
            ..WriteOptions::default()
        };
        let mut writer = ImageWriter::create(&target, &options).unwrap();
        for (index, part) in disk.chunks_mut(77_777).enumerate().rev() {
            let start = u64::try_from(index * 77_777).unwrap();
            if index % 3 == 0 {
                part.fill(0);
            }
            writer.write_at(part, start).unwrap();
        }
        writer.finish().unwrap();
        accepts(&target.into_bytes(), &disk);
    }
}

#[test]
fn empty() {
    if !have_qemu_img() {
        return;
    }
    for (size, bits) in [(0, 9), (0, 16), (1, 16), (512, 21), (10 << 20, 9)] {
        let target = MemoryDisk::default();
        let options = WriteOptions {
            size,
            cluster_bits: ClusterBits::new(bits).unwrap(),
            ..WriteOptions::default()
        };
        ImageWriter::create(&target, &options)
            .unwrap()
            .finish()
            .unwrap();
        accepts(&target.into_bytes(), &vec![0; size.try_into().unwrap()]);
    }
}
