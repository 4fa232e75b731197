//! Which blocks hold metadata.

use std::ops::Range;

use blockio::{ExtentKind, ReadAt};
use ext_blocks::damage::{Consequence, Finding, InodeDamage};
use ext_blocks::discardable::Discardable;
use ext_blocks::{Distrust, Metadata, Options};
use proptest::prelude::*;

use crate::image::{Image, METADATA_CSUM, SB, answer, base, base_with, crc32c, open};

/// Everything that the superblock and the descriptors of the base place.
const PLACED: [Range<u64>; 4] = [0..7, 65..71, 129..133, 169..169];

pub(crate) const DIRECTORY: u16 = 0x4000;
pub(crate) const FILE: u16 = 0x8000;
const SYMLINK: u16 = 0xa000;
const DEVICE: u16 = 0x2000;
pub(crate) const EXTENTS: u32 = 0x8_0000;

/// Offset of inode `number` of group 0.
pub(crate) fn inode(number: usize) -> usize {
    5 * 1024 + (number - 1) * 128
}

/// Offset of `i_block` of inode `number` of group 0.
pub(crate) fn i_block(number: usize) -> usize {
    inode(number) + 0x28
}

/// Makes inode `number` one of `i_mode` with a link.
pub(crate) fn make(image: &mut Image, number: usize, i_mode: u16, i_flags: u32) {
    let at = inode(number);
    image
        .u16(at, i_mode)
        .u16(at + 0x1a, 1)
        .u32(at + 0x20, i_flags);
}

/// A root of an extent tree for inode `number`, with one entry.
pub(crate) fn root(image: &mut Image, number: usize, depth: u16, entry: [u32; 3]) {
    node(image, i_block(number), 4, depth, &[entry]);
}

pub(crate) fn node(image: &mut Image, at: usize, max: u16, depth: u16, entries: &[[u32; 3]]) {
    let count = u16::try_from(entries.len()).unwrap();
    image.u16(at, 0xf30a).u16(at + 2, count).u16(at + 4, max);
    image.u16(at + 6, depth);
    for (index, word) in entries.iter().flatten().enumerate() {
        image.u32(at + 12 + 4 * index, *word);
    }
}

fn metadata(image: &Image) -> Metadata {
    open(image, &Options::default()).metadata().unwrap()
}

/// The blocks of `metadata`, whose extents tile the disk.
#[track_caller]
fn blocks(image: &Image, metadata: &Metadata) -> Vec<Range<u64>> {
    let extents: Vec<_> = metadata.used_extents().collect();
    assert!(blockio::tiles(extents.iter().copied(), image.size()));
    assert!(extents.windows(2).all(|pair| pair[0].kind != pair[1].kind));
    let data = extents
        .iter()
        .filter(|extent| extent.kind == ExtentKind::Data);
    data.map(|extent| extent.start / 1024..extent.end() / 1024)
        .collect()
}

/// What is placed, and `others`.
fn placed_and(others: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut runs: Vec<_> = PLACED
        .iter()
        .chain(others)
        .filter(|run| !run.is_empty())
        .cloned()
        .collect();
    runs.sort_by_key(|run| run.start);
    runs
}

/// Asserts that the metadata of `image` is what is placed and `others`, and
/// that `want` is wrong with it.
#[track_caller]
fn selects(image: &Image, others: &[Range<u64>], want: &[Finding]) {
    let metadata = metadata(image);
    assert_eq!(metadata.damage().findings(), want);
    assert_eq!(blocks(image, &metadata), placed_and(others));
}

/// One inode of each sort.
fn tree() -> Image {
    let mut image = base();
    // A directory in block 20, one in blocks 21 and 22 by 23.
    make(&mut image, 2, DIRECTORY, 0);
    image.u32(i_block(2), 20);
    make(&mut image, 11, DIRECTORY, EXTENTS);
    root(&mut image, 11, 1, [0, 23, 0]);
    node(&mut image, 23 * 1024, 84, 0, &[[0, 2, 21]]);
    // A file in block 30 and by 31 in 32, with attributes in 33.
    make(&mut image, 12, FILE, 0);
    image.u32(i_block(12), 30).u32(i_block(12) + 48, 31);
    image.u32(31 * 1024, 32).u32(inode(12) + 0x68, 33);
    // A symbolic link in 34, one in the inode.
    make(&mut image, 13, SYMLINK, 0);
    image.u32(inode(13) + 4, 60).u32(inode(13) + 0x1c, 2);
    image.u32(i_block(13), 34);
    make(&mut image, 14, SYMLINK, 0);
    image.u32(inode(14) + 4, 4).u32(i_block(14), 35);
    // A device whose number looks like a block, and a value of an attribute.
    make(&mut image, 15, DEVICE, 0);
    image.u32(i_block(15), 36);
    make(&mut image, 16, FILE, 0x20_0000);
    image.u32(i_block(16), 37);
    image
}

