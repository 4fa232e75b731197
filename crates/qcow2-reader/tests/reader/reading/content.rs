//! What right images give: exact bytes, exact extents, at any place.

use crate::common::{
    FILE, L1, L2_FIRST, L2_SECOND, SIZE, TINY_CACHES, base, base_disk, base_v2, from_pipe, naive,
    open, put, put32, put64, restored, unpacked,
};
use blockio::{Extent, ExtentKind, ReadAt, tiles};
use qcow2_reader::{Image, OpenOptions, read_header};

#[test]
fn both_versions_give_the_disk() {
    assert!(restored(base()).unwrap() == base_disk());
    let mut disk = base_disk();
    let image = base_v2();
    disk[1536..2048].copy_from_slice(&image[0x1000..0x1200]);
    assert!(restored(image).unwrap() == disk);
}

#[test]
fn extents_say_what_is_stored_zero_and_unused() {
    use ExtentKind::{Data, Unallocated, Zero};
    let image = open(base()).unwrap();
    let extents: Vec<Extent> = image.extents(0..u64::MAX).map(Result::unwrap).collect();
    let want = [
        (0..1024, Data),
        (1024..2048, Zero),
        (2048..2560, Unallocated),
        (2560..3584, Data),
        (3584..32_256, Unallocated),
        (32_256..32_768, Data),
        (32_768..39_936, Unallocated),
        (39_936..40_000, Data),
    ]
    .map(|(range, kind)| Extent::new(range, kind));
    assert_eq!(extents, want);
    assert!(tiles(extents, image.size()));
}

#[test]
fn every_range_reads_as_the_slice_of_the_disk() {
    let (image, disk) = (open(base()).unwrap(), base_disk());
    for length in [1usize, 2, 511, 512, 513, 5000] {
        for start in (0..SIZE - length).step_by(97).chain([SIZE - length]) {
            let mut bytes = vec![0xee; length];
            image
                .read_at(u64::try_from(start).unwrap(), &mut bytes)
                .unwrap();
            assert!(
                bytes == disk[start..start + length],
                "{length} bytes at {start}"
            );
        }
    }
    let mut whole = vec![0xee; SIZE];
    image.read_at(0, &mut whole).unwrap();
    assert!(whole == disk);
}

#[test]
fn reading_past_the_end_is_an_error_and_reading_nothing_is_not() {
    let image = open(base()).unwrap();
    let kind = |offset, length| {
        image
            .read_at(offset, &mut vec![0; length])
            .map_err(|error| error.kind())
    };
    assert_eq!(kind(40_000, 0), Ok(()));
    assert_eq!(kind(39_999, 1), Ok(()));
    for (offset, length) in [(39_999, 2), (40_000, 1), (u64::MAX, 1), (40_001, 0)] {
        assert_eq!(kind(offset, length), Err(std::io::ErrorKind::UnexpectedEof));
    }
}

#[test]
fn data_runs_follow_the_host_and_end_with_the_disk() {
    let image = open(base()).unwrap();
    assert_eq!(image.next_data(0).unwrap(), Some(0..1024));
    assert_eq!(image.next_data(1000).unwrap(), Some(1000..1024));
    assert_eq!(image.next_data(1024).unwrap(), Some(2560..3584));
    assert_eq!(image.next_data(3584).unwrap(), Some(32_256..32_768));
    assert_eq!(image.next_data(32_768).unwrap(), Some(39_936..40_000));
    let mut image = base();
    put64(&mut image, L2_SECOND + 14 * 8, 0);
    let image = open(image).unwrap();
    assert_eq!(image.next_data(32_768).unwrap(), None);
    assert_eq!(image.next_data(40_000).unwrap(), None);
    assert_eq!(image.next_data(u64::MAX).unwrap(), None);
}

#[test]
fn one_table_in_the_cache_gives_the_same_bytes() {
    let image = Image::open(base(), &TINY_CACHES).unwrap();
    let disk = base_disk();
    for start in [0usize, 39_990, 10, 39_980, 32_760] {
        let mut bytes = [0xee; 10];
        image
            .read_at(u64::try_from(start).unwrap(), &mut bytes)
            .unwrap();
        assert_eq!(bytes, disk[start..start + 10]);
    }
    let mut endless = OpenOptions::default();
    endless.l2_cache_bytes = u64::MAX;
    endless.cluster_cache_bytes = u64::MAX;
    assert_eq!(
        unpacked(&Image::open(base(), &endless).unwrap()).unwrap(),
        disk
    );
}

#[test]
fn many_threads_read_one_image() {
    let (image, disk) = (Image::open(base(), &TINY_CACHES).unwrap(), base_disk());
    std::thread::scope(|scope| {
        for thread in 0..4usize {
            let (image, disk) = (&image, &disk);
            scope.spawn(move || {
                for turn in 0..200usize {
                    let start = (turn * 7919 + thread * 104_729) % (SIZE - 600);
                    let mut bytes = [0xee; 600];
                    image
                        .read_at(u64::try_from(start).unwrap(), &mut bytes)
                        .unwrap();
                    assert!(bytes == disk[start..start + 600]);
                }
            });
        }
    });
}

#[test]
fn an_exact_size_cuts_the_rounded_one() {
    let mut image = base();
    put64(&mut image, 24, 40_448);
    put(&mut image, 104, b"Q2LN\0\0\0\x08");
    put64(&mut image, 112, 40_000);
    assert_eq!(read_header(&image).unwrap().size, 40_448);
    assert_eq!(open(image.clone()).unwrap().size(), 40_000);
    assert!(restored(image).unwrap() == base_disk());
}

