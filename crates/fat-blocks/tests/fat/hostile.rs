//! Storage that fails, and bytes that nobody would write.

use std::io;

use blockio::ReadAt;
use fat_blocks::{Detected, Error, ErrorKind, Kind, Options, Structure, detect};
use proptest::prelude::*;

use crate::exfat_image::ExFat;
use crate::image::{Fat, KINDS, extents, open};

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
fn fails(bytes: &[u8], bad: usize, structure: Structure, offset: usize) {
    let error = detect(Failing(bytes.to_vec(), bad), &Options::default()).unwrap_err();
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
    for kind in KINDS {
        let fat = Fat::filled(kind);
        let (table, length) = fat.table;
        fails(&fat.bytes, 7, Structure::Boot, 0);
        fails(&fat.bytes, table + 9, Structure::Fat, table);
        fails(
            &fat.bytes,
            table + length + 9,
            Structure::Fat,
            table + length,
        );
        fails(&fat.bytes, fat.root + 9, Structure::Directory, fat.root);
        fails(&fat.bytes, fat.at(30) + 9, Structure::Directory, fat.at(30));
    }
    let exfat = ExFat::filled();
    fails(&exfat.0, 11 * 512, Structure::Boot, 0);
    fails(&exfat.0, 24 * 512, Structure::Fat, 24 * 512);
    fails(&exfat.0, exfat.at(2), Structure::Bitmap, exfat.at(2));
    fails(&exfat.0, exfat.at(30), Structure::Directory, exfat.at(30));
    // The contents of files are not read.
    let fat = Fat::filled(Kind::Fat12);
    let found = detect(Failing(fat.bytes.clone(), fat.at(10)), &Options::default()).unwrap();
    assert!(matches!(found, Detected::Fat(_)));
}

/// Values that numbers of filesystems do not like.
fn hostile() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(2),
        Just(u32::MAX),
        Just(0x0fff_fff7),
        Just(0x7fff_ffff),
        0u32..200,
        (0u32..32).prop_map(|bit| 1 << bit),
        any::<u32>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_give_extents_that_tile_the_disk(
        which in 0usize..4,
        boot in prop::collection::vec((0usize..128, hostile(), 1usize..5), 0..3),
        words in prop::collection::vec((any::<prop::sample::Index>(), hostile()), 0..12),
        seal: bool,
        cut in prop_oneof![3 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)],
    ) {
        let mut exfat = ExFat::filled();
        let mut fat = Fat::filled(KINDS[which % 3]);
        let bytes = if which == 3 { &mut exfat.0 } else { &mut fat.bytes };
        for (at, value, length) in boot {
            bytes[at..at + length.min(4)].copy_from_slice(&value.to_le_bytes()[..length.min(4)]);
        }
        for (at, value) in words {
            let end = bytes.len().min(45_000);
            let at = at.index(end - 512) / 4 * 4 + 512;
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        if which == 3 && seal {
            exfat.seal();
        }
        if which < 3 && seal {
            // Both copies of the FAT the same.
            let (start, length) = fat.table;
            let first = fat.bytes[start..start + length].to_vec();
            fat.put(start + length, &first);
        }
        let mut bytes = if which == 3 { exfat.0 } else { fat.bytes };
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Detected::Fat(filesystem) = detect(&bytes, &Options::default()).unwrap() {
            extents(&filesystem, bytes.len());
            open(&bytes);
        }
    }
}
