//! What can be read of damaged images.

#![expect(
    clippy::single_range_in_vec_init,
    reason = "what is lost are ranges, and sometimes it is one"
)]

use std::io;
use std::ops::Range;

use crate::builder::{DEFLATE, mixed};
use crate::common::{
    FILE, L1, L2_FIRST, L2_SECOND, LAST_DATA, SIZE, base, base_disk, from_pipe, put64,
};
use blockio::{ExtentKind, MemoryDisk, ReadAt, tiles};
use qcow2_reader::{Image, ImageStream, OpenOptions, UnpackOptions};

const SALVAGE: OpenOptions = OpenOptions {
    l2_cache_bytes: 0,
    cluster_cache_bytes: 0,
    snapshot: None,
    salvage: true,
    secret: None,
};

/// What is restored of an image, and what is lost.
fn salvaged<S: ReadAt>(storage: S) -> (Vec<u8>, Vec<Range<u64>>) {
    let image = Image::open(storage, &SALVAGE).unwrap();
    let target = MemoryDisk::new(vec![0xaa; 100]);
    let report = image.unpack(&target, &UnpackOptions::default()).unwrap();
    let extents: Vec<_> = image.extents().map(Result::unwrap).collect();
    for extent in &extents {
        if extent.kind == ExtentKind::Unreadable {
            let mut lost = report.lost.ranges();
            assert!(lost.any(|lost| lost.start <= extent.start && extent.end() <= lost.end));
        }
    }
    assert!(tiles(extents, image.size()));
    (target.into_bytes(), report.lost.ranges().collect())
}

/// [`base_disk`] with zeros in these ranges.
fn disk_without(lost: &[Range<u64>]) -> Vec<u8> {
    let mut disk = base_disk();
    for range in lost {
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        disk[range].fill(0);
    }
    disk
}

#[track_caller]
fn loses(image: Vec<u8>, lost: &[Range<u64>]) {
    let (disk, found) = salvaged(image);
    assert_eq!(found, lost);
    assert!(disk == disk_without(lost));
}

fn cut(length: usize) -> Vec<u8> {
    let mut image = base();
    image.truncate(length);
    image
}

#[test]
fn what_is_missing_is_lost_and_nothing_else() {
    loses(base(), &[]);
    let all: u64 = SIZE.try_into().unwrap();
    loses(cut(104), &[0..all]);
    // The second L1 entry is not whole.
    let mut image = base();
    image.truncate(L1 + 15);
    loses(image, &[0..all]);
    let mut late = base();
    put64(&mut late, 40, 0x1800);
    late.resize(0x1800, 0);
    late.extend(0x8000_0000_0000_0800u64.to_be_bytes());
    late.extend([0x80, 0, 0]);
    loses(late, &[32_768..all]);
    // Both tables, the second one, a part of it.
    loses(cut(L2_FIRST), &[0..all]);
    let second = |there: usize| {
        let mut image = base();
        let entries = image[L2_SECOND..L2_SECOND + there * 8].to_vec();
        put64(&mut image, L1 + 8, 0x1800);
        image.resize(0x1800, 0);
        image.extend(entries);
        image
    };
    loses(second(0), &[32_768..all]);
    loses(second(3), &[32_768 + 3 * 512..all]);
    loses(second(15), &[]);
    // The last cluster, and a part of it.
    loses(cut(LAST_DATA), &[39_936..all]);
    loses(cut(FILE - 1), &[all - 1..all]);
}

#[test]
fn wrong_entries_lose_what_they_map() {
    let patched = |offset: usize, word: u64| {
        let mut image = base();
        put64(&mut image, offset, word);
        image
    };
    loses(patched(L2_FIRST + 8, 1 << 40), &[512..1024]);
    loses(patched(L2_FIRST + 8, 1 << 62 | 0x1200), &[512..1024]);
    loses(patched(L1, 1 << 40), &[0..32_768]);
    let corrupt = patched(72, 2);
    loses(corrupt, &[]);
    // Metadata read as data is what is there.
    let (disk, lost) = salvaged(patched(L2_FIRST + 8, 0x600));
    assert_eq!(lost, []);
    assert_eq!(disk[512..1024], base()[0x600..0x800]);
}

/// Storage that cannot be read in some places.
struct Failing(Vec<u8>, Vec<Range<u64>>);

impl ReadAt for Failing {
    fn size(&self) -> u64 {
        self.0.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset + buf.size();
        if self.1.iter().any(|bad| bad.start < end && offset < bad.end) {
            return Err(io::Error::other("bad sector"));
        }
        self.0.read_at(offset, buf)
    }
}

#[test]
fn sectors_that_fail_are_lost_alone() {
    let all: u64 = SIZE.try_into().unwrap();
    let (disk, lost) = salvaged(Failing(base(), vec![0x1400..0x1401]));
    assert_eq!(lost, [3072..3584]);
    assert!(disk == disk_without(&lost));
    let (disk, lost) = salvaged(Failing(base(), vec![0x0a10..0x0a11, 0x0e01..0x0e02]));
    assert_eq!(
        lost,
        [512..1024, 32_256..all],
        "one cluster twice, and a table"
    );
    assert!(disk == disk_without(&lost));

    let (image, disk) = mixed(12, DEFLATE, 40);
    let whole = salvaged(image.clone());
    assert!(whole == (disk.clone(), Vec::new()));
    let middle = u64::try_from(image.len() / 2).unwrap();
    let (some, lost) = salvaged(Failing(image, vec![middle..middle + 1]));
    assert!(!lost.is_empty() && lost.iter().all(|lost| lost.end - lost.start <= 3 * 4096));
    let mut want = disk;
    for range in lost {
        want[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()].fill(0);
    }
    assert!(some == want);
}

#[test]
fn every_length_of_a_cut_file_gives_the_disk_but_for_what_is_lost() {
    for length in 104..FILE {
        let (disk, lost) = salvaged(cut(length));
        assert!(disk == disk_without(&lost), "{length}");
        assert!(!lost.is_empty());
    }
}

#[test]
fn every_flipped_byte_is_survived() {
    for offset in 0..FILE {
        let mut image = base();
        image[offset] ^= 0xff;
        let Ok(image) = Image::open(image, &SALVAGE) else {
            continue;
        };
        if image.size() <= 1 << 20 {
            let target = MemoryDisk::default();
            image.unpack(&target, &UnpackOptions::default()).unwrap();
        }
    }
}

#[test]
fn an_image_from_a_pipe_is_salvaged_as_one_in_a_file() {
    let mut bytes = base();
    put64(&mut bytes, L2_FIRST, 1 << 62 | 1 << 60);
    assert!(from_pipe(&bytes).is_err());
    let stream = ImageStream::open(&*bytes, MemoryDisk::default(), &SALVAGE).unwrap();
    let piped = MemoryDisk::default();
    let options = UnpackOptions::default();
    let report = stream.unpack(&piped, &options).unwrap();
    assert!(report.lost.ranges().eq([0..512]));
    let target = MemoryDisk::default();
    let image = Image::open(bytes, &SALVAGE).unwrap();
    assert_eq!(image.unpack(&target, &options).unwrap(), report);
    assert!(piped.into_bytes() == target.into_bytes());
}
