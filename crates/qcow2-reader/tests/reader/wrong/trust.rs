//! Refcounts, and clusters with two uses.

use crate::builder::{DEFLATE, mixed_counted};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::{
    L1, L2_FIRST, L2_SECOND, base, base_disk, chain, open, put, put32, put64, restored,
};
use blockio::{MemoryDisk, ReadAt};
use qcow2_reader::ErrorKind::{Corrupt, Limit};
use qcow2_reader::{Error, ErrorKind, Image, OpenOptions};

/// Offset of the refcount of the host cluster at `host` in [`base`].
fn refcount(host: usize) -> usize {
    0x400 + host / 512 * 2
}

fn check(image: Vec<u8>) -> Result<(), Error> {
    open(image).unwrap().check_references().map(drop)
}

#[track_caller]
fn refuses(offset: usize, patch: &[u8], kind: ErrorKind, message: &str) {
    check(base()).expect("the base must be right");
    let mut image = base();
    put(&mut image, offset, patch);
    let error = check(image.clone()).expect_err("this must be refused");
    assert_eq!((error.kind(), &*chain(&error)), (kind, message));
    // The refcounts of an image that was not closed may be stale.
    image[79] = 1;
    check(image).unwrap();
}

#[test]
fn what_is_used_more_often_than_it_is_counted_is_refused() {
    refuses(
        refcount(0x1200),
        &[0, 0],
        Corrupt,
        "data of guest offset 0xa00 at host offset 0x1200: used 1 times, but its refcount is 0",
    );
    refuses(
        refcount(0xe00),
        &[0, 1],
        Corrupt,
        "data of guest offset 0x200 at host offset 0xe00: used 2 times, but its refcount is 1: guest bytes 0x200..0x400 and 0x7e00..0x8000 share it, and what one of them had there was probably overwritten",
    );
    refuses(
        refcount(0xa00),
        &[0, 0],
        Corrupt,
        "L2 table of guest offset 0x8000 at host offset 0xa00: used 1 times, but its refcount is 0",
    );
    // A second L1 entry for the first table: all that it maps is used twice.
    refuses(
        L1 + 8,
        &0x800u64.to_be_bytes(),
        Corrupt,
        "L2 table of guest offset 0x0 at host offset 0x800: used 2 times, but its refcount is 1: guest bytes 0x0..0x8000 and 0x8000..0x9c40 share it, and what one of them had there was probably overwritten",
    );
    // More than it is used is a leak, and no danger.
    for cluster in 0..13 {
        let mut image = base();
        put(&mut image, 0x400 + 2 * cluster, &[0, 9]);
        check(image).unwrap();
    }
}

#[test]
fn clusters_with_two_uses_are_refused_whatever_is_counted() {
    let everything = |image: &mut Vec<u8>| {
        for cluster in 0..13 {
            put(image, 0x400 + 2 * cluster, &[0, 9]);
        }
    };
    let refuses = |offset: usize, host: u64, message: &str| {
        let mut image = base();
        everything(&mut image);
        check(image.clone()).unwrap();
        put64(&mut image, offset, host);
        let error = check(image).unwrap_err();
        assert_eq!((error.kind(), &*chain(&error)), (Corrupt, message));
    };
    refuses(
        L2_FIRST,
        0xa00,
        "host cluster at 0xa00 of guest offset 0x8000 is used both as data and as L2 table: guest bytes 0x8000..0x9c40 and 0x0..0x200 share it, and what one of them had there was probably overwritten",
    );
    refuses(
        L2_FIRST + 8,
        0x400,
        "host cluster at 0x400 of guest offset 0x200 is used both as data and as other metadata: what guest bytes 0x200..0x400 had there was probably overwritten",
    );
    refuses(
        L2_SECOND + 14 * 8,
        0x600,
        "host cluster at 0x600 of guest offset 0x9c00 is used both as data and as other metadata: what guest bytes 0x9c00..0x9c40 had there was probably overwritten",
    );
    refuses(
        L1 + 8,
        0x400,
        "host cluster at 0x400 of guest offset 0x8000 is used both as L2 table and as other metadata: what guest bytes 0x8000..0x9c40 had there was probably overwritten",
    );
}

