//! Inodes that are created and changed, and intents.

use super::image::{Image, META_UUID, whole};
use crate::checksum;
use crate::log::LogFault;

/// Block 40 of group 1: 8 inodes a block, the first is number `1 << 13 | 320`.
pub(super) const CHUNK: usize = (1024 + 40) * 4096;
pub(super) const FIRST: u64 = 1 << 13 | 320;
pub(super) const BASIC: u64 = (1024 + 40) * 8;

/// Creates 64 inodes in 8 blocks.
pub(super) fn create() -> Vec<u8> {
    let mut item = vec![0x3f, 0x12, 1, 0];
    for number in [1u32, 40, 64, 512, 8, 0xabcd] {
        item.extend(number.to_be_bytes());
    }
    item
}

/// The first region of an inode item: regions, fields, number, block and byte.
pub(super) fn format(regions: u8, fields: u16, inode: u64, block: u64, byte: u32) -> Vec<u8> {
    let mut item = vec![0x3b, 0x12, regions, 0];
    item.extend(u32::from(fields).to_le_bytes());
    item.extend([0; 8]);
    item.extend(inode.to_le_bytes());
    item.extend([0x21, 0x43, 0x65, 0x87]);
    item.extend([0; 12]);
    item.extend(block.to_le_bytes());
    item.extend(32u32.to_le_bytes());
    item.extend(byte.to_le_bytes());
    item
}

/// A core in the byte order of the log: a regular file with extents.
pub(super) fn core(inode: u64) -> Vec<u8> {
    let mut core: Vec<u8> = (0..176).collect();
    core[..6].copy_from_slice(&[0x4e, 0x49, 0xa4, 0x81, 3, 2]);
    // Attributes after 64 bytes, flags without 64-bit times and counts.
    core[82] = 8;
    core[120..128].fill(0);
    core[152..160].copy_from_slice(&inode.to_le_bytes());
    core
}

fn fault(regions: &[Vec<u8>]) -> LogFault {
    let mut image = Image::new();
    image.record((1, 0), (1, 0), &whole(1, regions));
    image.fault()
}

#[test]
fn inodes_are_created_and_changed() {
    let mut image = Image::new();
    // Sorted after what creates it, though it is logged before.
    let regions = [
        format(4, 0x001 | 0x004 | 0x040, FIRST + 9, BASIC, 9 * 512),
        core(FIRST + 9),
        vec![0xee; 32],
        vec![0xaa; 12],
        create(),
    ];
    let next = image.record((1, 0), (1, 0), &whole(1, &[]));
    image.record((1, next), (1, 0), &whole(2, &regions));
    image.put(CHUNK, &[0x99; 64 * 512]);
    let replay = image.replay();
    let start = u64::try_from(CHUNK).unwrap();
    let chunk = start..start + 64 * 512;
    assert_eq!(replay.touched, std::slice::from_ref(&chunk));
    let after = image.after();
    for (number, inode) in (FIRST..).zip(after[CHUNK..CHUNK + 64 * 512].chunks(512)) {
        let sum = checksum::compute(inode, 100).to_le_bytes();
        assert_eq!(inode[100..104], sum, "{number:#x}");
        assert_eq!(inode[96..100], [0xff; 4]);
        assert_eq!(inode[152..160], number.to_be_bytes());
        if number == FIRST + 9 {
            continue;
        }
        let mut wanted = [0; 512];
        wanted[..5].copy_from_slice(&[0x49, 0x4e, 0, 0, 3]);
        wanted[92..96].copy_from_slice(&[0, 0, 0xab, 0xcd]);
        wanted[96..104].copy_from_slice(&inode[96..104]);
        wanted[152..160].copy_from_slice(&number.to_be_bytes());
        wanted[160..176].copy_from_slice(&META_UUID);
        assert_eq!(inode, wanted, "{number:#x}");
    }
    let inode = &after[CHUNK + 9 * 512..][..512];
    assert_eq!(inode[..8], [0x49, 0x4e, 0x81, 0xa4, 3, 2, 7, 6]);
    assert_eq!(inode[8..12], [11, 10, 9, 8]);
    // Times of twice 32 bits; no count of 64 bits.
    assert_eq!(inode[32..40], [35, 34, 33, 32, 39, 38, 37, 36]);
    assert_eq!(inode[24..32], [0; 8]);
    assert_eq!(inode[56..64], [63, 62, 61, 60, 59, 58, 57, 56]);
    assert_eq!(inode[76..84], [79, 78, 77, 76, 81, 80, 8, 83]);
    assert_eq!(inode[112..120], [0, 0, 0, 1, 0, 0, 0, 2]);
    assert_eq!(inode[132..144], [0; 12]);
    let uuid: Vec<u8> = (160..176).collect();
    assert_eq!(inode[160..176], uuid);
    assert_eq!(inode[176..208], [0xee; 32]);
    assert_eq!(inode[208..240], [0; 32]);
    assert_eq!(inode[240..252], [0xaa; 12]);
}

