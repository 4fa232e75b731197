//! What `qemu-img` says of our images.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use blockio::{Extent, ExtentKind, MemoryDisk, ReadAt};
use common::Unit;
use hostdisk::{Target, TargetOptions};
use qcow2_format::{ClusterBits, RefcountOrder, Version};
use qcow2_writer::{Allocation, ImageWriter, PackOptions, WriteOptions, exact_geometry, pack};

use ExtentKind::{Data, Free, Zero};

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
fn qemu_img(arguments: &[&str], paths: &[&Path]) -> String {
    let output = Command::new("qemu-img")
        .args(arguments)
        .args(paths)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Asserts that `qemu-img` finds nothing wrong with `image`, and `disk` in it.
/// Returns its map of the image.
#[track_caller]
fn accepts(image: &[u8], disk: &[u8]) -> String {
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
    qemu_img(&["map", "-f", "qcow2", "--output=json"], &[&image_path])
}

/// A run of guest bytes in a `qemu-img map`.
#[derive(Debug)]
struct Mapped {
    guest: Range<u64>,
    unit: Unit,
}

impl Mapped {
    /// The run that a line of the map is about.
    fn of(line: &str) -> Self {
        let says = |what: &str| line.contains(what);
        let unit = match (says("\"present\": true"), says("\"zero\": true")) {
            (false, true) => Unit::Unallocated,
            (true, true) => Unit::Zeros,
            _ if says("\"compressed\": true") => Unit::Compressed,
            _ => Unit::Data,
        };
        assert_eq!(says("\"data\": true"), !says("\"zero\": true"), "{line}");
        let line = line.trim_matches(['[', ',', ']']);
        let start = fixtures::number(line, "start").unwrap();
        Self {
            guest: start..start + fixtures::number(line, "length").unwrap(),
            unit,
        }
    }
}

/// Asserts that `map` says of each unit what `image` says.
#[track_caller]
fn maps_the_same(map: &str, image: &[u8], unit_bytes: u64) {
    let naive = common::expand(image);
    let end = naive.size.next_multiple_of(512);
    let mut runs = map.lines().map(Mapped::of);
    let mut run = runs.next().unwrap();
    for (start, unit) in (0..end)
        .step_by(unit_bytes.try_into().unwrap())
        .zip(naive.units)
    {
        if start == run.guest.end {
            run = runs.next().unwrap();
        }
        assert_eq!(run.unit, unit, "{start:#x}");
        assert!(start + unit_bytes <= run.guest.end || run.guest.end == end);
    }
    assert!(run.guest.end == end && runs.next().is_none());
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
            Extent::new(4 << 20..(4 << 20) + 5000, ExtentKind::Free),
            Extent::new((4 << 20) + 5000..end, ExtentKind::Data),
        ];
        let target = MemoryDisk::default();
        let mut options = PackOptions::default();
        options.cluster_bits = ClusterBits::new(bits).unwrap();
        options.version = version;
        options.refcount_order = RefcountOrder::new(order).unwrap();

        pack(&disk, &extents, &target, &options).unwrap();
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
                let mut options = PackOptions::default();
                options.cluster_bits = ClusterBits::new(bits).unwrap();
                options.refcount_order = RefcountOrder::new(order).unwrap();
                options.compression = Some(compression);

                let extents = [whole];
                let report = pack(&disk, &extents, &target, &options).unwrap();
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
    let mut options = PackOptions::default();
    options.cluster_bits = ClusterBits::new(12).unwrap();
    options.version = Version::V2;
    options.compression = Some(common::compressions()[0]);

    let extents = [whole];
    pack(&disk, &extents, &target, &options).unwrap();
    accepts(&target.into_bytes(), &disk);
}

#[test]
fn exactly_what_is_in_use() {
    if !have_qemu_img() {
        return;
    }
    let shapes = [9, 12, 16].map(|bits| (bits, false));
    let with_subclusters = [14, 16, 17, 21].map(|bits| (bits, true));
    for (bits, extended_l2) in shapes.into_iter().chain(with_subclusters) {
        let cluster_units = if extended_l2 { 32 } else { 1 };
        let unit_bytes = (1 << bits) / cluster_units;
        let mut runs = vec![
            (Data, 3, 7),
            (Zero, 40, 8),
            (Data, 1, 2),
            (Free, 9, 7),
            (Data, 2, 0),
            (Free, 1, 7),
            (Data, 40, 6),
            (Zero, 9, 1),
            (Data, 64, 1),
            (Free, 70, 1),
            (Data, 2, 1),
        ];
        if bits < 16 {
            // Tables without data.
            runs.splice(2..2, [(Zero, 9000, 1), (Free, 9000, 1)]);
        }
        for (kind, cut) in [(Data, 77), (Zero, 513), (Free, 0)] {
            runs.push((kind, 2, 5));
            let cut = cut.min(unit_bytes - 1);
            let disk = common::in_units::Disk::new(&runs, unit_bytes, cut);
            for compression in [None].into_iter().chain(common::compressions().map(Some)) {
                let mut options = PackOptions::default();
                options.cluster_bits = ClusterBits::new(bits).unwrap();
                options.extended_l2 = extended_l2;
                options.allocation = Allocation::Exact;
                options.compression = compression;

                let target = MemoryDisk::default();
                let report = pack(&disk.bytes, &disk.extents, &target, &options).unwrap();
                assert_eq!(report.compressed_clusters > 0, compression.is_some());
                let image = target.into_bytes();
                disk.is_said_by(&image, cluster_units, compression.is_some());
                let map = accepts(&image, &disk.content);
                maps_the_same(&map, &image, unit_bytes.try_into().unwrap());
            }
        }
    }
}