#[test]
fn a_cluster_with_streams_is_no_data_whatever_is_counted() {
    let (mut image, data) = mixed_counted(9, DEFLATE, 12);
    check(image.clone()).unwrap();
    let plain = 0x400 + 2 * 8;
    let word = |at: usize| u64::from_be_bytes(image[at..at + 8].try_into().unwrap());
    let stream = word(0x400 + 5 * 8);
    assert_eq!(stream >> 62, 1);
    let host = stream & 0x00ff_ffff_ffff_fe00;
    assert!(data.contains(&usize::try_from(host).unwrap()));
    // The refcounts are at the end; all are raised.
    let block = image.len() - 512;
    image[block..].fill(1);
    check(image.clone()).unwrap();
    put64(&mut image, plain, host);
    let error = check(image).unwrap_err();
    assert_eq!(error.kind(), Corrupt);
    let message = "host cluster at 0xa00 of guest offset 0x400 is used both as data and as compressed data: guest bytes 0x400..0x600 and 0x800..0xa00 share it, and what one of them had there was probably overwritten";
    assert_eq!(chain(&error), message);
}

#[test]
fn clusters_behind_the_end_of_the_disk_are_no_fault() {
    // The last cluster, at 0x9c00, is behind a shorter disk.
    let mut image = base();
    put64(&mut image, 24, 0x9c00);
    check(image.clone()).unwrap();
    assert!(restored(image).unwrap() == base_disk()[..0x9c00]);
    // So is one where the table maps more than the disk has.
    let mut image = base();
    put64(&mut image, L2_SECOND + 63 * 8, 1 << 63 | 0x1800);
    check(image).unwrap();
}

#[test]
fn refcounts_that_cannot_be_read_are_refused() {
    refuses(
        56,
        &[0; 4],
        Corrupt,
        "header field refcount_table_clusters at offset 0x38 is 0, must be at least 1",
    );
    refuses(
        0x200,
        &[0; 8],
        Corrupt,
        "L2 table of guest offset 0x0 at host offset 0x800: used 1 times, but its refcount is 0",
    );
    refuses(
        0x200,
        &0x1_0000u64.to_be_bytes(),
        Corrupt,
        "refcount block at host offset 0x10000 ends at 0x10200, past the end of the file at 0x1640: the image is truncated",
    );
    refuses(
        48,
        &0x1_0000u64.to_be_bytes(),
        Corrupt,
        "refcount table at host offset 0x10000 ends at 0x10200, past the end of the file at 0x1640: the image is truncated",
    );
    // Reserved bits say nothing.
    let mut image = base();
    image[0x207] = 0xff;
    image[0x206] = 0x05;
    check(image).unwrap();
}

#[test]
fn snapshots_count_and_are_not_judged() {
    // A snapshot with the L1 table at 0x1a00, of the first table.
    let mut image = base();
    image.resize(0x1c00, 0);
    put32(&mut image, 60, 1);
    put64(&mut image, 64, 0x1800);
    put64(&mut image, 0x1800, 0x1a00);
    put32(&mut image, 0x1808, 1);
    put64(&mut image, 0x1a00, 0x800);
    let error = check(image.clone()).unwrap_err();
    assert_eq!(
        chain(&error),
        "L2 table of guest offset 0x0 at host offset 0x800: used 2 times, but its refcount is 1"
    );
    // A snapshot's own table is counted nowhere, which is no matter to the disk.
    put64(&mut image, 0x1a00, 0x1600);
    assert!(check(image.clone()).is_err(), "it is the disk's data");
    put64(&mut image, 0x1a00, 0x1a00);
    check(image.clone()).unwrap();
    let mut options = OpenOptions::default();
    options.snapshot = Some(Vec::new());
    let snapshot = Image::open(image, &options).unwrap();
    assert!(snapshot.check_references().is_err());
}