#[test]
fn counts_and_times_of_64_bits_are_turned_as_a_whole() {
    let mut core = core(FIRST);
    core[120] = 1 << 3 | 1 << 4;
    let regions = [create(), format(2, 1, FIRST, BASIC, 0), core];
    let mut image = Image::new();
    image.record((1, 0), (1, 0), &whole(1, &regions));
    let after = image.after();
    let inode = &after[CHUNK..CHUNK + 512];
    assert_eq!(inode[24..32], [31, 30, 29, 28, 27, 26, 25, 24]);
    assert_eq!(inode[32..40], [39, 38, 37, 36, 35, 34, 33, 32]);
    assert_eq!(inode[144..152], [151, 150, 149, 148, 147, 146, 145, 144]);
}

#[test]
fn a_device_number_is_put_in_place_of_data() {
    let regions = [create(), format(2, 0x11, FIRST, BASIC, 0), core(FIRST)];
    let mut image = Image::new();
    image.record((1, 0), (1, 0), &whole(1, &regions));
    assert_eq!(
        image.after()[CHUNK + 176..CHUNK + 180],
        [0x87, 0x65, 0x43, 0x21]
    );
}

#[test]
fn roots_of_btrees_are_put_into_both_forks() {
    let mut core = core(FIRST);
    (core[5], core[83]) = (3, 3);
    let root = |with: u8| [&[0, 0, 0, 0, 0, 1, 0, 1][..], &[0; 64], &[with; 16]].concat();
    let regions = [
        create(),
        format(4, 0x001 | 0x008 | 0x100, FIRST, BASIC, 0),
        core,
        root(0x11),
        root(0x22),
    ];
    let mut image = Image::new();
    image.record((1, 0), (1, 0), &whole(1, &regions));
    let after = image.after();
    let inode = &after[CHUNK..CHUNK + 512];
    // 64 bytes of data hold 3 records, 272 of attributes 16.
    let stored = |at: usize, most: usize, with: u8| {
        assert_eq!(inode[at..at + 4], [0, 1, 0, 1]);
        assert_eq!(inode[at + 4..at + 12], [with; 8]);
        assert_eq!(inode[at + 4 + most * 8..at + 12 + most * 8], [with; 8]);
    };
    stored(176, 3, 0x11);
    stored(240, 16, 0x22);
}

#[test]
fn a_stored_inode_that_is_newer_stays() {
    let replayed = |lsn: u64| {
        let mut image = Image::new();
        let regions = [format(2, 1, FIRST, BASIC, 0), core(FIRST)];
        image.record((1, 0), (1, 0), &whole(1, &regions));
        image.put(CHUNK, &[0x49, 0x4e, 0, 0, 3]);
        image.put(CHUNK + 112, &lsn.to_be_bytes());
        image.after()[CHUNK + 2] != 0
    };
    assert!(replayed(0));
    assert!(replayed(1 << 32));
    assert!(!replayed(1 << 32 | 1));
    assert!(replayed(u64::MAX));
}