#[test]
fn what_is_placed_is_metadata() {
    selects(&base(), &[], &[]);
    // With checksums, what was never used is not.
    let mut image = base_with(METADATA_CSUM, 32);
    image.u16(image.descriptor(1) + 0x12, 3);
    image.u16(image.descriptor(2) + 0x1c, 16);
    image.u16(image.descriptor(0) + 0x1c, 5).seal();
    let expected = [0..7, 65..67, 129..131];
    assert_eq!(blocks(&image, &metadata(&image)), expected);
    image.u16(image.descriptor(0) + 0x1c, 8).seal();
    let expected = [0..6, 65..67, 129..131];
    assert_eq!(blocks(&image, &metadata(&image)), expected);
}

#[test]
fn of_files_the_maps_are_metadata_and_of_others_the_contents() {
    // Of the short link and the device e2fsck may look at one block.
    selects(&tree(), &[20..24, 31..32, 33..36, 37..38], &[]);
}

#[test]
fn inodes_of_the_filesystem_are_metadata() {
    // The journal, a quota file and the orphan file; of the journal also what
    // the superblock knows of it.
    let mut image = tree();
    image
        .u32(SB + 0x5c, 4)
        .u32(SB + 0xe0, 12)
        .u32(SB + 0x240, 13);
    image.put(SB + 0xfd, &[1]).u32(SB + 0x10c, 40);
    image.u32(SB + 0x54, 3);
    selects(&image, &[20..24, 30..36, 37..38, 40..41], &[]);
    // That both have the same map is no damage.
    let mut image = tree();
    image.u32(SB + 0xe0, 12).put(SB + 0xfd, &[1]);
    image.u32(SB + 0x10c, 30).u32(SB + 0x10c + 48, 31);
    selects(&image, &[20..24, 30..36, 37..38], &[]);
    // What the superblock knows counts without an inode of the journal, too.
    let mut image = base();
    image
        .u32(SB + 0xe0, 8)
        .put(SB + 0xfd, &[1])
        .u32(SB + 0x10c, 40);
    selects(&image, &[40..41], &[]);
    let mut image = tree();
    image.u32(SB + 0x280, 12);
    selects(&image, &[20..24, 30..36, 37..38], &[]);
    // Bad blocks hold nothing.
    let mut image = base();
    image
        .u32(i_block(1), 50)
        .u32(i_block(1) + 48, 51)
        .u32(51 * 1024, 52);
    selects(&image, &[51..52], &[]);
}

#[test]
fn what_was_deleted_is_no_metadata() {
    let mut image = base();
    make(&mut image, 12, DIRECTORY, 0);
    image.u32(i_block(12), 20).u16(inode(12) + 0x1a, 0);
    image.u32(inode(12) + 0x14, 1_700_000_000);
    selects(&image, &[], &[]);
    // Unless the bitmap has it, or it is an orphan.
    image.bit(4, 11, true);
    selects(&image, &[20..21], &[]);
    image.bit(4, 11, false).u32(inode(12) + 0x14, 13);
    selects(&image, &[20..21], &[]);
}

/// Asserts that `patch` damages inode `inode` of the tree in one way, and that
/// the metadata is what is placed and `others`.
#[track_caller]
fn harms(patch: impl FnOnce(&mut Image), inode: u32, damage: InodeDamage, others: &[Range<u64>]) {
    let mut image = tree();
    selects(&image, &[20..24, 31..32, 33..36, 37..38], &[]);
    patch(&mut image);
    let finding = Finding::Inode { inode, damage };
    assert_eq!(finding.consequence(), Consequence::FoundKept);
    selects(&image, others, &[finding]);
}

#[test]
fn a_damaged_inode_costs_nothing_that_can_be_found() {
    let tree = InodeDamage::ExtentTree { block: 23 };
    let outside = |block| InodeDamage::OutOfRange { block, count: 1 };
    let (rest, without_leaf) = (
        [20..24, 31..32, 33..36, 37..38],
        [20..21, 23..24, 31..32, 33..36, 37..38],
    );
    harms(|image| _ = image.u16(23 * 1024, 0), 11, tree, &without_leaf);
    harms(
        |image| _ = image.u32(23 * 1024 + 12, 1).u16(23 * 1024 + 2, 2),
        11,
        tree,
        &rest,
    );
    harms(
        |image| _ = image.u32(i_block(2) + 4, 169),
        2,
        outside(169),
        &rest,
    );
    harms(
        |image| _ = image.u32(i_block(12) + 52, 1),
        12,
        outside(1),
        &rest,
    );
    let block = 170;
    let attributes = InodeDamage::AttributeBlock { block };
    harms(
        |image| _ = image.u32(inode(12) + 0x68, 170),
        12,
        attributes,
        &[20..24, 31..32, 34..36, 37..38],
    );
    // Both readings of an inode count where its flags and its bytes differ.
    let root = InodeDamage::ExtentTree { block: 0 };
    harms(
        |image| _ = image.u32(inode(2) + 0x20, EXTENTS),
        2,
        root,
        &rest,
    );
}

