//! Volumes larger than memory: time and memory stay bounded.

use std::io;
use std::time::{Duration, Instant};

use blockio::{ExtentKind, ReadAt, Tiling};
use ntfs_blocks::{Finding, Options, Trust, find};

use crate::build::{DATA, away, here, record, seal};
use crate::image::Image;

/// A disk with little on it.
#[derive(Debug)]
pub(crate) struct Vast {
    bytes: u64,
    pieces: Vec<(u64, Vec<u8>)>,
}

impl Vast {
    pub(crate) const fn new(bytes: u64, pieces: Vec<(u64, Vec<u8>)>) -> Self {
        Self { bytes, pieces }
    }
}

impl ReadAt for Vast {
    fn size(&self) -> u64 {
        self.bytes
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset + buf.len() as u64;
        if end > self.bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buf.fill(0);
        for (start, piece) in &self.pieces {
            let part = offset.max(*start)..end.min(start + piece.len() as u64);
            if part.start < part.end {
                let from = (part.start - start) as usize..(part.end - start) as usize;
                let to = (part.start - offset) as usize..(part.end - offset) as usize;
                buf[to].copy_from_slice(&piece[from]);
            }
        }
        Ok(())
    }
}

/// A volume of `clusters` clusters of 1 KiB, with the file in record 25 in three from `file`
/// on.
fn volume(clusters: u64, file: u64) -> Vast {
    let mut image = Image::new();
    image.put(40, &(clusters * 2).to_le_bytes());
    let bits = clusters.div_ceil(64) * 8;
    let bitmap = bits.div_ceil(1024);
    // $Bitmap from cluster 1000 on, with ones where the image has them, and at the end.
    let mut pairs = vec![0x24];
    pairs.extend_from_slice(&(bitmap as u32).to_le_bytes());
    pairs.extend_from_slice(&[0xe8, 3, 0]);
    image.record(&record(6, &[away((DATA, "", 1), 0..bitmap, bits, &pairs)]));
    image.record(&record(8, &[here(DATA, "", 1, &[])]));
    let mut pairs = vec![0x61, 3];
    pairs.extend_from_slice(&file.to_le_bytes()[..6]);
    pairs.push(0);
    image.record(&record(25, &[away((DATA, "", 1), 0..3, 3000, &pairs)]));
    let mut ones = image.0[70 * 1024..70 * 1024 + 25].to_vec();
    ones[190 / 8] &= !(1 << (190 % 8));
    let last = clusters / 8;
    let tail = vec![0xff; (bits - last) as usize];
    let end = 1000 * 1024 + last;
    image.0.truncate(200 * 1024);
    let start = 1000 * 1024;
    let mut own = vec![0xff; bitmap.div_ceil(8) as usize];
    let spare = bitmap % 8;
    if spare > 0 {
        *own.last_mut().unwrap() = (1 << spare) - 1;
    }
    let pieces = vec![
        (0, image.0),
        (start, ones),
        (start + 1000 / 8, own),
        (end, tail),
    ];
    Vast::new(clusters * 1024 + 512, pieces)
}

