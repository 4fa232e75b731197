//! Extended L2 entries: clusters in 32 parts.

use crate::builder::{DEFLATE, compressed};
use crate::common::{
    chain, from_pipe, open, put, put32, put64, read, refuses_image, restored, unpacked,
};
use blockio::{Extent, ExtentKind, MemoryDisk, tiles};
use qcow2_reader::ErrorKind::Corrupt;
use qcow2_reader::{ImageStream, OpenOptions, UnpackOptions};

const CLUSTER: usize = 0x4000;
const SUB: usize = 512;
pub(crate) const L2: usize = 4 * CLUSTER;
pub(crate) const FIRST: usize = 5 * CLUSTER;
const SECOND: usize = 6 * CLUSTER;
/// Subclusters 0, 1 and 30 of the last cluster are data; the disk ends in 1.
const SIZE: usize = 4 * CLUSTER + SUB + 100;

/// ```text
/// 00000 header     04000 refcount table   08000 refcount block   0c000 L1
/// 10000 L2: [0] 14000, data 0 1 and 31, zero 8 to 15   [1] nowhere, zero 4
///           [2] unallocated   [3] compressed at 1c000   [4] 18000, data 0 1 30
/// 14000 18000 data   1c000 stream
/// ```
pub(crate) fn image() -> Vec<u8> {
    let mut image = vec![0; 7 * CLUSTER];
    put(&mut image, 0, b"QFI\xfb");
    put32(&mut image, 4, 3);
    put32(&mut image, 20, 14);
    put64(&mut image, 24, u64::try_from(SIZE).unwrap());
    put32(&mut image, 36, 1);
    put64(&mut image, 40, 0xc000);
    put64(&mut image, 48, 0x4000);
    put32(&mut image, 56, 1);
    image[79] = 16;
    put32(&mut image, 96, 4);
    put32(&mut image, 100, 104);
    put64(&mut image, 0x4000, 0x8000);
    for cluster in 0..8 {
        put(&mut image, 0x8000 + 2 * cluster, &[0, 1]);
    }
    put64(&mut image, 0xc000, 0x8000_0000_0001_0000);
    put64(&mut image, L2, 0x8000_0000_0001_4000);
    put64(&mut image, L2 + 8, 0x0000_ff00_8000_0003);
    put64(&mut image, L2 + 24, 0x0000_0010_0000_0000);
    put64(&mut image, L2 + 48, 0x4000_0000_0001_c000);
    put64(&mut image, L2 + 64, 0x8000_0000_0001_8000);
    put64(&mut image, L2 + 72, 0x0000_0000_4000_0003);
    for (at, byte) in image.iter_mut().enumerate().skip(FIRST) {
        *byte = pattern(at);
    }
    image.extend(compressed(DEFLATE, &[0x55; CLUSTER]));
    image.resize(7 * CLUSTER + SUB, 0);
    image
}

fn pattern(host: usize) -> u8 {
    u8::try_from(host % 251).unwrap() + 1
}

fn disk_over(mut disk: Vec<u8>) -> Vec<u8> {
    let mut stored = |guest: usize, host: usize, length: usize| {
        for at in 0..length {
            disk[guest + at] = pattern(host + at);
        }
    };
    stored(0, FIRST, 2 * SUB);
    stored(31 * SUB, FIRST + 31 * SUB, SUB);
    stored(4 * CLUSTER, SECOND, SUB + 100);
    disk[8 * SUB..16 * SUB].fill(0);
    disk[CLUSTER + 4 * SUB..CLUSTER + 5 * SUB].fill(0);
    disk[3 * CLUSTER..4 * CLUSTER].fill(0x55);
    disk
}

#[test]
fn subclusters_are_read_in_every_way() {
    let want = disk_over(vec![0; SIZE]);
    assert!(restored(image()).unwrap() == want);
    assert!(read(image()).unwrap() == want);
    assert!(from_pipe(&image()).unwrap() == want);

    let opened = open(image()).unwrap();
    for start in [
        0, 100, 511, 1023, 1024, 4000, 15_871, 15_872, 16_383, 65_536,
    ] {
        let mut part = vec![0xee; 600.min(SIZE - start)];
        blockio::ReadAt::read_at(&opened, u64::try_from(start).unwrap(), &mut part).unwrap();
        assert!(part == want[start..start + part.len()], "{start}");
    }
}