#[test]
fn an_inode_with_a_wrong_checksum_is_read_all_the_same() {
    let mut image = base_with(METADATA_CSUM, 32);
    make(&mut image, 2, DIRECTORY, 0);
    image.u32(i_block(2), 20);
    let seed = crc32c(crc32c(image.seed(), &2u32.to_le_bytes()), &[0; 4]);
    let computed = crc32c(seed, &image.bytes[inode(2)..inode(3)]) & 0xffff;
    let stored = computed ^ 0x10;
    let mut right = image.clone();
    right.u16(inode(2) + 0x7c, u16::try_from(computed).unwrap());
    selects(&right, &[20..21], &[]);
    image.u16(inode(2) + 0x7c, u16::try_from(stored).unwrap());
    let damage = InodeDamage::Checksum { stored, computed };
    selects(&image, &[20..21], &[Finding::Inode { inode: 2, damage }]);
}

#[test]
fn with_a_damaged_descriptor_its_copy_counts_too() {
    let mut image = tree();
    // The copy in group 1 puts the table of group 0 at 100; the directory there
    // is in 110.
    image
        .u32(66 * 1024, 3)
        .u32(66 * 1024 + 4, 4)
        .u32(66 * 1024 + 8, 100);
    image
        .u16(100 * 1024 + 128, DIRECTORY)
        .u16(100 * 1024 + 128 + 0x1a, 1);
    image.u32(100 * 1024 + 128 + 0x28, 110);
    selects(&image, &[20..24, 31..32, 33..36, 37..38], &[]);
    image.u32(image.descriptor(0), 0);
    let want = [Finding::Descriptor { group: 0 }];
    assert_eq!(want[0].consequence(), Consequence::TablesKept);
    selects(
        &image,
        &[20..24, 31..32, 33..36, 37..38, 100..102, 110..111],
        &want,
    );
}

#[test]
fn what_names_an_inode_that_was_never_used_makes_it_metadata() {
    let mut image = base_with(METADATA_CSUM, 32);
    make(&mut image, 2, DIRECTORY, 0);
    image.u32(i_block(2), 20);
    let seed = crc32c(crc32c(image.seed(), &2u32.to_le_bytes()), &[0; 4]);
    let crc = crc32c(seed, &image.bytes[inode(2)..inode(3)]);
    image.u16(inode(2) + 0x7c, u16::try_from(crc & 0xffff).unwrap());
    image.u16(image.descriptor(1) + 0x12, 1);
    image.u16(image.descriptor(1) + 0x1c, 16);
    // In the never used table a directory in block 90.
    let unused = 69 * 1024 + 3 * 128;
    image
        .u16(unused, DIRECTORY)
        .u16(unused + 0x1a, 1)
        .u32(unused + 0x28, 90);
    image
        .u32(20 * 1024, 2)
        .u16(20 * 1024 + 4, 12)
        .u32(20 * 1024 + 12, 3);
    image.u16(20 * 1024 + 16, 1012).seal();
    let expected = [0..7, 20..21, 65..68, 129..133];
    assert_eq!(blocks(&image, &metadata(&image)), expected);
    image.u32(20 * 1024 + 12, 20);
    let want = Finding::UnusedInodeNamed {
        group: 1,
        inode: 20,
    };
    assert_eq!(want.consequence(), Consequence::TableKept);
    selects(&image, &[20..21, 90..91], &[want]);
}

#[test]
fn without_a_superblock_that_is_believed_there_is_none() {
    let mut image = base();
    image.u32(SB + 0x60, 0x8000_0000);
    let metadata = answer(open(&image, &Options::default()).metadata());
    let Err(Distrust::UnknownFeatures { bits, .. }) = metadata else {
        panic!("{metadata:?}")
    };
    assert_eq!(bits, 0x8000_0000);
    // The state does not matter.
    let mut image = tree();
    image.u16(SB + 0x3a, 2);
    selects(&image, &[20..24, 31..32, 33..36, 37..38], &[]);
}

proptest! {
    #[test]
    fn metadata_of_anything_tiles_the_disk(
        patches in prop::collection::vec((0usize..169 * 256, prop_oneof![0u32..170, any::<u32>()]), 0..40),
        inodes in prop::collection::vec((5 * 256usize..7 * 256, prop_oneof![0u32..170, Just(0x0001_f30a), any::<u32>()]), 0..40),
        seal: bool,
    ) {
        let mut image = tree();
        for (word, value) in patches.into_iter().chain(inodes) {
            image.u32(4 * word, value);
        }
        if seal {
            image.seal();
        }
        let Ok(ext_blocks::Detected::Ext(filesystem)) = ext_blocks::detect(&image, &Options::default()) else {
            return Ok(());
        };
        if let Ok(metadata) = answer(filesystem.metadata()) {
            blocks(&image, &metadata);
        }
        drop(answer(filesystem.discardable(Discardable::ALL)));
    }
}
