//! Storage that fails, and bytes that nobody would write.

use std::io;

use blockio::ReadAt;
use btrfs_blocks::{Distrust, Error, ErrorKind, Keep, Options, Structure, Trust, find};
use proptest::prelude::*;

use crate::image::{Image, LOG, METADATA, MIB, extents, open_with, seal, used};

/// A disk of which one byte cannot be read.
#[derive(Debug)]
struct Failing(Vec<u8>, u64);

impl ReadAt for Failing {
    fn size(&self) -> u64 {
        self.0.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if (offset..offset + buf.len() as u64).contains(&self.1) {
            return Err(io::Error::other("injected"));
        }
        self.0.read_at(offset, buf)
    }
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let mut image = Image::new();
    image.log();
    let disk = image.write();
    let error = find(&Failing(disk.clone(), 0x1_0000)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "superblock at byte 0x10000 cannot be read"
    );
    for number in (0..5)
        .map(|n| 2 * MIB + n * 4096)
        .chain([MIB, 2 * MIB + 0x8_1000])
    {
        let failing = Failing(disk.clone(), number + 4095);
        let candidate = find(&failing).unwrap().unwrap();
        let error = candidate.open(&failing, &Options::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        let Error::Read {
            structure, offset, ..
        } = error
        else {
            panic!()
        };
        assert_eq!((structure, offset), (Structure::TreeBlock, number));
    }
    // The contents of files are not read.
    let failing = Failing(disk, 4 * MIB + 0x1_0000);
    let candidate = find(&failing).unwrap().unwrap();
    let filesystem = candidate.open(&failing, &Options::default()).unwrap();
    assert_eq!(filesystem.trust(), &Trust::References);
}

/// Superblocks at 64 KiB and 64 MiB.
fn with_mirror() -> Image {
    let mut image = Image::new();
    image.size = 65 << 20;
    image.places.push(64 << 20);
    image.put(0xd1, &(65 * MIB).to_le_bytes());
    image.item(3, (1, 216, 1))[8..16].copy_from_slice(&(65 * MIB).to_le_bytes());
    image
}

#[test]
fn other_superblocks_are_held_against_the_first() {
    let image = with_mirror();
    assert_eq!(image.open().damage(), []);
    let mirror = 64 << 20;
    let at = mirror as u64;
    let opened = |disk: &Vec<u8>| open_with(disk.clone(), &Options::default());

    let mut disk = image.write();
    disk[mirror + 500] ^= 1;
    let found = opened(&disk);
    assert_eq!(found.trust(), &Trust::References);
    let text: Vec<_> = found.damage().iter().map(ToString::to_string).collect();
    assert_eq!(text, ["the superblock at byte 0x4000000 is damaged"]);

    // An older one is what a crash leaves; a newer one cannot be.
    for (generation, is_newer) in [(8, false), (10, true)] {
        let mut disk = image.write();
        disk[mirror + 0x48] = generation;
        disk[mirror + 0xa4] = 8;
        seal(&mut disk[mirror..mirror + 4096]);
        let found = opened(&disk);
        assert_eq!(found.damage(), []);
        let (generation, newer) = (9, u64::from(generation));
        let why = Distrust::NewerMirror {
            at,
            found: newer,
            generation,
        };
        let want = if is_newer {
            Trust::Nothing(why)
        } else {
            Trust::References
        };
        assert_eq!(found.trust(), &want);
    }

    let mut disk = image.write();
    disk[0x1_0000 + 500] ^= 1;
    let why = Distrust::OnlyMirror { mirror: at };
    assert_eq!(why.kind(), ErrorKind::Corrupt);
    assert_eq!(opened(&disk).trust(), &Trust::Nothing(why));
    disk[mirror + 500] ^= 1;
    let why = Trust::Nothing(Distrust::SuperblockChecksum);
    assert_eq!(opened(&disk).trust(), &why);
}

/// Values that numbers of filesystems do not like.
fn hostile() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(4096),
        Just(u64::MAX),
        Just(u64::MAX - 4095),
        Just(1 << 63),
        Just(METADATA),
        0u64..300,
        (0u32..64).prop_map(|bit| 1 << bit),
        any::<u64>(),
    ]
}

/// Where the blocks of the image with a log are.
fn blocks() -> Vec<usize> {
    let trees = (0..5).map(|n| 2 * MIB + n * 4096);
    let log = [2 * MIB + 0x8_0000, 2 * MIB + 0x8_1000];
    (trees.chain([0x1_0000, MIB]).chain(log))
        .map(|at| at as usize)
        .collect()
}

/// The offset of a byte in use of a block: in its head, its keys, or its items.
fn inside(block: &[u8], place: usize) -> usize {
    let in_use: Vec<usize> = (32..4096)
        .filter(|at| *at < 640 || block[*at] != 0)
        .collect();
    in_use[place % in_use.len()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_bytes_give_extents_that_tile_the_disk(
        changes in prop::collection::vec(
            (0usize..9, any::<usize>(), hostile(), 1usize..9), 1..6),
        metadata: bool,
        cut in prop_oneof![4 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)],
    ) {
        let mut image = Image::new();
        image.log();
        let mut disk = image.write();
        for (number, place, value, length) in changes {
            let start = blocks()[number];
            let block = &mut disk[start..start + 4096];
            let at = inside(block, place).min(4096 - length);
            block[at..at + length].copy_from_slice(&value.to_le_bytes()[..length]);
            seal(block);
        }
        if let Some(cut) = cut {
            disk.truncate(cut.index(disk.len()));
        }
        let mut options = Options::default();
        if metadata {
            options.keep = Keep::Metadata;
        }
        if find(&disk).unwrap().is_some() {
            extents(&open_with(disk, &options));
        }
    }

    /// What is used stays used if one number is wrong, in any tree but the log, which
    /// nothing vouches for.
    #[test]
    fn nothing_is_lost_by_one_wrong_number(
        number in 0usize..5, place: usize, value in hostile(), length in 1usize..9,
    ) {
        let mut image = Image::new();
        image.log();
        let mut disk = image.write();
        let before = used(&open_with(disk.clone(), &Options::default()));
        let start = blocks()[number];
        let block = &mut disk[start..start + 4096];
        let at = inside(block, place).min(4096 - length);
        block[at..at + length].copy_from_slice(&value.to_le_bytes()[..length]);
        seal(block);
        let after = used(&open_with(disk, &Options::default()));
        for run in before {
            let is_held = after.iter().any(|held| held.0 <= run.0 && run.1 <= held.1);
            prop_assert!(is_held, "{run:?} is not in {after:?}");
        }
    }
}

#[test]
fn many_logs_of_one_tree_are_read_once() {
    let mut image = Image::new();
    image.log();
    let (_, item) = image.tree(LOG).items[0].clone();
    for number in 6..12 {
        image.insert(LOG, (LOG, 132, number), item.clone());
    }
    let found = image.open().log().unwrap();
    assert_eq!((found.blocks, found.references), (2, 1));
}
