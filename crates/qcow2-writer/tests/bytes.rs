//! Whole images, byte by byte, against layouts computed by hand.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use blockio::{Extent, ExtentKind, MemoryDisk};
use qcow2_format::{ClusterBits, RefcountOrder, Version};
use qcow2_writer::{
    Allocation, Compression, ImageWriter, PackOptions, PackReport, WriteOptions, pack,
};

use ExtentKind::{Data, Free, Zero};

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
    let mut options = *options;
    options.cluster_bits = ClusterBits::MIN;

    let report = pack(disk, extents, &target, &options).unwrap();
    (target.into_bytes(), report)
}

#[test]
fn written_piece_by_piece() {
    let target = MemoryDisk::default();
    let mut options = WriteOptions::default();
    options.size = DISK;
    options.cluster_bits = ClusterBits::MIN;

    let mut writer = ImageWriter::create(&target, &options).unwrap();
    writer.write_at(0xa000 + 3, b"second half").unwrap();
    writer.write_at(0x200, b"first half").unwrap();
    let (_, report) = writer.finish().unwrap();
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
        Extent::new(0x8000..0xa010, ExtentKind::Free),
        Extent::new(0xa010..0xa020, ExtentKind::Data),
        Extent::new(0xa020..0xa030, ExtentKind::Zero),
        Extent::new(0xa030..DISK, ExtentKind::Free),
    ];
    let mut options = PackOptions::default();
    options.version = Version::V2;

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
    let PackReport {
        disk_bytes,
        used_bytes,
        stored_bytes,
        stored_clusters,
        compressed_clusters,
        reflinked_bytes,
        image_bytes,
        ..
    } = report;
    let bytes = (
        disk_bytes,
        used_bytes,
        stored_bytes,
        reflinked_bytes,
        image_bytes,
    );
    assert_eq!(bytes, (DISK, 0x8020, 512, 0, 0xe00));
    assert_eq!((stored_clusters, compressed_clusters), (1, 0));
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
    let mut options = WriteOptions::default();
    options.size = 0x1_0001;
    options.cluster_bits = ClusterBits::MIN;
    options.refcount_order = RefcountOrder::new(0).unwrap();

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
fn exactly_what_is_in_use_in_clusters() {
    let mut disk = vec![0; 0x1_0000];
    disk[..4].copy_from_slice(b"data");
    disk[0x800..].fill(0xee);
    let extents = [
        Extent::new(0..0x200, Data),
        Extent::new(0x200..0x400, Zero),
        Extent::new(0x400..0x800, Data),
        Extent::new(0x800..0x8000, Free),
        Extent::new(0x8000..0x8200, Zero),
        Extent::new(0x8200..DISK, Free),
    ];
    let mut options = PackOptions::default();
    options.allocation = Allocation::Exact;

    let (packed, report) = pack_512(&disk, &extents, &options);
    assert_eq!((report.used_bytes, report.stored_clusters), (0xa00, 1));
    let want = image(
        0xe00,
        &[
            (0, b"\x51\x46\x49\xfb\0\0\0\x03"),
            (20, &[0, 0, 0, 9]),
            (24, &[0, 0, 0, 0, 0, 1, 0, 0]),
            (36, &[0, 0, 0, 2]),
            (40, &[0, 0, 0, 0, 0, 0, 0x02, 0]),
            (48, &[0, 0, 0, 0, 0, 0, 0x0c, 0]),
            (56, &[0, 0, 0, 1]),
            (96, &[0, 0, 0, 4]),
            (100, &[0, 0, 0, 112]),
            // Version 1, units of 512 bytes.
            (112, b"\x51\x32\x41\x4c\0\0\0\x08\0\0\0\x01\0\0\x02\0"),
            (0x200, &[0x80, 0, 0, 0, 0, 0, 0x04, 0]),
            (0x208, &[0x80, 0, 0, 0, 0, 0, 0x06, 0]),
            (0x400, &[0x80, 0, 0, 0, 0, 0, 0x08, 0]),
            // Zero flags: an extent of zeros, and data that is zeros.
            (0x408, &[0, 0, 0, 0, 0, 0, 0, 1]),
            (0x410, &[0, 0, 0, 0, 0, 0, 0, 1]),
            (0x418, &[0, 0, 0, 0, 0, 0, 0, 1]),
            (0x600, &[0, 0, 0, 0, 0, 0, 0, 1]),
            (0x800, b"data"),
            (0xa00, &[0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]),
            (0xc00, &[0, 0, 0, 0, 0, 0, 0x0a, 0]),
        ],
    );
    assert_eq!(packed, want);
}