#[test]
fn clusters_past_the_first_window_are_held_against_the_bitmap() {
    let start = Instant::now();
    fixtures::memory::forget_peak().unwrap();
    let before = fixtures::memory::peak_bytes().unwrap();
    let clusters = (1 << 28) + 4096;
    let disk = volume(clusters, clusters - 3);
    let filesystem = find(&disk).unwrap().unwrap();
    let filesystem = filesystem.open(&disk, &Options::default()).unwrap();
    let peak = fixtures::memory::peak_bytes().unwrap() - before;
    assert_eq!(filesystem.trust(), Trust::Records);
    let [first, second] = filesystem.damage().findings() else {
        panic!("{:?}", filesystem.damage())
    };
    let referenced = |first, clusters| Finding::Referenced {
        record: 25,
        first,
        clusters,
    };
    assert_eq!(*first, referenced(clusters - 3, 3));
    // What the image had as its bitmap.
    assert_eq!(*second, Finding::Unreferenced { clusters: 1 });
    let end = clusters * 1024;
    let tail: Vec<_> = filesystem
        .extents(end - 9000..end + 512)
        .map(Result::unwrap)
        .collect();
    assert_eq!(tail.len(), 2);
    assert_eq!(
        (tail[0].kind, tail[0].end()),
        (ExtentKind::Free, end - 3072)
    );
    let free: u64 = (filesystem.extents(0..end).map(Result::unwrap))
        .filter(|run| run.kind == ExtentKind::Free)
        .map(|run| run.length)
        .sum();
    assert_eq!(free, filesystem.info().free_bytes);
    // Two bits a cluster of one window; other tests run beside this one.
    assert!(peak < 160 << 20, "{peak}");
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn windows_that_no_file_has_are_counted_all_the_same() {
    let clusters = (1 << 28) + 4096;
    let disk = volume(clusters, 300);
    let filesystem = find(&disk).unwrap().unwrap();
    let filesystem = filesystem.open(&disk, &Options::default()).unwrap();
    let (record, first) = (25, 300);
    let findings = [
        Finding::Referenced {
            record,
            first,
            clusters: 3,
        },
        Finding::Unreferenced { clusters: 1 },
    ];
    assert_eq!(filesystem.damage().findings(), findings);
    let end = clusters * 1024;
    let free: u64 = (filesystem.extents(0..end).map(Result::unwrap))
        .filter(|run| run.kind == ExtentKind::Free)
        .map(|run| run.length)
        .sum();
    assert_eq!(free, filesystem.info().free_bytes);
}

/// A disk that makes up file records.
struct Many {
    head: Vec<u8>,
    clusters: u64,
    records: u64,
}

impl ReadAt for Many {
    fn size(&self) -> u64 {
        self.clusters * 1024
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        buf.fill(0);
        let table = 10 * 1024..(10 + self.records) * 1024;
        for (at, byte) in (offset..).zip(buf.chunks_mut(1024)) {
            let at = offset + (at - offset) * 1024;
            if let Some(known) = self.head.get(at as usize..) {
                let length = known.len().min(byte.len());
                byte[..length].copy_from_slice(&known[..length]);
            } else if table.contains(&at) && byte.len() == 1024 {
                let number = (at / 1024 - 10) as u32;
                let first = self.records + 2000 + u64::from(number) * 2;
                let mut pairs = vec![0x41, 1];
                pairs.extend_from_slice(&(first as u32).to_le_bytes());
                let mut file = record(number, &[away((DATA, "", 1), 0..1, 9, &pairs)]);
                seal(&mut file);
                byte.copy_from_slice(&file);
            }
        }
        Ok(())
    }
}

#[test]
fn many_records_are_read_in_bounded_memory() {
    let records = 100_000;
    let clusters = 400_000u64;
    let mut image = Image::new();
    image.put(40, &(clusters * 2).to_le_bytes());
    // The bitmap of the records follows the MFT, and $Bitmap that.
    let after = 10 + records;
    let mut run = |number: u32, parts: &[(u32, u64, u64, u64)]| {
        let attribute = |(kind, first, count, bytes): &(u32, u64, u64, u64)| {
            let mut pairs = vec![0x44];
            pairs.extend_from_slice(&(*count as u32).to_le_bytes());
            pairs.extend_from_slice(&(*first as u32).to_le_bytes());
            pairs.push(0);
            away((*kind, "", *kind as u16), 0..*count, *bytes, &pairs)
        };
        let parts: Vec<_> = parts.iter().map(attribute).collect();
        image.record(&record(number, &parts));
    };
    run(
        0,
        &[
            (DATA, 10, records, records * 1024),
            (0xb0, after, 13, 12_512),
        ],
    );
    run(1, &[(DATA, after + 500, 4, 4096)]);
    run(2, &[(DATA, after + 510, 8, 8192)]);
    run(6, &[(DATA, after + 100, 49, 50_000)]);
    run(8, &[]);
    let index = here(
        0x90,
        "$I30",
        1,
        &crate::build::root(&[crate::build::last()]),
    );
    image.record(&record(5, &[index]));
    image.put(56, &(after + 500).to_le_bytes());
    let mut head = image.0[..26 * 1024].to_vec();
    // Files are in records of their own.
    head[8 * 1024..9 * 1024].fill(0);
    let disk = Many {
        head,
        clusters,
        records,
    };
    let mirror: Vec<u8> = disk.head[10 * 1024..14 * 1024].to_vec();
    let far = Far {
        disk,
        mirror,
        after,
    };
    let start = Instant::now();
    let filesystem = find(&far).unwrap().unwrap();
    let filesystem = filesystem.open(&far, &Options::default()).unwrap();
    assert_eq!(filesystem.trust(), Trust::Records);
    let damage = filesystem.damage();
    // All of them are in use, and neither bitmap says so; the first hundred are told.
    assert_eq!(damage.findings().len(), 100);
    assert!(damage.total() > 190_000, "{}", damage.total());
    let used = filesystem.info().used_bytes / 1024;
    assert!((199_000..210_000).contains(&used), "{used}");
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
}

/// The same with copies of its first records, and a journal.
struct Far {
    disk: Many,
    mirror: Vec<u8>,
    after: u64,
}

impl ReadAt for Far {
    fn size(&self) -> u64 {
        self.disk.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let at = |cluster: u64| (self.after + cluster) * 1024;
        if (at(500)..at(504)).contains(&offset) {
            let start = (offset - at(500)) as usize;
            buf.copy_from_slice(&self.mirror[start..start + buf.len()]);
        } else if (at(510)..at(518)).contains(&offset) {
            buf.fill(0xff);
        } else if offset >= at(100) && offset < at(149) {
            // Bits past the end: the bitmap needs all of its 50,000 bytes.
            buf.fill(0);
        } else {
            self.disk.read_at(offset, buf)?;
        }
        Ok(())
    }
}