/// A long file that is empty but for its start.
struct Sparse(MemoryDisk);

impl ReadAt for Sparse {
    fn size(&self) -> u64 {
        1 << 55
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
        for (at, byte) in (offset..).zip(buf) {
            *byte = 0;
            let _ = self.0.read_at(at, std::slice::from_mut(byte));
        }
        Ok(())
    }
}

#[test]
fn what_is_used_far_apart_is_counted_in_parts_up_to_a_limit() {
    let far = |count: u64, needed: bool| {
        let mut image = base();
        image.resize(0x1e00, 0);
        put32(&mut image, 60, 1);
        put64(&mut image, 64, 0x1800);
        put64(&mut image, 0x1800, 0x1a00);
        put32(&mut image, 0x1808, 1);
        put64(&mut image, 0x1a00, 0x1c00);
        for index in 0..count {
            let entry = 0x1c00 + usize::try_from(index).unwrap() * 8;
            put64(&mut image, entry, (index + 1) << 33);
        }
        let mut options = OpenOptions::default();
        options.snapshot = needed.then(Vec::new);
        let image = Image::open(Sparse(MemoryDisk::new(image)), &options);
        image.unwrap().check_references()
    };
    far(63, false).unwrap();
    let error = far(64, false).unwrap_err();
    assert_eq!(
        (error.kind(), &*chain(&error)),
        (
            Limit,
            "what the image uses lies in more than 64 parts of its file, each of 4294967296 bytes"
        )
    );
    let error = far(2, true).unwrap_err();
    assert_eq!(
        chain(&error),
        "L2 table of guest offset 0x0 at host offset 0x1c00: used 1 times, but its refcount is 0"
    );
}

/// A long file of which only the start is data, that counts the bytes read.
struct Counting {
    start: Vec<u8>,
    /// Whether it says where its holes are.
    has_holes: bool,
    read_bytes: AtomicU64,
}

impl ReadAt for Counting {
    fn size(&self) -> u64 {
        1 << 44
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
        let start = usize::try_from(offset).unwrap().min(self.start.len());
        let there = &self.start[start..];
        let length = there.len().min(buf.len());
        buf[..length].copy_from_slice(&there[..length]);
        buf[length..].fill(0);
        let read_bytes = u64::try_from(buf.len()).unwrap();
        self.read_bytes.fetch_add(read_bytes, Ordering::Relaxed);
        Ok(())
    }
    fn next_data(&self, from: u64) -> std::io::Result<Option<Range<u64>>> {
        let end = if self.has_holes {
            u64::try_from(self.start.len()).unwrap()
        } else {
            self.size()
        };
        Ok((from < end).then_some(from..end))
    }
}

#[test]
fn l1_tables_of_snapshots_that_overlap_are_not_read_without_end() {
    let read_bytes = |has_holes: bool| {
        let mut image = base();
        image.resize(0x1800 + 1000 * 56, 0);
        put32(&mut image, 60, 1000);
        put64(&mut image, 64, 0x1800);
        for snapshot in 0..1000 {
            let at = 0x1800 + snapshot * 56;
            // Of the length that is allowed, one sector behind the other.
            let host = (1 << 30) + (u64::try_from(snapshot).unwrap() << 9);
            put64(&mut image, at, host);
            put32(&mut image, at + 8, 1 << 22);
            put32(&mut image, at + 36, 16);
            put64(&mut image, at + 48, 512);
        }
        let storage = Counting {
            start: image,
            has_holes,
            read_bytes: AtomicU64::new(0),
        };
        let image = Image::open(&storage, &OpenOptions::default()).unwrap();
        image.check_references().unwrap();
        storage.read_bytes.load(Ordering::Relaxed)
    };
    let (all, data) = (read_bytes(false), read_bytes(true));
    assert!((256 << 20..257 << 20).contains(&all), "{all}");
    // Holes are left out after 4 MiB of zeros.
    assert!(data < 6 << 20, "{data}");
}