/// Packs `disk` with an exact allocation in subclusters of 512 bytes.
fn pack_subclusters(disk: &[u8], extents: &[Extent], compression: Option<Compression>) -> Vec<u8> {
    let target = MemoryDisk::default();
    let mut options = PackOptions::default();
    options.cluster_bits = ClusterBits::MIN_EXTENDED_L2;
    options.extended_l2 = true;
    options.allocation = Allocation::Exact;
    options.compression = compression;

    pack(disk, extents, &target, &options).unwrap();
    target.into_bytes()
}

#[test]
fn exactly_what_is_in_use_in_subclusters() {
    let mut disk = vec![0xee; 0x8201];
    disk[..0x200].fill(0x11);
    disk[0x3e00..0x4000].fill(0x22);
    disk[0x8000..].fill(0x33);
    let extents = [
        Extent::new(0..0x200, Data),
        Extent::new(0x200..0x600, Zero),
        Extent::new(0x600..0x3e00, Free),
        Extent::new(0x3e00..0x4000, Data),
        Extent::new(0x4000..0x5000, Free),
        Extent::new(0x5000..0x8000, Zero),
        Extent::new(0x8000..0x8201, Data),
    ];
    let want = image(
        0x1_c000,
        &[
            (0, b"\x51\x46\x49\xfb\0\0\0\x03"),
            (20, &[0, 0, 0, 14]),
            (24, &[0, 0, 0, 0, 0, 0, 0x84, 0]),
            (36, &[0, 0, 0, 1]),
            (40, &[0, 0, 0, 0, 0, 0, 0x40, 0]),
            (48, &[0, 0, 0, 0, 0, 1, 0x80, 0]),
            (56, &[0, 0, 0, 1]),
            (72, &[0, 0, 0, 0, 0, 0, 0, 0x10]),
            (96, &[0, 0, 0, 4]),
            (100, &[0, 0, 0, 112]),
            (112, b"\x51\x32\x4c\x4e\0\0\0\x08\0\0\0\0\0\0\x82\x01"),
            (128, b"\x51\x32\x41\x4c\0\0\0\x08\0\0\0\x01\0\0\x02\0"),
            (0x4000, &[0x80, 0, 0, 0, 0, 0, 0x80, 0]),
            // Subclusters 0 and 31 with data, 1 and 2 zeros.
            (0x8000, &[0x80, 0, 0, 0, 0, 0, 0xc0, 0]),
            (0x8008, &[0, 0, 0, 0x06, 0x80, 0, 0, 0x01]),
            // No host cluster; subclusters 8 to 31 zeros.
            (0x8018, &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0]),
            (0x8020, &[0x80, 0, 0, 0, 0, 1, 0, 0]),
            (0x8028, &[0, 0, 0, 0, 0, 0, 0, 0x03]),
            (0xc000, &[0x11; 0x200]),
            (0xfe00, &[0x22; 0x200]),
            (0x1_0000, &[0x33; 0x201]),
            (0x1_4000, &[0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]),
            (0x1_8000, &[0, 0, 0, 0, 0, 1, 0x40, 0]),
        ],
    );
    assert!(pack_subclusters(&disk, &extents, None) == want);
}

#[test]
fn clusters_are_compressed_that_are_in_use_as_a_whole() {
    let disk = [[0x11; 0x4000], [0x22; 0x4000], [0x33; 0x4000]].concat();
    let extents = [
        Extent::new(0..0x3e00, Data),
        Extent::new(0x3e00..0x4000, Zero),
        Extent::new(0x4000..0x4200, Free),
        Extent::new(0x4200..0x8000, Data),
        Extent::new(0x8000..0xc000, Zero),
    ];
    for compression in common::compressions() {
        let packed = pack_subclusters(&disk, &extents, Some(compression));
        let entries = [
            // A stream of one sector at 0xc000, without a bitmap.
            [0x40, 0, 0, 0, 0, 0, 0xc0, 0],
            [0; 8],
            [0x80, 0, 0, 0, 0, 1, 0, 0],
            [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe],
            [0; 8],
            [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        ];
        assert_eq!(packed[0x8000..0x8030], *entries.as_flattened());
        assert_eq!(packed[0x1_0000..0x1_0200], [0; 0x200]);
        assert_eq!(packed[0x1_0200..0x1_4000], [0x22; 0x3e00]);
        let disk = [[0x11; 0x3e00].as_slice(), &[0; 0x400], &[0x22; 0x3e00]].concat();
        let naive = common::expand(&packed);
        assert!(naive.disk[..0x8000] == disk && naive.disk[0x8000..] == [0; 0x4000]);
    }
}

#[test]
fn a_disk_of_no_bytes_is_an_image_too() {
    let (packed, report) = pack_512(&[], &[], &PackOptions::default());
    assert_eq!((packed.len(), report.image_bytes), (0x800, 0x800));
    assert_eq!(common::expand(&packed).disk, []);
}
