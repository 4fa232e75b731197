//! How often bitmaps are read.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use blockio::ReadAt;
use ext_blocks::Trust;

use crate::image::{Image, METADATA_CSUM, SB, base, base_with, open, with};
use crate::log::writer::{Log, V3};

/// The block bitmaps of the base, in blocks of 1 KiB.
const BITMAPS: [usize; 3] = [3, 67, 129];

/// A disk that counts how often each block of 1 KiB is read.
struct Counting {
    image: Image,
    reads: Vec<AtomicU32>,
}

impl Counting {
    fn new(image: &Image) -> Self {
        let blocks = image.bytes.len().div_ceil(1024);
        Self {
            image: image.clone(),
            reads: (0..blocks).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    fn of_bitmaps(&self) -> [u32; 3] {
        BITMAPS.map(|block| self.reads[block].load(Ordering::Relaxed))
    }
}

impl ReadAt for Counting {
    fn size(&self) -> u64 {
        self.image.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let first = usize::try_from(offset).unwrap();
        for block in first / 1024..(first + buf.len()).div_ceil(1024) {
            self.reads[block].fetch_add(1, Ordering::Relaxed);
        }
        self.image.read_at(offset, buf)
    }
}

/// How often each block bitmap of `image` is read when it is looked at and two go
/// over its extents, with so much `memory`.
#[track_caller]
fn reads(image: &Image, memory: Option<usize>) -> [u32; 3] {
    let disk = Counting::new(image);
    let options = with(|options| options.memory = memory);
    let filesystem = open(&disk, &options);
    assert_eq!(filesystem.trust(), &Trust::Bitmaps);
    for _ in 0..2 {
        assert!(filesystem.used_extents().all(|extent| extent.is_ok()));
    }
    disk.of_bitmaps()
}

#[test]
fn each_bitmap_is_read_once() {
    let mut unclean = base();
    unclean.u16(SB + 0x3a, 0);
    let mut empty = Log::new(V3, false);
    empty.commit();
    for image in [base(), base_with(METADATA_CSUM, 64), unclean, empty.image] {
        assert_eq!(reads(&image, None), [1; 3]);
        let again = reads(&image, Some(0));
        assert!(again.iter().all(|count| *count > 2), "{again:?}");
    }
    // What was before the replay of a bitmap counts, too.
    let mut log = Log::new(V3, false);
    log.allocate();
    assert_eq!(reads(&log.image, None), [2, 1, 1]);
}