#[test]
fn an_inode_of_version_2_is_older_if_it_was_written_less_often() {
    let replayed = |logged: u16, stored: u16| {
        let mut image = Image::new();
        image.geometry.filesystem.has_crc = false;
        let mut core = core(FIRST)[..96].to_vec();
        core[4] = 2;
        core[30..32].copy_from_slice(&logged.to_le_bytes());
        let regions = [format(2, 1, FIRST, BASIC, 0), core];
        image.record((1, 0), (1, 0), &whole(1, &regions));
        image.put(CHUNK, &[0x49, 0x4e, 0, 0, 2]);
        image.put(CHUNK + 30, &stored.to_be_bytes());
        let after = image.after();
        if after[CHUNK + 2] != 0 {
            assert_eq!(after[CHUNK + 24..CHUNK + 32], [0; 8]);
        }
        after[CHUNK + 2] != 0
    };
    assert!(replayed(5, 5));
    assert!(replayed(6, 5));
    assert!(!replayed(4, 5));
    // It starts again after the greatest.
    assert!(replayed(4, 0xffff));
    assert!(!replayed(0x8000, 0xffff));
}

#[test]
fn inodes_of_freed_chunks_are_not_replayed() {
    let cancel = super::image::buffer(1, 2, 32, BASIC, 0);
    let regions = [create(), format(2, 1, FIRST, BASIC, 0), core(FIRST), cancel];
    let mut image = Image::new();
    image.record((1, 0), (1, 0), &whole(1, &regions));
    assert_eq!(image.after(), image.disk);
    assert_eq!(image.replay().touched, []);
}

#[test]
fn inodes_that_are_not_sound_keep_everything() {
    let item = |field, found| LogFault::Item {
        kind: 0x123b,
        field,
        found,
    };
    let good = format(2, 1, FIRST, BASIC, 0);
    // Nothing was created.
    let found = fault(&[good.clone(), core(FIRST)]);
    assert_eq!(found, item("a place without inode: di_magic", 0));
    let created = |regions: &[Vec<u8>]| fault(&[&[create()], regions].concat());
    // Not where its number says.
    let found = created(&[format(2, 1, FIRST + 1, BASIC, 0), core(FIRST)]);
    assert_eq!(found, item("ilf_ino", FIRST + 1));
    let found = created(&[good.clone(), core(FIRST + 1)]);
    assert_eq!(found, item("di_ino", FIRST + 1));
    // Owners of blocks that change, and regions that are not there.
    let found = created(&[format(2, 0x201, FIRST, BASIC, 0), core(FIRST)]);
    assert_eq!(found, item("ilf_fields", 0x201));
    let found = created(&[format(2, 5, FIRST, BASIC, 0), core(FIRST)]);
    assert_eq!(found, item("regions", 2));
    // A fork that does not fit.
    let long = [format(3, 5, FIRST, BASIC, 0), core(FIRST), vec![1; 65]];
    assert_eq!(created(&long), item("a fork of bytes", 65));
    // A root of a fork that has none.
    let root = [&[0, 0, 0, 0, 0, 1, 0, 1][..], &[0; 64 + 16]].concat();
    let root = [format(3, 9, FIRST, BASIC, 0), core(FIRST), root];
    assert_eq!(created(&root), item("a fork of bytes", 88));
    let mut short = core(FIRST);
    short.truncate(100);
    assert_eq!(
        created(&[good.clone(), short]),
        item("a core of bytes", 100)
    );
    let mut old = core(FIRST);
    old[4] = 2;
    assert_eq!(created(&[good, old]), item("di_version", 2));
    let creation = |at: usize, value: u8| {
        let mut item = create();
        item[at] = value;
        fault(&[item])
    };
    let item = |field, found| LogFault::Item {
        kind: 0x123f,
        field,
        found,
    };
    assert_eq!(creation(7, 2), item("icl_agbno", 40));
    assert_eq!(creation(8, 1), item("icl_agbno", 0x0100_0028));
    assert_eq!(creation(15, 63), item("icl_count", 63));
    assert_eq!(creation(18, 1), item("icl_isize", 256));
    assert_eq!(creation(23, 9), item("icl_count", 64));
}

