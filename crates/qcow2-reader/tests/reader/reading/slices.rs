//! Tables that are longer than what is read of them at once.

use std::io;
use std::ops::Range;

use crate::common::{put, put32, put64};
use blockio::{Extent, ExtentKind, ReadAt, len_u64};
use qcow2_reader::{Image, OpenOptions};

const BITS: u32 = 17;
const CLUSTER: u64 = 1 << BITS;

/// Host offset of the one L2 table.
const L2: u64 = 2 * CLUSTER;

/// An image with clusters of 128 KiB, of which an L2 table has 16,384 entries, and
/// a disk of all of them but one. Those in `stored` are stored, in a row behind the
/// table.
fn image(stored: &[u64]) -> Vec<u8> {
    let at = |offset: u64| usize::try_from(offset).unwrap();
    let mut file = vec![0; at(3 * CLUSTER)];
    put(&mut file, 0, b"QFI\xfb");
    put32(&mut file, 4, 3);
    put32(&mut file, 20, BITS);
    put64(&mut file, 24, 16_383 * CLUSTER);
    put32(&mut file, 36, 1);
    put64(&mut file, 40, CLUSTER);
    put64(&mut file, 48, CLUSTER * 3);
    put32(&mut file, 56, 1);
    put32(&mut file, 96, 4);
    put32(&mut file, 100, 104);
    put64(&mut file, at(CLUSTER), 1 << 63 | L2);
    file.resize(at(4 * CLUSTER), 0);
    for (index, number) in (0u8..).zip(stored) {
        let host = len_u64(file.len());
        put64(&mut file, at(L2 + number * 8), 1 << 63 | host);
        file.resize(at(host + CLUSTER), index + 1);
    }
    file
}

fn data(clusters: Range<u64>) -> Range<u64> {
    clusters.start * CLUSTER..clusters.end * CLUSTER
}

/// A file of which some bytes cannot be read.
struct Damaged {
    file: Vec<u8>,
    bad: Range<u64>,
}

impl ReadAt for Damaged {
    fn size(&self) -> u64 {
        len_u64(self.file.len())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if offset < self.bad.end && self.bad.start < offset + len_u64(buf.len()) {
            return Err(io::Error::other("damaged"));
        }
        self.file.read_at(offset, buf)
    }
}

#[test]
fn a_table_is_read_in_parts() {
    // The entries at the ends of the parts of 64 KiB, and a run across them.
    let stored = [0, 8191, 8192, 8193, 16_382];
    for l2_cache_bytes in [0, 16 << 20] {
        let mut options = OpenOptions::default();
        options.l2_cache_bytes = l2_cache_bytes;
        let image = Image::open(image(&stored), &options).unwrap();
        let extents: Vec<_> = image.extents(0..u64::MAX).map(Result::unwrap).collect();
        assert_eq!(
            extents,
            [
                Extent::new(data(0..1), ExtentKind::Data),
                Extent::new(data(1..8191), ExtentKind::Unallocated),
                Extent::new(data(8191..8194), ExtentKind::Data),
                Extent::new(data(8194..16_382), ExtentKind::Unallocated),
                Extent::new(data(16_382..16_383), ExtentKind::Data),
            ]
        );
        for (index, number) in (0u8..).zip(stored) {
            let mut bytes = [0xee; 600];
            image.read_at(number * CLUSTER + 1000, &mut bytes).unwrap();
            assert_eq!(bytes, [index + 1; 600]);
        }
        let mut across = [0xee; 4];
        image.read_at(8192 * CLUSTER - 2, &mut across).unwrap();
        assert_eq!(across, [2, 2, 3, 3]);
        let nothing = image.next_data(8194 * CLUSTER).unwrap();
        assert_eq!(nothing, Some(data(16_382..16_383)));
    }
}

#[test]
fn a_sector_of_a_table_that_cannot_be_read_loses_what_it_maps() {
    let bad = L2 + 8192 * 8 + 512;
    let storage = || Damaged {
        file: image(&[0, 8191, 8192, 8193, 16_382]),
        bad: bad..bad + 1,
    };
    let strict = Image::open(storage(), &OpenOptions::default()).unwrap();
    let failure = strict.extents(0..u64::MAX).last().unwrap().unwrap_err();
    assert_eq!(
        failure.to_string(),
        "reading the L2 table at host offset 0x50000"
    );

    let mut options = OpenOptions::default();
    options.salvage = true;
    let image = Image::open(storage(), &options).unwrap();
    let lost: Vec<_> = image
        .extents(0..u64::MAX)
        .map(Result::unwrap)
        .filter(|extent| extent.kind == ExtentKind::Unreadable)
        .collect();
    let unread = data(8192 + 64..8192 + 128);
    assert_eq!(lost, [Extent::new(unread, ExtentKind::Unreadable)]);
}

/// A file with the largest L1 table, every entry of which names one L2 table of
/// zeros.
struct OneTable(Vec<u8>);

const L1_BYTES: u64 = 32 << 20;

impl ReadAt for OneTable {
    fn size(&self) -> u64 {
        L1_BYTES + (3 << 16)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let l1 = 1 << 16..(1 << 16) + L1_BYTES;
        if offset == 0 {
            buf.copy_from_slice(&self.0[..buf.len()]);
        } else if l1.contains(&offset) {
            let (words, _) = buf.as_chunks_mut();
            words.fill((1 << 63 | l1.end).to_be_bytes());
        } else {
            buf.fill(0);
        }
        Ok(())
    }
}

#[test]
fn tables_of_zeros_are_no_work() {
    let mut header = image(&[]);
    put32(&mut header, 20, 16);
    put64(&mut header, 24, 2 << 50);
    put32(&mut header, 36, 4 << 20);
    put64(&mut header, 40, 1 << 16);
    put64(&mut header, 48, (2 << 16) + L1_BYTES);
    // Cluster by cluster, of which there are 34,359,738,368, this would take minutes.
    let image = Image::open(OneTable(header), &OpenOptions::default()).unwrap();
    let extents: Vec<_> = image.extents(0..u64::MAX).map(Result::unwrap).collect();
    assert_eq!(extents, [Extent::new(0..2 << 50, ExtentKind::Unallocated)]);
}
