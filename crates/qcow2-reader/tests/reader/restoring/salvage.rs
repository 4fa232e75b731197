//! What can be read of damaged images.

#![expect(
    clippy::single_range_in_vec_init,
    reason = "what is lost are ranges, and sometimes it is one"
)]

use std::io;
use std::ops::Range;
use std::sync::LazyLock;

use crate::builder::{DEFLATE, mixed, mixed_counted};
use crate::common::{
    FILE, L1, L2_FIRST, L2_SECOND, LAST_DATA, SIZE, base, base_disk, from_pipe, put32, put64,
};
use blockio::{ExtentKind, MemoryDisk, ReadAt, tiles};
use qcow2_reader::{Image, ImageStream, OpenOptions, UnpackOptions};

static SALVAGE: LazyLock<OpenOptions> = LazyLock::new(|| {
    let mut options = OpenOptions::default();
    options.l2_cache_bytes = 0;
    options.cluster_cache_bytes = 0;
    options.salvage = true;
    options
});

/// What is restored of an image, and what is lost.
fn salvaged<S: ReadAt>(storage: S) -> (Vec<u8>, Vec<Range<u64>>) {
    let image = Image::open(storage, &SALVAGE).unwrap();
    let target = MemoryDisk::new(vec![0xaa; 100]);
    let report = image.unpack(&target, &UnpackOptions::default()).unwrap();
    let extents: Vec<_> = image.extents(0..u64::MAX).map(Result::unwrap).collect();
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
    // No stream, and it would lie in the data of another cluster.
    loses(
        patched(L2_FIRST + 8, 1 << 62 | 0x1200),
        &[512..1024, 2560..3072],
    );
    loses(patched(L1, 1 << 40), &[0..32_768]);
    let corrupt = patched(72, 2);
    loses(corrupt, &[]);
}

/// [`base`] with a patch of 64-bit words.
fn with(words: &[(usize, u64)]) -> Vec<u8> {
    let mut image = base();
    for (offset, word) in words {
        put64(&mut image, *offset, *word);
    }
    image
}

/// Offset of the refcounts of the host clusters at `host` in [`base`] and the three after.
fn refcounts(host: usize) -> usize {
    0x400 + host / 512 * 2
}

const COPIED: u64 = 1 << 63;
/// Where the L2 tables of [`base`] are.
const FIRST: u64 = 0x800;
const SECOND: u64 = 0xa00;

#[test]
fn of_two_owners_of_a_cluster_both_are_lost() {
    // Data and data, once counted.
    let data = with(&[(L2_FIRST + 5 * 8, 0x1400 | COPIED)]);
    loses(data, &[2560..3584]);
    let far = with(&[(L2_SECOND + 14 * 8, 0x0c00 | COPIED)]);
    loses(far, &[0..512, 39_936..40_000]);
    // Counted twice, it is shared.
    let mut shared = with(&[(L2_FIRST + 5 * 8, 0x1400)]);
    shared[refcounts(0x1400) + 1] = 2;
    let (disk, lost) = salvaged(shared);
    assert_eq!(lost, []);
    assert_eq!(disk[2560..3072], disk[3072..3584]);
    // A zero cluster keeps what is another's: it is zeros whatever is there.
    let kept = with(&[(L2_FIRST + 3 * 8, 0x1201 | COPIED)]);
    loses(kept, &[2560..3072]);
    // The image was not closed: its refcounts say nothing.
    let mut dirty = with(&[(L2_FIRST + 5 * 8, 0x1400 | COPIED)]);
    dirty[79] = 1;
    assert_eq!(salvaged(dirty).1, []);
}

#[test]
fn refcounts_that_are_gone_lose_what_is_used_twice_and_nothing_else() {
    let mut image = base();
    image[0x400..0x600].fill(0);
    loses(image, &[512..1024, 32_256..32_768]);
    // The table, and its only block.
    loses(with(&[(0x200, 0)]), &[512..1024, 32_256..32_768]);
    loses(with(&[(0x200, 1 << 40)]), &[512..1024, 32_256..32_768]);
    loses(with(&[(48, 1 << 40)]), &[512..1024, 32_256..32_768]);
}

#[test]
fn data_in_metadata_is_lost() {
    for host in [0x200, 0x400] {
        loses(with(&[(L2_FIRST + 8, host)]), &[512..1024]);
    }
    // In the L1 table: its entries name tables that are theirs alone.
    loses(with(&[(L2_FIRST + 8, 0x600)]), &[512..1024]);
    // One that names nothing may have named something.
    let image = with(&[(L2_FIRST + 8, 0x600), (L1 + 8, 0)]);
    loses(image, &[512..1024, 32_768..40_000]);
}

