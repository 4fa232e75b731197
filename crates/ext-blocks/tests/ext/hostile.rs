//! Storage that fails, and bytes that nobody would write.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use blockio::{Extent, ReadAt};
use proptest::prelude::*;

use crate::claims::CLAIM;
use crate::image::{GDT_CSUM, Image, METADATA_CSUM, SB, base, base_with, extents, open, with};
use ext_blocks::error::{ErrorKind, Structure};
use ext_blocks::{Detected, Distrust, Error, Options, Trust, detect};

/// A disk that cannot be read in some places, or any more.
struct Failing {
    image: Image,
    bad: Range<u64>,
    reads_left: AtomicU64,
}

impl Failing {
    fn new(image: Image, bad: Range<u64>) -> Self {
        let reads_left = AtomicU64::new(u64::MAX);
        Self {
            image,
            bad,
            reads_left,
        }
    }
}

impl ReadAt for Failing {
    fn size(&self) -> u64 {
        self.image.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset + u64::try_from(buf.len()).unwrap();
        let left = self.reads_left.fetch_sub(1, Ordering::Relaxed);
        if left == 0 || (offset < self.bad.end && self.bad.start < end) {
            return Err(io::Error::other("injected"));
        }
        self.image.read_at(offset, buf)
    }
}

#[track_caller]
fn fails(image: &Image, bad: Range<u64>, structure: Structure, offset: u64) {
    let disk = Failing::new(image.clone(), bad);
    let error = detect(&disk, &Options::default()).err().expect("an error");
    assert_eq!(error.kind(), ErrorKind::Io);
    let Error::Read {
        structure: what,
        offset: at,
        ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!((what, at), (structure, offset));
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let image = base_with(GDT_CSUM, 32);
    fails(&image, 1500..1501, Structure::Superblock, 1024);
    fails(&image, 2100..2101, Structure::Descriptors, 2048);
    fails(&image, 67 << 10..68 << 10, Structure::BlockBitmap, 67 << 10);

    let mut image = base_with(GDT_CSUM, 32);
    image.u16(image.descriptor(1) + 0x1c, 8).seal();
    fails(&image, 68 << 10..69 << 10, Structure::InodeBitmap, 68 << 10);
    let mut image = base();
    image.u32(SB + 0x5c, 0x4).u32(SB + 0xe0, 8);
    fails(&image, 6000..6100, Structure::Inode, 5 * 1024 + 7 * 128);
    image.u16(6016, 0x8180).u16(6016 + 0x1a, 1);
    image.u32(6016 + 0x28 + 48, 20);
    fails(
        &image,
        20 << 10..21 << 10,
        Structure::MappingBlock,
        20 << 10,
    );
    // A bitmap that was never written is not read.
    let mut image = base_with(GDT_CSUM, 32);
    image.u16(image.descriptor(2) + 0x12, 2).seal();
    let disk = Failing::new(image, 129 << 10..130 << 10);
    assert!(open(&disk, &Options::default()).damage().is_empty());
}

#[test]
fn extents_end_with_the_first_error() {
    let disk = Failing::new(base(), 0..0);
    let filesystem = open(&disk, &with(|options| options.memory = Some(0)));
    // The descriptors and the bitmap of the first group, then no more.
    disk.reads_left.store(2, Ordering::Relaxed);
    let mut extents = filesystem.used_extents();
    let first = extents.next().and_then(Result::ok);
    assert_eq!(first.map(|extent| extent.range()), Some(0..7 << 10));
    let rest: Vec<_> = extents.by_ref().collect();
    let read = |error: &Error| {
        matches!(
            error,
            Error::Read {
                structure: Structure::BlockBitmap,
                offset: 0x10c00,
                ..
            }
        )
    };
    assert!(
        rest.last()
            .is_some_and(|last| last.as_ref().is_err_and(read))
    );
    assert_eq!(rest.iter().filter(|extent| extent.is_err()).count(), 1);
    assert!(extents.next().is_none());
}

/// A disk of `bytes` zeros behind the first 64 KiB.
struct Vast {
    head: Image,
    bytes: u64,
}

impl ReadAt for Vast {
    fn size(&self) -> u64 {
        self.bytes
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        for (at, byte) in (offset..).zip(buf) {
            let at = usize::try_from(at).unwrap();
            *byte = self.head.bytes.get(at).copied().unwrap_or(0);
        }
        Ok(())
    }
}

#[test]
fn more_groups_than_fit_into_memory_are_not_trusted() {
    let mut head = base();
    let blocks = 8 * ((1 << 22) + 1);
    head.u32(SB + 0x04, blocks + 1)
        .u32(SB + 0x20, 8)
        .u32(SB + 0x24, 8);
    let disk = Vast {
        head,
        bytes: 1 << 40,
    };
    let filesystem = open(&disk, &Options::default());
    let want = Distrust::TooMany {
        what: "block groups",
        found: (1 << 22) + 1,
        limit: 1 << 22,
    };
    assert_eq!(filesystem.trust(), &Trust::Nothing(want));
}

fn sendable<T: Send>(value: T) -> T {
    value
}

fn bases() -> [Image; 4] {
    let mut uninit = base_with(METADATA_CSUM, 64);
    for group in 1..3 {
        uninit.u16(uninit.descriptor(group) + 0x12, 3);
    }
    uninit.u32(SB + 0x5c, 0x4).u32(SB + 0xe0, 8).seal();
    [
        base(),
        base_with(GDT_CSUM, 32),
        base_with(METADATA_CSUM, 64),
        uninit,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_give_extents_that_tile_the_disk(
        which in 0usize..4,
        patches in prop::collection::vec((0usize..7 * 1024, any::<u8>()), 0..12),
        fields in prop::collection::vec((0usize..64, any::<u32>(), 0u32..200), 0..4),
        seal: bool,
        cut in prop::option::of(0usize..169 * 1024),
        trusting: bool,
    ) {
        let mut image = bases()[which].clone();
        for (at, byte) in patches {
            image.bytes[at] = byte;
        }
        // Words of the superblock and of descriptors, small as often as large.
        for (word, large, small) in fields {
            let value = if large % 2 == 0 { large } else { small };
            let place = if word < 32 { SB } else { 2048 };
            image.u32(place + word % 32 * 4, value);
        }
        if seal {
            image.seal_descriptors().seal_superblock();
        }
        image.bytes.truncate(cut.unwrap_or(usize::MAX));
        let options = with(|options| options.other_claim = (!trusting).then_some(CLAIM));
        match detect(&image, &options) {
            Ok(Detected::Ext(filesystem)) => {
                let extents: Vec<Extent> = extents(&sendable(filesystem), image.size());
                prop_assert!(extents.len() <= 400);
            }
            Ok(Detected::Nothing { .. }) => {}
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}