/// An intent or done item: type, extents, number.
pub(super) fn intent(kind: u8, number: u8, extents: &[u8]) -> Vec<u8> {
    let count = u8::from(!extents.is_empty());
    let mut item = vec![
        kind, 0x12, 1, 0, count, 0, 0, 0, number, 0, 0, 0, 0, 0, 0, 0,
    ];
    item.extend(extents);
    item
}

/// Blocks of group 1, from 40 on: as in an intent.
pub(super) const BLOCK: [u8; 8] = [40, 4, 0, 0, 0, 0, 0, 0];

#[test]
fn what_open_intents_name_is_in_use() {
    let extent = |length: u8| [&BLOCK[..], &[length, 0, 0, 0]].concat();
    let padded = |length| [extent(length), vec![0; 4]].concat();
    let mapping = |length: u8| [&[0; 8], &BLOCK[..], &[0; 8], &[length, 0, 0, 0], &[0; 4]].concat();
    // To be freed in both lengths, owners, counts, mappings.
    let intents = [
        intent(0x36, 1, &padded(3)),
        intent(0x36, 2, &extent(4)),
        intent(0x40, 1, &mapping(5)),
        intent(0x42, 1, &padded(6)),
        intent(0x44, 1, &mapping(7)),
        intent(0x48, 1, &[0; 80]),
    ];
    let with = |done: &[Vec<u8>]| {
        let mut image = Image::new();
        let next = image.record((1, 0), (1, 0), &whole(1, &intents));
        image.record((1, next), (1, 0), &whole(2, done));
        let replay = image.replay();
        let start = u64::try_from(CHUNK).unwrap();
        let blocks = replay.intended.iter().map(|range| {
            assert_eq!(range.start, start);
            (range.end - start) / 4096
        });
        (replay.open_intents, blocks.collect::<Vec<_>>())
    };
    assert_eq!(with(&[]), (6, vec![3, 4, 5, 6, 7]));
    // One that is not open was before the tail.
    let done = [intent(0x37, 2, &extent(4)), intent(0x37, 9, &extent(4))];
    assert_eq!(with(&done), (5, vec![3, 5, 6, 7]));
    let done = [
        intent(0x41, 1, &[]),
        intent(0x43, 1, &[]),
        intent(0x45, 1, &[]),
    ];
    assert_eq!(with(&done), (3, vec![3, 4]));
    let all = [intent(0x49, 1, &[]), intent(0x37, 1, &padded(3))];
    assert_eq!(with(&[&done[..], &all].concat()), (1, vec![4]));
}

#[test]
fn intents_that_are_not_sound_keep_everything() {
    let item = |kind, field, found| LogFault::Item { kind, field, found };
    let extent = |block: u16, length: u8| {
        let mut extent = block.to_le_bytes().to_vec();
        extent.extend([0; 6]);
        extent.extend([length, 0, 0, 0, 0, 0, 0, 0]);
        extent
    };
    let found = fault(&[intent(0x36, 1, &extent(2048, 1))]);
    assert_eq!(found, item(0x1236, "block", 2048));
    let found = fault(&[intent(0x36, 1, &extent(2047, 2))]);
    assert_eq!(found, item(0x1236, "block", 2047));
    let found = fault(&[intent(0x42, 1, &extent(2047, 0))]);
    assert_eq!(found, item(0x1242, "block", 2047));
    let found = fault(&[intent(0x42, 1, &extent(2047, 1)[..12])]);
    assert_eq!(found, item(0x1242, "extents", 1));
    let twice = [
        intent(0x36, 1, &extent(7, 1)),
        intent(0x36, 1, &extent(9, 1)),
    ];
    let found = fault(&twice);
    assert_eq!(found, item(0x1236, "a number that is taken,", 1));
}