#[test]
fn extents_have_the_size_of_subclusters() {
    use ExtentKind::{Data, Unallocated, Zero};
    let opened = open(image()).unwrap();
    let extents: Vec<Extent> = opened.extents(0..u64::MAX).map(Result::unwrap).collect();
    let want = [
        (0..2, Data),
        (2..8, Unallocated),
        (8..16, Zero),
        (16..31, Unallocated),
        (31..32, Data),
        (32..36, Unallocated),
        (36..37, Zero),
        (37..96, Unallocated),
        (96..129, Data),
    ];
    let mut want: Vec<Extent> = want
        .map(|(range, kind)| Extent::new(range.start * 512..range.end * 512, kind))
        .to_vec();
    want.last_mut().unwrap().length += 100;
    assert_eq!(extents, want);
    assert!(tiles(extents, opened.size()));
}

#[test]
fn only_what_is_allocated_is_written() {
    let mut options = UnpackOptions::default();
    options.only_allocated = true;
    // Longer than the disk, and everything but zero.
    let old = vec![0xaa; SIZE + 5000];
    let want = [disk_over(vec![0xaa; SIZE]), vec![0xaa; 5000]].concat();

    let target = MemoryDisk::new(old.clone());
    let report = open(image()).unwrap().unpack(&target, &options).unwrap();
    assert!(target.into_bytes() == want);
    assert_eq!(report.disk_bytes, u64::try_from(SIZE).unwrap());

    let target = MemoryDisk::new(old.clone());
    let bytes = image();
    let stream = ImageStream::open(&*bytes, MemoryDisk::default(), &OpenOptions::default());
    stream.unwrap().unpack(&target, &options).unwrap();
    assert!(target.into_bytes() == want);

    // The data in another order than the disk's.
    let mut swapped = image();
    put64(&mut swapped, L2, 0x8000_0000_0001_8000);
    put64(&mut swapped, L2 + 64, 0x8000_0000_0001_4000);
    let target = MemoryDisk::new(old.clone());
    let stream = ImageStream::open(&*swapped, MemoryDisk::default(), &OpenOptions::default());
    stream.unwrap().unpack(&target, &options).unwrap();
    let piped = target.into_bytes();
    let target = MemoryDisk::new(old);
    open(swapped).unwrap().unpack(&target, &options).unwrap();
    assert!(piped == target.into_bytes());
}

#[test]
fn wrong_subclusters_are_refused_with_their_place() {
    assert!(restored(image()).is_ok());
    let patched = |offset: usize, word: u64| {
        let mut image = image();
        put64(&mut image, offset, word);
        image
    };
    refuses_image(
        patched(L2 + 8, 0x0000_ff01_8000_0003),
        Corrupt,
        "L2 table at host offset 0x10000, guest offset 0x0: L2 table entry 0: subclusters 0x00000001 are both allocated and zero",
    );
    refuses_image(
        patched(L2 + 24, 0x0000_0010_0000_0100),
        Corrupt,
        "L2 table at host offset 0x10000, guest offset 0x4000: L2 table entry 1: subclusters 0x00000100 are allocated without a host offset",
    );
    // The whole entry is held to the rules, whatever is read of it.
    let opened = open(patched(L2 + 8, 0x8000_0000_8000_0003)).unwrap();
    assert!(blockio::ReadAt::read_at(&opened, 0, &mut [0; 10]).is_err());
    refuses_image(
        patched(L2, 0x8000_0000_0001_4200),
        Corrupt,
        "L2 table at host offset 0x10000, guest offset 0x0: L2 table entry 0: offset 0x14200 must be a multiple of 0x4000",
    );
    refuses_image(
        patched(L2, 0x8000_0000_0100_0000),
        Corrupt,
        "data at host offset 0x1000000, for guest bytes 0x0..0x400, ends at 0x1000400, past the end of the file at 0x1c200: the image is truncated",
    );
}

#[test]
fn a_file_may_end_behind_the_last_subcluster_that_is_there() {
    let mut image = image();
    // The compressed cluster becomes unallocated, and the file ends early.
    put64(&mut image, L2 + 48, 0);
    image.truncate(SECOND + SUB + 100);
    let mut want = disk_over(vec![0; SIZE]);
    want[3 * CLUSTER..4 * CLUSTER].fill(0);
    assert!(unpacked(&open(image.clone()).unwrap()).unwrap() == want);
    image.truncate(SECOND + SUB + 99);
    let error = restored(image).unwrap_err();
    assert_eq!(
        chain(&error),
        "data at host offset 0x18000, for guest bytes 0x10000..0x10264, ends at 0x18264, past the end of the file at 0x18263: the image is truncated"
    );
}

#[test]
fn subclusters_in_front_of_a_pipes_tables_are_read() {
    let mut image = image();
    put64(&mut image, L2, 0x8000_0000_0000_8000);
    let want = unpacked(&open(image.clone()).unwrap());
    assert_eq!(
        from_pipe(&image).map_err(|error| chain(&error)),
        want.map_err(|error| chain(&error))
    );
}
