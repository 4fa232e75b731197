//! Internal snapshots and bitmaps: the tables beside the disk.

use crate::common::{
    FILE, base, base_disk, chain, open, put, put32, put64, refuses_image, restored, unpacked,
};
use blockio::MemoryDisk;
use qcow2_reader::ErrorKind::{Corrupt, Limit, NotFound};
use qcow2_reader::{
    Arrival, Error, Image, ImageStream, OpenOptions, UnpackOptions, read_bitmaps, read_header,
    read_snapshots,
};

const TABLE: usize = 0x1800;
const SNAPSHOT_L1: usize = 0x1a00;
const SNAPSHOT_L2: usize = 0x1c00;
/// Offset of the second entry: 40 bytes, 16 of extra data, ID and name.
const SECOND: usize = TABLE + 64;

/// The image of [`base`] with two snapshots. The first is named like the ID of
/// the second. The second has a disk of 3000 bytes, and a cluster of VM state
/// at 32768, behind what the first L1 entry maps.
fn image() -> Vec<u8> {
    let mut image = base();
    image.resize(0x1e00, 0);
    put32(&mut image, 60, 2);
    put64(&mut image, 64, 0x1800);
    put64(&mut image, TABLE, 0x600);
    put32(&mut image, TABLE + 8, 2);
    put(&mut image, TABLE + 12, &[0, 1, 0, 2]);
    put32(&mut image, TABLE + 36, 16);
    put64(&mut image, TABLE + 48, 40_000);
    put(&mut image, TABLE + 56, b"172");

    put64(&mut image, SECOND, 0x1a00);
    put32(&mut image, SECOND + 8, 2);
    put(&mut image, SECOND + 12, &[0, 2, 0, 3]);
    put32(&mut image, SECOND + 16, 1000);
    put32(&mut image, SECOND + 32, 7);
    put32(&mut image, SECOND + 36, 24);
    put64(&mut image, SECOND + 40, 512);
    put64(&mut image, SECOND + 48, 3000);
    put64(&mut image, SECOND + 56, 5);
    put(&mut image, SECOND + 64, b"72two");
    put64(&mut image, SNAPSHOT_L1, 0x1c00);
    put64(&mut image, SNAPSHOT_L1 + 8, 0x0a00);
    put64(&mut image, SNAPSHOT_L2 + 8, 0x0c00);
    put64(&mut image, SNAPSHOT_L2 + 5 * 8, 0x1200);
    image
}

/// [`image`] with an L1 table of its own for the first snapshot, and refcounts.
pub(crate) fn counted() -> Vec<u8> {
    let mut image = image();
    image.resize(0x2000, 0);
    put64(&mut image, TABLE, 0x1e00);
    put64(&mut image, 0x1e00, 0x0800);
    put64(&mut image, 0x1e08, 0x0a00);
    // The L2 tables at 0x800 and 0xa00, what they map, and what else there is.
    let refcounts = [2, 3, 3, 4, 2, 3, 2, 3, 1, 1, 1, 1];
    for (cluster, refcount) in (4..).zip(refcounts) {
        image[0x400 + 2 * cluster + 1] = refcount;
    }
    image
}

fn open_snapshot(image: Vec<u8>, name: &str) -> Result<Image<Vec<u8>>, Error> {
    let mut options = OpenOptions::default();
    options.snapshot = Some(name.into());
    Image::open(image, &options)
}

#[test]
fn the_disk_of_a_snapshot_has_its_own_size_and_no_vm_state() {
    assert!(restored(image()).unwrap() == base_disk());
    let base = base_disk();
    let mut second = vec![0; 3000];
    second[512..1024].copy_from_slice(&base[..512]);
    second[2560..3000].copy_from_slice(&base[2560..3000]);
    for name in ["72", "two"] {
        let opened = open_snapshot(image(), name).unwrap();
        assert_eq!(opened.size(), 3000);
        assert!(unpacked(&opened).unwrap() == second, "{name}");
    }
    let opened = open_snapshot(image(), "1").unwrap();
    assert!(unpacked(&opened).unwrap() == base);
}

#[test]
fn what_no_entry_of_a_snapshots_l1_table_maps_is_unallocated() {
    let mut image = image();
    put64(&mut image, SECOND + 48, 40_000);
    put32(&mut image, SECOND + 8, 1);
    let disk = unpacked(&open_snapshot(image, "two").unwrap()).unwrap();
    assert_eq!(disk.len(), 40_000);
    assert!(disk[3072..].iter().all(|&byte| byte == 0));
}

#[test]
fn snapshots_are_listed() {
    let image = image();
    let header = read_header(&image).unwrap();
    let [first, second] = <[_; 2]>::try_from(read_snapshots(&image, &header).unwrap()).unwrap();
    assert_eq!((&*first.id, &*first.name), (&b"1"[..], &b"72"[..]));
    assert_eq!((&*second.id, &*second.name), (&b"72"[..], &b"two"[..]));
    assert_eq!((second.vm_state_bytes, second.disk_size), (512, Some(3000)));
    assert_eq!(
        (second.date_seconds, second.instruction_count),
        (1000, Some(5))
    );
    assert_eq!(read_bitmaps(&image, &header).unwrap(), []);
}