/// Ends of runs, and what they are, with equal neighbours joined.
fn joined(runs: impl Iterator<Item = (u64, Unit)>) -> Vec<(u64, Unit)> {
    let mut joined: Vec<(u64, Unit)> = Vec::new();
    for (end, unit) in runs {
        joined.pop_if(|last| last.1 == unit);
        joined.push((end, unit));
    }
    joined
}

/// A disk of ones, as long as it claims.
struct Ones(u64);

impl ReadAt for Ones {
    fn size(&self) -> u64 {
        self.0
    }
    fn read_at(&self, _: u64, bytes: &mut [u8]) -> std::io::Result<()> {
        bytes.fill(1);
        Ok(())
    }
}

/// Disks that clusters of one block cannot hold, with a run in use every 64 GiB.
#[test]
fn exactly_what_is_in_use_of_large_disks() {
    if !have_qemu_img() {
        return;
    }
    for (size, block_bytes, cluster_bytes) in [
        ((9 << 40) + 1536, 4096, 128 << 10),
        ((600 << 30) + 1536, 1024, 32 << 10),
    ] {
        let geometry = exact_geometry(size, block_bytes, RefcountOrder::DEFAULT).unwrap();
        assert_eq!(geometry.cluster_bits.bytes(), cluster_bytes);
        let mut extents = Vec::new();
        for start in (0..size).step_by(64 << 30) {
            let ends = [3, 5, 8, 64].map(|blocks| (start + blocks * block_bytes).min(size));
            let end = size.min(start + (64 << 30));
            let starts = [start].into_iter().chain(ends);
            let kinds = [Free, Zero, Data, Zero, Free];
            for ((start, end), kind) in starts.zip(ends.into_iter().chain([end])).zip(kinds) {
                if start < end {
                    extents.push(Extent::new(start..end, kind));
                }
            }
        }
        let mut options = PackOptions::default();
        options.cluster_bits = geometry.cluster_bits;
        options.extended_l2 = geometry.extended_l2;
        options.allocation = Allocation::Exact;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        let target = Target::create(&path, &TargetOptions::default()).unwrap();
        pack(&Ones(size), &extents, &target, &options).unwrap();
        target.commit().unwrap();
        qemu_img(&["check", "-f", "qcow2"], &[&path]);
        let map = qemu_img(&["map", "-f", "qcow2", "--output=json"], &[&path]);
        let unit = |extent: &Extent| match extent.kind {
            Data => Unit::Data,
            Zero => Unit::Zeros,
            _ => Unit::Unallocated,
        };
        let want = joined(extents.iter().map(|extent| (extent.end(), unit(extent))));
        let got = map.lines().map(Mapped::of);
        assert_eq!(joined(got.map(|run| (run.guest.end, run.unit))), want);
    }
}

#[test]
fn written_backwards_through_one_table() {
    if !have_qemu_img() {
        return;
    }
    let shapes = [(9, false), (12, false), (16, false), (14, true), (17, true)];
    for (bits, extended_l2) in shapes {
        let mut disk = common::noise(3_000_000);
        let target = MemoryDisk::default();
        let mut options = WriteOptions::default();
        options.size = 3_000_000;
        options.cluster_bits = ClusterBits::new(bits).unwrap();
        options.extended_l2 = extended_l2;
        options.l2_cache_tables = NonZeroUsize::MIN;

        let mut writer = ImageWriter::create(&target, &options).unwrap();
        for (index, part) in disk.chunks_mut(77_777).enumerate().rev() {
            let start = u64::try_from(index * 77_777).unwrap();
            if index % 3 == 0 {
                part.fill(0);
            }
            writer.write_at(start, part).unwrap();
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
        let mut options = WriteOptions::default();
        options.size = size;
        options.cluster_bits = ClusterBits::new(bits).unwrap();

        ImageWriter::create(&target, &options)
            .unwrap()
            .finish()
            .unwrap();
        accepts(&target.into_bytes(), &vec![0; size.try_into().unwrap()]);
    }
}
