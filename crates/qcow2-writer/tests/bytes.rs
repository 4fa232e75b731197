//! Whole images, byte by byte, against layouts computed by hand.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::convert::Infallible;

use blockio::{Extent, ExtentKind, MemoryDisk};
use qcow2_format::{ClusterBits, RefcountOrder, Version};
use qcow2_writer::{ImageWriter, PackOptions, PackReport, WriteOptions, pack};

/// Bytes at offsets, in an image of `length` bytes that is zeros elsewhere.
fn image(length: usize, parts: &[(usize, &[u8])]) -> Vec<u8> {
    let mut image = vec![0; length];
    for (at, bytes) in parts {
        image[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    image
}

/// A disk of 64 KiB has two L1 entries with clusters of 512 bytes, for 32 KiB
/// each.
const DISK: u64 = 0x1_0000;

fn pack_512(disk: &[u8], extents: &[Extent], options: &PackOptions<'_>) -> (Vec<u8>, PackReport) {
    let target = MemoryDisk::default();
    let options = PackOptions {
        cluster_bits: ClusterBits::MIN,
        ..*options
    };
    let extents = || extents.iter().copied().map(Ok::<_, Infallible>);
    let report = pack(disk, extents, &target, &options).unwrap();
    (target.into_bytes(), report)
}

#[test]
fn written_piece_by_piece() {
    let target = MemoryDisk::default();
    let options = WriteOptions {
        size: DISK,
        cluster_bits: ClusterBits::MIN,
        ..WriteOptions::default()
    };
    let mut writer = ImageWriter::create(&target, &options).unwrap();
    writer.write_at(b"second half", 0xa000 + 3).unwrap();
    writer.write_at(b"first half", 0x200).unwrap();
    let report = writer.finish().unwrap();
    assert_eq!(report.image_bytes, 0x1000);
    let want = image(
        0x1000,
        &[
            (0, b"\x51\x46\x49\xfb\0\0\0\x03"),
            (20, &[0, 0, 0, 9]),
            (24, &[0, 0, 0, 0, 0, 1, 0, 0]),
            (36, &[0, 0, 0, 2]),
            (40, &[0, 0, 0, 0, 0, 0, 0x02, 0]),
            (48, &[0, 0, 0, 0, 0, 0, 0x0e, 0]),
            (56, &[0, 0, 0, 1]),
            (96, &[0, 0, 0, 4]),
            (100, &[0, 0, 0, 112]),
            // L1: the table of the second half was needed first.
            (0x200, &[0x80, 0, 0, 0, 0, 0, 0x08, 0]),
            (0x208, &[0x80, 0, 0, 0, 0, 0, 0x04, 0]),
            // L2 of the second half: entry 16 is guest 0xa000.
            (0x400 + 16 * 8, &[0x80, 0, 0, 0, 0, 0, 0x06, 0]),
            (0x600 + 3, b"second half"),
            (0x800 + 8, &[0x80, 0, 0, 0, 0, 0, 0x0a, 0]),
            (0xa00, b"first half"),
            // Eight refcounts of one.
            (0xc00, &[0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]),
            (0xe00, &[0, 0, 0, 0, 0, 0, 0x0c, 0]),
        ],
    );
    assert_eq!(target.into_bytes(), want);
}

#[test]
fn packed_with_an_unused_table_in_version_2() {
    let mut disk = vec![0; 0x1_0000];
    // Stale bytes around what is used; nothing in the first half.
    disk[0x8000..].fill(0xee);
    disk[0xa010..0xa020].copy_from_slice(b"sixteen used 16b");
    let extents = [
        Extent::new(0..0x8000, ExtentKind::Data),
        Extent::new(0x8000..0xa010, ExtentKind::Unused),
        Extent::new(0xa010..0xa020, ExtentKind::Data),
        Extent::new(0xa020..0xa030, ExtentKind::Zero),
        Extent::new(0xa030..DISK, ExtentKind::Unused),
    ];
    let options = PackOptions {
        version: Version::V2,
        ..PackOptions::default()
    };
    let (packed, report) = pack_512(&disk, &extents, &options);
    let want = image(
        0xe00,
        &[
            (0, b"\x51\x46\x49\xfb\0\0\0\x02"),
            (20, &[0, 0, 0, 9]),
            (24, &[0, 0, 0, 0, 0, 1, 0, 0]),
            (36, &[0, 0, 0, 2]),
            (40, &[0, 0, 0, 0, 0, 0, 0x02, 0]),
            (48, &[0, 0, 0, 0, 0, 0, 0x0c, 0]),
            (56, &[0, 0, 0, 1]),
            // The table of the first half, at 0x400, was not needed.
            (0x208, &[0x80, 0, 0, 0, 0, 0, 0x06, 0]),
            (0x600 + 16 * 8, &[0x80, 0, 0, 0, 0, 0, 0x08, 0]),
            (0x810, b"sixteen used 16b"),
            (0xa00, &[0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1]),
            (0xc00, &[0, 0, 0, 0, 0, 0, 0x0a, 0]),
        ],
    );
    assert_eq!(packed, want);
    let want = PackReport {
        disk_bytes: DISK,
        used_bytes: 0x8020,
        stored_bytes: 512,
        stored_clusters: 1,
        compressed_clusters: 0,
        shared_bytes: 0,
        image_bytes: 0xe00,
    };
    assert_eq!(report, want);
}

#[test]
fn tables_that_nobody_needed_take_no_room_at_the_end() {
    let zeros = vec![0; 0x1_0000];
    let extents = [Extent::new(0..DISK, ExtentKind::Data)];
    let (packed, report) = pack_512(&zeros, &extents, &PackOptions::default());
    assert_eq!(
        (report.used_bytes, report.stored_bytes, report.image_bytes),
        (DISK, 0, 0x800)
    );
    assert_eq!(packed[0x400..0x40a], [0, 1, 0, 1, 0, 1, 0, 1, 0, 0]);
}

#[test]
fn an_odd_length_is_kept_beside_the_rounded_one() {
    let target = MemoryDisk::default();
    let options = WriteOptions {
        size: 0x1_0001,
        cluster_bits: ClusterBits::MIN,
        refcount_order: RefcountOrder::new(0).unwrap(),
        ..WriteOptions::default()
    };
    ImageWriter::create(&target, &options)
        .unwrap()
        .finish()
        .unwrap();
    let want = image(
        0x800,
        &[
            (0, b"\x51\x46\x49\xfb\0\0\0\x03"),
            (20, &[0, 0, 0, 9]),
            (24, &[0, 0, 0, 0, 0, 1, 2, 0]),
            (36, &[0, 0, 0, 3]),
            (40, &[0, 0, 0, 0, 0, 0, 0x02, 0]),
            (48, &[0, 0, 0, 0, 0, 0, 0x06, 0]),
            (56, &[0, 0, 0, 1]),
            (100, &[0, 0, 0, 112]),
            (112, b"\x51\x32\x4c\x4e\0\0\0\x08\0\0\0\0\0\x01\0\x01"),
            // Four refcounts of one bit.
            (0x400, &[0x0f]),
            (0x600, &[0, 0, 0, 0, 0, 0, 0x04, 0]),
        ],
    );
    assert_eq!(target.into_bytes(), want);
}

#[test]
fn a_disk_of_no_bytes_is_an_image_too() {
    let (packed, report) = pack_512(&[], &[], &PackOptions::default());
    assert_eq!((packed.len(), report.image_bytes), (0x800, 0x800));
    assert_eq!(common::expand(&packed).disk, []);
}
