//! Storage that fails, and bytes that nobody would write.

use std::io;

use blockio::{ExtentKind, ReadAt, Tiling};
use ntfs_blocks::{Error, ErrorKind, Options, Structure, Trust, find};
use proptest::prelude::*;

use crate::build::{UNIT, seal};
use crate::image::{BITMAP, INDEX, Image, LOG, MIRROR, USED, extents};

/// A disk of which one byte cannot be read.
#[derive(Debug)]
struct Failing(Vec<u8>, usize);

impl ReadAt for Failing {
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
    let disk = Failing(Image::new().0, bad);
    let error = match find(&disk) {
        Ok(found) => found.unwrap().open(&disk, &Options::default()).unwrap_err(),
        Err(error) => error,
    };
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
    fails(7, Structure::Boot, 0);
    fails(0x1e01, Structure::Boot, 0x1e00);
    fails(Image::at(0) + 5, Structure::Record, Image::at(0));
    fails(Image::at(6) + 5, Structure::Record, Image::at(6));
    fails(Image::at(29) + 5, Structure::Record, Image::at(0));
    fails((MIRROR + 2) * UNIT, Structure::Mirror, (MIRROR + 2) * UNIT);
    fails(LOG * UNIT + 8000, Structure::Log, LOG * UNIT);
    fails(INDEX * UNIT + 1, Structure::Index, INDEX * UNIT);
    fails(BITMAP * UNIT + 1, Structure::Bitmap, BITMAP * UNIT);
    fails(8 * UNIT + 1, Structure::Bitmap, 8 * UNIT);
    // The contents of files and the end of the disk are not read.
    for bad in [80 * UNIT, 200 * UNIT + 511] {
        let disk = Failing(Image::new().0, bad);
        let found = find(&disk).unwrap().unwrap();
        let filesystem = found.open(&disk, &Options::default()).unwrap();
        assert_eq!(filesystem.trust(), Trust::Records);
    }
}

#[test]
fn a_bitmap_that_cannot_be_read_any_more_ends_the_extents() {
    let image = Image::new();
    let found = find(&image.0).unwrap().unwrap();
    let disk = std::sync::Mutex::new(image.0.clone());
    /// Fails once it has been opened.
    struct Later<'a>(&'a std::sync::Mutex<Vec<u8>>);
    impl ReadAt for Later<'_> {
        fn size(&self) -> u64 {
            200 * 1024 + 812
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            self.0.lock().unwrap().read_at(offset, buf)
        }
    }
    let filesystem = found.open(Later(&disk), &Options::default()).unwrap();
    disk.lock().unwrap().truncate(BITMAP * UNIT);
    let extents: Vec<_> = filesystem.extents(0..200 * 1024).collect();
    let error = extents.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.to_string(), "bitmap at byte 0x11800 cannot be read");
    assert!(
        extents
            .iter()
            .flatten()
            .all(|run| run.kind == ExtentKind::Data)
    );
}

/// Values that numbers of volumes do not like.
fn hostile() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(u64::MAX),
        Just(u64::MAX - 1),
        Just(i64::MAX as u64),
        Just(1 << 63),
        Just(0xffff_ffff),
        Just(1 << 32),
        0u64..300,
        (0u32..64).prop_map(|bit| 1 << bit),
        any::<u64>(),
    ]
}

/// Structures, with which of them is changed where.
fn places() -> impl Strategy<Value = usize> {
    prop_oneof![
        2 => 0usize..128,
        8 => (0usize..32, 0usize..160).prop_map(|(record, at)| Image::at(record) + at),
        1 => (0usize..64).prop_map(|at| INDEX * UNIT + at),
        1 => (0usize..8192).prop_map(|at| LOG * UNIT + at),
        1 => (0usize..32).prop_map(|at| BITMAP * UNIT + at),
        1 => (0usize..8).prop_map(|at| 8 * UNIT + at),
        1 => (0usize..512).prop_map(|at| 0x1e00 + at),
    ]
}

/// Whether any cluster in use, by the files of the sound volume, is free.
fn loses(bytes: &Vec<u8>) -> Option<u64> {
    let candidate = find(bytes).unwrap()?;
    let filesystem = candidate.open(bytes, &Options::default()).unwrap();
    let info = filesystem.info();
    let runs = extents(&filesystem, bytes.len());
    let free: u64 = (runs.iter().filter(|run| run.kind == ExtentKind::Free))
        .map(|run| run.length)
        .sum();
    assert_eq!(free, info.free_bytes);
    let is_free = |at: u64| {
        let inside = |run: &&blockio::Extent| run.range().contains(&at);
        runs.iter().find(inside).unwrap().kind == ExtentKind::Free
    };
    let mut used = USED.into_iter().flatten();
    used.find(|cluster| is_free(cluster * UNIT as u64))
}

#[test]
fn any_byte_of_any_structure_may_be_anything_and_no_cluster_is_lost() {
    let image = Image::new();
    let structures = [
        0..128,
        0x1e00..0x1e60,
        8 * UNIT..8 * UNIT + 8,
        BITMAP * UNIT..BITMAP * UNIT + 32,
        INDEX * UNIT..INDEX * UNIT + 160,
    ];
    let records = (0..30).map(|number| Image::at(number)..Image::at(number) + 300);
    for at in structures.into_iter().chain(records).flatten() {
        let mut bytes = image.0.clone();
        for value in [0, 0xff, bytes[at] ^ 4] {
            bytes[at] = value;
            // A record that is changed with its copy, so that it is looked at.
            if (Image::at(0)..Image::at(4)).contains(&at) {
                bytes[at - Image::at(0) + MIRROR * UNIT] = value;
            }
            let Some(lost) = loses(&bytes) else { continue };
            panic!("byte {at:#x} is {value:#x}: cluster {lost} is lost");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn any_bytes_give_extents_that_tile_the_disk(
        changes in prop::collection::vec((places(), hostile(), 1usize..9), 1..6),
        unsealed: bool,
        cut in prop_oneof![5 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)],
    ) {
        let mut bytes = Image::new().0;
        for (at, value, length) in changes {
            bytes[at..at + length].copy_from_slice(&value.to_le_bytes()[..length]);
        }
        if unsealed {
            // Records, whatever is in them, were written as a whole.
            for number in 0..30 {
                let at = Image::at(number);
                let record = &mut bytes[at..at + UNIT];
                if record.starts_with(b"FILE") && record[4..8] == [0x30, 0, 3, 0] {
                    for tail in [510, 1022] {
                        record[tail..tail + 2].fill(0);
                    }
                    seal(record);
                }
            }
        }
        let mirrored = bytes[Image::at(0)..Image::at(4)].to_vec();
        bytes[MIRROR * UNIT..(MIRROR + 4) * UNIT].copy_from_slice(&mirrored);
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Some(candidate) = find(&bytes).unwrap() {
            let filesystem = candidate.open(&bytes, &Options::default()).unwrap();
            extents(&filesystem, bytes.len());
        }
    }
}
