//! Storage that fails, and bytes that nobody would write.

use std::io;

use blockio::{ExtentKind, ReadAt};
use proptest::prelude::*;
use xfs_blocks::{Error, ErrorKind, Options, Structure, detect};

use crate::image::{BLOCK, Image, at, extents};

/// A disk of which one byte cannot be read.
#[derive(Debug)]
struct Failing<'a>(&'a [u8], usize);

impl ReadAt for Failing<'_> {
    fn size(&self) -> u64 {
        self.0.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let offset = offset as usize;
        if (offset..offset + buf.len()).contains(&self.1) {
            return Err(io::Error::other("injected"));
        }
        self.0.read_at(offset as u64, buf)
    }
}

#[track_caller]
fn fails(bad: usize, structure: Structure, offset: usize) {
    let image = Image::new();
    let error = detect(Failing(&image.bytes, bad), &Options::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    let Error::Read {
        structure: what,
        offset: at,
        ..
    } = error
    else {
        panic!()
    };
    assert_eq!((what, at), (structure, offset as u64));
}

#[test]
fn what_cannot_be_read_is_an_error() {
    fails(7, Structure::Superblock, 0);
    fails(at(0, 2), Structure::GroupHeaders, at(0, 0));
    fails(at(1, 3), Structure::GroupHeaders, at(1, 0));
    fails(at(1, 5) + 9, Structure::BtreeBlock, at(1, 5));
    fails(at(0, 14), Structure::Inodes, at(0, 12));
    fails(at(0, 76), Structure::BtreeBlock, at(0, 76));
    // The contents of files are not read, and free blocks neither.
    let image = Image::new();
    for bad in [at(0, 80), at(0, 90)] {
        let found = detect(Failing(&image.bytes, bad), &Options::default()).unwrap();
        assert!(found.is_some());
    }
}

/// Whether a byte is free in the image as it is made.
fn was_free(byte: usize) -> bool {
    let free = crate::image::free_of(&[0, 1, 2]);
    free.iter()
        .any(|run| (run.0..run.0 + run.1).contains(&byte))
}

/// That what is free of `image` was so before it was changed.
fn holds(image: &Image) -> Result<(), TestCaseError> {
    let Some(filesystem) = detect(image.bytes.as_slice(), &Options::default()).unwrap() else {
        return Ok(());
    };
    for extent in extents(&filesystem) {
        if extent.kind == ExtentKind::Free {
            for block in extent.range().step_by(BLOCK) {
                prop_assert!(was_free(block as usize), "block at byte {block:#x}");
            }
        }
    }
    Ok(())
}

/// Where structures are, which is not where files have their contents.
fn structures() -> impl Strategy<Value = usize> {
    prop_oneof![
        0..at(0, 16),
        at(0, 76)..at(0, 77),
        at(0, 88)..at(0, 90),
        at(1, 0)..at(1, 24),
        at(2, 0)..at(2, 10),
    ]
}

fn images() -> impl Strategy<Value = Image> {
    prop_oneof![
        Just(Image::new()),
        Just(Image::with_rmap()),
        Just(Image::version4()),
    ]
}

/// Values that numbers of filesystems do not like.
fn hostile() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(u32::MAX),
        Just(u32::MAX - 1),
        Just(i32::MAX.cast_unsigned()),
        Just(1 << 31),
        0u32..256,
        any::<u32>(),
    ]
}

#[test]
fn any_byte_changed_loses_nothing() {
    for image in [Image::new(), Image::with_rmap()] {
        let places = (0..at(0, 16))
            .chain(at(0, 76)..at(0, 77))
            .chain(at(0, 88)..at(0, 90))
            .chain(at(1, 0)..at(1, 22));
        for place in places.chain(at(2, 0)..at(2, 10)).step_by(3) {
            let mut image = image.clone();
            image.bytes[place] ^= 0x81;
            holds(&image).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Any number changed, with checksums that are right.
    #[test]
    fn hostile_numbers_lose_nothing(
        image in images(),
        place in structures(),
        value in hostile(),
        width in prop_oneof![Just(1usize), Just(2), Just(4)],
    ) {
        let mut image = image;
        let place = place / width * width;
        image.put(place, &value.to_be_bytes()[4 - width..]);
        image.stamp();
        holds(&image)?;
    }

    /// Several numbers changed: nothing is known of what is free, but it ends.
    #[test]
    fn hostile_filesystems_end(
        image in images(),
        changes in prop::collection::vec((structures(), hostile()), 1..12),
    ) {
        let mut image = image;
        for (place, value) in changes {
            image.put32(place / 4 * 4, value);
        }
        image.stamp();
        if let Some(filesystem) = detect(image.bytes.as_slice(), &Options::default()).unwrap() {
            extents(&filesystem);
        }
    }
}