#[test]
fn wrong_snapshot_tables_are_refused_with_their_place() {
    let patched = |offset: usize, patch: &[u8]| {
        let mut image = image();
        put(&mut image, offset, patch);
        image
    };
    refuses_image(
        patched(SECOND + 36, &[0, 0, 4, 1]),
        Limit,
        "snapshot table at host offset 0x1800: snapshot table entry 1: extra data length is 1025, must be 0 to 1024",
    );
    refuses_image(
        patched(64, &0x1e00u64.to_be_bytes()),
        Corrupt,
        "snapshot table at host offset 0x1e00 ends at 0x1e28, past the end of the file at 0x1e00: the image is truncated",
    );
    let mut cut = image();
    cut.truncate(SECOND + 66);
    refuses_image(
        cut,
        Corrupt,
        "snapshot table at host offset 0x1840 ends at 0x1885, past the end of the file at 0x1882: the image is truncated",
    );
}

#[test]
fn a_wrong_snapshot_is_no_matter_until_it_is_read() {
    let refuses = |offset: usize, value: u64, kind, message: &str| {
        let mut image = image();
        put64(&mut image, offset, value);
        assert!(restored(image.clone()).unwrap() == base_disk());
        let error = open_snapshot(image, "two").unwrap_err();
        assert_eq!((error.kind(), &*chain(&error)), (kind, message));
    };
    refuses(
        SECOND,
        0x1a10,
        Corrupt,
        "snapshot table at host offset 0x1800: snapshot table entry 1: offset 0x1a10 must be a multiple of 0x200",
    );
    refuses(
        SECOND + 8,
        0x0040_0001_0002_0003,
        Limit,
        "snapshot table at host offset 0x1800: snapshot table entry 1: l1_size is 4194305, must be 0 to 4194304",
    );
    refuses(
        SECOND + 48,
        1 << 60,
        Limit,
        "snapshot table entry 1: the disk has 1152921504606846976 bytes, must have at most 137438953472",
    );
    refuses(
        SECOND,
        0x1_0000,
        Corrupt,
        "L1 table at host offset 0x10000, for guest bytes 0x0..0xbb8, ends at 0x10008, past the end of the file at 0x1e00: the image is truncated",
    );
}

#[test]
fn a_snapshot_that_is_not_there_is_told_and_one_from_a_pipe_is_read() {
    let error = open_snapshot(image(), "three").unwrap_err();
    assert_eq!(
        (error.kind(), &*chain(&error)),
        (NotFound, "the image has no snapshot \"three\"")
    );
    let mut options = OpenOptions::default();
    options.snapshot = Some(b"two".to_vec());
    let bytes = image();
    let stream = ImageStream::open(&*bytes, MemoryDisk::default(), &options).unwrap();
    assert_eq!(stream.arrival(), Arrival::Whole);
    let target = MemoryDisk::default();
    stream.unpack(&target, &UnpackOptions::default()).unwrap();
    let file = open_snapshot(bytes, "two").unwrap();
    assert!(target.into_bytes() == unpacked(&file).unwrap());
}

#[test]
fn wrong_bitmap_directories_are_refused_where_the_image_vouches_for_them() {
    // One bitmap of 9 granularity bits, named "b", without data.
    let mut image = base();
    image.resize(0x1a00, 0);
    image[95] = 1;
    put32(&mut image, 104, 0x2385_2875);
    put32(&mut image, 108, 24);
    put32(&mut image, 112, 1);
    put64(&mut image, 120, 32);
    put64(&mut image, 128, 0x1800);
    put64(&mut image, 0x1800, 0x200);
    put32(&mut image, 0x1808, 1);
    put(&mut image, 0x1810, &[1, 9, 0, 1]);
    image[0x1818] = b'b';
    let header = read_header(&image).unwrap();
    let bitmaps = read_bitmaps(&image, &header).unwrap();
    assert_eq!((bitmaps.len(), &*bitmaps[0].name), (1, &b"b"[..]));
    assert!(restored(image.clone()).unwrap() == base_disk());

    let mut wrong = image.clone();
    wrong[0x1810] = 2;
    let error = open(wrong.clone()).unwrap_err();
    assert!(chain(&error).starts_with("bitmap directory at host offset 0x1800: "));
    wrong[95] = 0;
    assert!(restored(wrong).unwrap() == base_disk());

    image.truncate(0x1810);
    assert!(image.len() > FILE);
    let error = open(image).unwrap_err();
    assert_eq!(
        chain(&error),
        "bitmap directory at host offset 0x1800 ends at 0x1820, past the end of the file at 0x1810: the image is truncated"
    );
}