#[test]
fn a_disk_of_no_bytes_is_read_without_tables() {
    let mut image = base();
    put64(&mut image, 24, 0);
    put32(&mut image, 36, 0);
    image.truncate(0x600);
    for l1_host in [0, 0x600, 1 << 40] {
        put64(&mut image, 40, l1_host);
        assert!(from_pipe(&image).unwrap().is_empty());
        let image = open(image.clone()).unwrap();
        assert_eq!((image.size(), image.extents(0..u64::MAX).count()), (0, 0));
        assert!(unpacked(&image).unwrap().is_empty());
    }
}

#[test]
fn the_file_may_end_behind_the_entries_in_use() {
    // As QEMU leaves a new image: the cluster of the L1 table is cut.
    let mut fresh = base();
    fresh.truncate(L1 + 16);
    put64(&mut fresh, L1, 0);
    put64(&mut fresh, L1 + 8, 0);
    assert!(restored(fresh).unwrap() == vec![0; SIZE]);
    // The same with the last L2 table: 15 of its entries map the disk.
    let mut image = base();
    let table = image[L2_SECOND..L2_SECOND + 14 * 8].to_vec();
    put64(&mut image, L1 + 8, 0x1800);
    image.resize(0x1800, 0);
    image.extend(table);
    image.extend(0u64.to_be_bytes());
    let mut disk = base_disk();
    disk[39_936..].fill(0);
    assert!(restored(image).unwrap() == disk);
}

#[test]
fn what_readers_may_ignore_is_ignored() {
    let same = |offset, value: &[u8]| {
        let mut image = base();
        put(&mut image, offset, value);
        assert!(restored(image).unwrap() == base_disk());
    };
    same(79, &[1]); // dirty
    same(87, &[0xff]); // compatible features
    same(88, &[0x80, 0, 0, 0, 0, 0, 0, 0x11]); // autoclear features
    same(36, &[0, 0, 0, 64]); // an L1 table with room to grow
    same(L1, &[0x7f, 0, 0, 0, 0, 0, 0x09, 0xff]); // reserved bits, no COPIED
    same(L2_FIRST, &[0x3f, 0, 0, 0, 0, 0, 0x0d, 0xfe]);
    same(L2_FIRST + 3 * 8, &(1 | 1u64 << 54).to_be_bytes()); // kept past the end
    same(0x200, &[0; 512]); // no refcounts at all

    let mut zstd = base();
    put64(&mut zstd, 72, 8);
    put32(&mut zstd, 100, 112);
    zstd[104] = 1;
    assert!(restored(zstd).unwrap() == base_disk());
}

#[test]
fn a_table_that_is_shared_maps_each_part_of_the_disk() {
    let mut image = base();
    put64(&mut image, L1 + 8, 0x800);
    let mut disk = base_disk();
    let (first, second) = disk.split_at_mut(32_768);
    let length = second.len();
    second.copy_from_slice(&first[..length]);
    let image = Image::open(image, &OpenOptions::default()).unwrap();
    // The short, last use first: it must not be taken for the whole table.
    let mut byte = [0];
    image.read_at(39_999, &mut byte).unwrap();
    assert_eq!(unpacked(&image).unwrap(), disk);
}

/// A sparse disk of the largest size that its clusters allow.
#[test]
fn huge_sparse_disks_are_walked_by_their_l1_table() {
    const MIB: usize = 1 << 20;
    let entries = 4 * MIB;
    let mut image = base();
    image.resize(2 * MIB, 0);
    put32(&mut image, 20, 21);
    put64(&mut image, 24, 1 << 61);
    put32(&mut image, 36, u32::try_from(entries).unwrap());
    put64(&mut image, 40, 2 << 20);
    put64(&mut image, 48, 0);
    put32(&mut image, 56, 0);
    let l1 = image.len();
    image.resize(l1 + entries * 8 + 4 * MIB, 0);
    let (table, data) = (34 * MIB, 36 * MIB);
    put64(
        &mut image,
        l1 + (entries - 1) * 8,
        u64::try_from(table).unwrap(),
    );
    put64(
        &mut image,
        table + 2 * MIB - 8,
        u64::try_from(data).unwrap(),
    );
    image[data..].fill(7);
    let image = open(image).unwrap();
    let extents: Vec<Extent> = image.extents(0..u64::MAX).map(Result::unwrap).collect();
    assert_eq!(
        extents,
        [
            Extent::new(0..(1 << 61) - (2 << 20), ExtentKind::Unallocated),
            Extent::new((1 << 61) - (2 << 20)..1 << 61, ExtentKind::Data),
        ]
    );
    let mut byte = [0];
    image.read_at((1 << 61) - 1, &mut byte).unwrap();
    assert_eq!(byte, [7]);
}

#[test]
fn the_base_is_what_it_is_said_to_be() {
    assert_eq!(base().len(), FILE);
    assert_eq!(naive(&base()), Some(base_disk()));
    let header = read_header(&base()).unwrap();
    assert_eq!((header.size, header.l1_entries), (40_000, 2));
}

#[test]
fn an_image_is_a_file_to_read_from_a_place() {
    use std::io::{Read, Seek, SeekFrom};
    let image = open(base()).unwrap();
    let mut whole = Vec::new();
    image.reader().read_to_end(&mut whole).unwrap();
    assert!(whole == base_disk());
    let mut reader = image.reader();
    reader.seek(SeekFrom::End(-70)).unwrap();
    let mut end = Vec::new();
    reader.read_to_end(&mut end).unwrap();
    assert!(end == base_disk()[SIZE - 70..]);
}
