//! Any byte of a log may be anything: no panic, no hang, and nothing outside of the
//! filesystem is changed.

use std::io;
use std::time::{Duration, Instant};

use blockio::ReadAt;

use super::image::{Image, START, buffer, checksum, head, op, whole};
use super::inodes::{BASIC, BLOCK, FIRST, core, create, format, intent};
use super::is_full;
use crate::geometry::LogGeometry;
use crate::log::{LogState, examine};

/// Some bytes in place of those of a disk.
struct Patched<'a> {
    disk: &'a [u8],
    at: usize,
    bytes: &'a [u8],
}

impl ReadAt for Patched<'_> {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(offset, buf)?;
        let start = usize::try_from(offset).unwrap();
        let (from, to) = (self.at.max(start), self.at + self.bytes.len());
        let to = to.min(start + buf.len());
        if from < to {
            let patch = &self.bytes[from - self.at..to - self.at];
            buf[from - start..to - start].copy_from_slice(patch);
        }
        Ok(())
    }
}

fn check(disk: &Patched<'_>, geometry: &LogGeometry) {
    let start = Instant::now();
    if let LogState::Dirty(replay) = examine(disk, geometry).unwrap() {
        let all = replay.touched.iter().chain(&replay.intended);
        assert!(all.clone().all(|range| range.start < range.end));
        assert!(all.clone().all(|range| range.end <= 8 << 20));
        assert!(replay.touched.is_sorted_by_key(|range| range.start));
        assert!(replay.sectors.all().all(|(at, _)| at < 8 << 20));
    }
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// Two records with an item of each kind.
fn image() -> (Image, [usize; 2]) {
    let mut image = Image::new();
    let extent = [&BLOCK[..], &[3, 0, 0, 0, 0, 0, 0, 0]].concat();
    let mut with_root = core(FIRST + 2);
    with_root[5] = 3;
    let first = whole(
        1,
        &[
            create(),
            format(3, 5, FIRST + 1, BASIC, 512),
            core(FIRST + 1),
            vec![7; 32],
            format(3, 9, FIRST + 2, BASIC, 1024),
            with_root,
            [&[0, 0, 0, 0, 0, 1, 0, 1][..], &[1; 64 + 32]].concat(),
            buffer(2, 5 << 11, 1, 8193, 1),
            [b"XAGF", &[1; 124][..]].concat(),
            buffer(1, 2, 8, 9000, 0),
            buffer(2, 1, 8, BASIC, 1),
            vec![9; 128],
            intent(0x36, 1, &extent),
            intent(
                0x44,
                1,
                &[&[0; 8], &BLOCK[..], &[0; 8], &[1, 0, 0, 0, 0, 0, 0, 0]].concat(),
            ),
        ],
    );
    let mut first = first;
    first.push(op(2, START, &[]));
    first.push(op(2, 4, &head()[..9]));
    let next = image.record((1, 0), (1, 0), &first);
    let second = [
        op(2, 8 | 0x10, &head()[9..]),
        op(2, 0, &buffer(2, 4 << 11, 8, 9600, 2)),
        op(2, 0, &[5; 128]),
        op(2, 0, &intent(0x37, 1, &extent)),
        op(2, 2, &[]),
    ];
    let end = image.record((1, next), (1, 0), &second);
    assert_eq!(image.replay().transactions, 2);
    (image, [next, end])
}

#[test]
fn any_byte_of_a_log_may_be_anything() {
    let (mut image, [second, end]) = image();
    let (start, next, stop) = (
        image.log_byte(0),
        image.log_byte(second),
        image.log_byte(end),
    );
    // Without checksums, and with those that a hostile writer computes.
    for has_crc in [false, true] {
        image.geometry.filesystem.has_crc = has_crc;
        for record in [start..next, next..stop] {
            let mut bytes = image.disk[record.clone()].to_vec();
            bytes[32..36].fill(0);
            for at in 0..bytes.len() {
                let was = bytes[at];
                let values = [0xff, was.wrapping_add(1), 0, was ^ 0x80];
                for value in &values[..if is_full() { 4 } else { 2 }] {
                    let value = *value;
                    bytes[at] = value;
                    if has_crc && !(32..36).contains(&at) {
                        let length = u32::from_be_bytes(*bytes[12..].first_chunk().unwrap());
                        let length = usize::try_from(length).unwrap().min(bytes.len() - 512);
                        let sum = checksum(&bytes, 1, length).to_le_bytes();
                        bytes[32..36].copy_from_slice(&sum);
                    }
                    let (disk, at) = (image.disk.as_slice(), record.start);
                    let bytes = bytes.as_slice();
                    check(&Patched { disk, at, bytes }, &image.geometry);
                }
                bytes[at] = was;
                bytes[32..36].fill(0);
            }
        }
    }
}

#[test]
fn any_geometry_that_a_superblock_may_have_is_fine() {
    let (mut image, _) = image();
    for bytes in [
        0,
        511,
        512 * 63,
        512 * 64,
        512 * 200,
        (2 << 30) + 512,
        u64::MAX,
    ] {
        image.geometry.bytes = bytes;
        let disk = Patched {
            disk: &image.disk,
            at: 0,
            bytes: &[],
        };
        if let Err(error) = examine(&disk, &image.geometry) {
            panic!("{bytes}: {error}");
        }
    }
}
