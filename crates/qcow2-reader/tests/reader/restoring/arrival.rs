//! Images from a pipe whose tables and data come in any order.

use blockio::MemoryDisk;
use hostdisk::StreamTarget;
use qcow2_reader::{Arrival, ImageStream, OpenOptions, UnpackOptions};

use crate::common::{L1, L2_FIRST, L2_SECOND, base, base_disk, chain, put, put64};

/// Restores what arrives, in its order and in that of the disk, compares refcounts, and
/// says how it came.
fn arrives(image: &[u8]) -> (Arrival, Vec<u8>) {
    let open = || {
        let spool = MemoryDisk::default();
        let mut stream = ImageStream::open(image, spool, &OpenOptions::default()).unwrap();
        stream.check_references();
        stream
    };
    let mut ordered = open();
    ordered.write_in_order();
    let pipe = StreamTarget::new(Vec::new());
    ordered.unpack(&pipe, &UnpackOptions::default()).unwrap();
    let stream = open();
    let arrival = stream.arrival();
    let target = MemoryDisk::default();
    stream.unpack(&target, &UnpackOptions::default()).unwrap();
    let disk = target.into_bytes();
    assert!(pipe.into_inner() == disk, "in the order of the disk");
    (arrival, disk)
}

#[test]
fn data_before_its_table_and_data_that_is_used_twice_is_kept() {
    assert!(arrives(&base()) == (Arrival::AsItComes, base_disk()));
    // A table behind the data, with a refcount of its own.
    let behind = |mut image: Vec<u8>, table: usize| {
        let bytes = image[table..table + 512].to_vec();
        image.resize(0x1800, 0);
        image.extend(bytes);
        put(&mut image, 0x400 + 2 * 12, &[0, 1]);
        image
    };
    for (entry, table) in [(L1, L2_FIRST), (L1 + 8, L2_SECOND)] {
        let mut image = behind(base(), table);
        put64(&mut image, entry, 0x1800);
        assert!(arrives(&image) == (Arrival::AsItComes, base_disk()));
    }
    // The L1 table behind an L2 table.
    let mut image = behind(base(), L1);
    put64(&mut image, 40, 0x1800);
    assert!(arrives(&image) == (Arrival::AsItComes, base_disk()));
}

#[test]
fn what_is_used_more_often_than_it_is_counted_is_never_read_as_zeros() {
    // The second table, behind the data, names a cluster of the first.
    let mut image = base();
    let bytes = image[L2_SECOND..L2_SECOND + 512].to_vec();
    image.resize(0x1800, 0);
    image.extend(bytes);
    put(&mut image, 0x400 + 2 * 12, &[0, 1]);
    put64(&mut image, L1 + 8, 0x1800);
    put64(&mut image, 0x1800, 0x8000_0000_0000_0c00);
    let open = || {
        let spool = MemoryDisk::default();
        ImageStream::open(&image[..], spool, &OpenOptions::default()).unwrap()
    };
    let unpack = |stream: ImageStream<_, _>| {
        let unpacked = stream.unpack(&MemoryDisk::default(), &UnpackOptions::default());
        unpacked.map_err(|error| chain(&error)).unwrap_err()
    };
    assert_eq!(
        unpack(open()),
        "reading the data at host offset 0xc00: bytes 0xc00..0x1000 came from the pipe as data that nothing else uses, and were not kept: save the image to a file and unpack that"
    );
    let mut checked = open();
    checked.check_references();
    let file = qcow2_reader::Image::open(image.clone(), &OpenOptions::default()).unwrap();
    let error = file.check_references().unwrap_err();
    assert_eq!(unpack(checked), chain(&error));
    // Counted, it is kept.
    put(&mut image, 0x400 + 2 * 6, &[0, 2]);
    let mut disk = base_disk();
    disk.copy_within(0..512, 0x8000);
    assert!(arrives(&image) == (Arrival::AsItComes, disk));
}