#[test]
fn of_a_table_that_is_another_s_too_what_refcounts_vouch_for_stays() {
    // The table of all from 32,768 on is the data of 512..1024.
    let image = with(&[(L2_FIRST + 8, SECOND)]);
    loses(image, &[512..1024, 32_768..39_936]);
    // What it names is not counted, or another's.
    let mut image = with(&[(L2_FIRST + 8, SECOND)]);
    image[refcounts(0x1600) + 1] = 0;
    loses(image, &[512..1024, 32_768..40_000]);
    let image = with(&[(L2_FIRST + 8, SECOND), (L2_SECOND + 15 * 8, 0x1400)]);
    loses(image, &[512..1024, 3072..3584, 32_768..39_936]);
    // A table for two parts of the disk, of which one has lost its own.
    loses(with(&[(L1 + 8, FIRST)]), &[0..40_000]);
    // A table in the place of other metadata.
    let image = with(&[(L1 + 8, 0x400)]);
    loses(image, &[32_768..40_000]);
}

/// [`base`] with a snapshot, whose L1 table names these tables.
fn with_snapshot(tables: [u64; 2]) -> Vec<u8> {
    let mut image = base();
    image.resize(0x1c00, 0);
    image[0x1640..].fill(0);
    put32(&mut image, 60, 1);
    put64(&mut image, 64, 0x1800);
    put64(&mut image, 0x1800, 0x1a00);
    put32(&mut image, 0x1808, 2);
    put64(&mut image, 0x1a00, tables[0]);
    put64(&mut image, 0x1a08, tables[1]);
    image
}

#[test]
fn what_a_snapshot_shares_is_the_active_disk_s_that_was_written_last() {
    let lost_in = |image: Vec<u8>, snapshot: Option<Vec<u8>>| {
        let mut options = SALVAGE.clone();
        options.snapshot = snapshot;
        let image = Image::open(image, &options).unwrap();
        let target = MemoryDisk::default();
        let report = image.unpack(&target, &UnpackOptions::default()).unwrap();
        (
            report.lost.ranges().collect::<Vec<_>>(),
            target.into_bytes(),
        )
    };
    // It shares both tables, and nothing counts that. What the disk itself uses twice
    // is counted twice, but not for which two.
    let shares = with_snapshot([FIRST, SECOND]);
    let twice = [512..1024, 32_256..32_768];
    let (lost, disk) = lost_in(shares.clone(), None);
    assert_eq!(lost, twice);
    assert!(disk == disk_without(&lost));
    let (lost, _) = lost_in(shares.clone(), Some(Vec::new()));
    assert_eq!(lost, [0..40_000]);
    // Where no refcount is left, that says nothing.
    let mut uncounted = shares;
    uncounted[0x400..0x600].fill(0);
    let (lost, disk) = lost_in(uncounted, Some(Vec::new()));
    assert_eq!(lost, twice);
    assert!(disk == disk_without(&lost));
    // A table of it in the disk's data is no table, or that is no data.
    let crossed = with_snapshot([0x1200, SECOND]);
    let (lost, _) = lost_in(crossed, None);
    assert_eq!(lost, [2560..3072]);
}

/// Where the entry of the stream for `guest` is in [`mixed_counted`], and what it says.
fn stream_entry(image: &[u8], guest: usize) -> (usize, u64) {
    let at = 0x400 + guest / 512 * 8;
    let word = u64::from_be_bytes(image[at..at + 8].try_into().unwrap());
    assert_eq!(word >> 62, 1, "no stream at {guest:#x}");
    (at, word)
}

#[test]
fn streams_that_overlap_are_lost_and_neighbours_are_not() {
    let (image, _) = mixed_counted(9, DEFLATE, 12);
    assert_eq!(salvaged(image.clone()).1, []);
    let streams: Vec<usize> = (0..12)
        .filter(|cluster| {
            let at = 0x400 + cluster * 8;
            image[at] >> 6 == 1
        })
        .collect();
    let [first, second, ..] = streams[..] else {
        panic!("two streams are needed");
    };
    // Nothing is counted: streams that share a cluster do not overlap.
    let mut uncounted = image.clone();
    let block = image.len() - 512;
    uncounted[block..].fill(0);
    assert_eq!(salvaged(uncounted.clone()).1, []);
    // Two clusters with one stream, and it is not counted twice.
    let (_, word) = stream_entry(&image, first * 512);
    put64(&mut uncounted, 0x400 + second * 8, word);
    let cluster = |index: usize| {
        let start = u64::try_from(index).unwrap() * 512;
        start..start + 512
    };
    let found = salvaged(uncounted).1;
    let mut want: Vec<_> = vec![cluster(first), cluster(second)];
    if want[0].end == want[1].start {
        want = vec![want[0].start..want[1].end];
    }
    assert_eq!(found, want);
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
