//! What inodes refer to is used, whatever the bitmaps of a clean filesystem say.

use std::num::NonZeroUsize;
use std::ops::Range;

use blockio::ExtentKind;
use ext_blocks::damage::{Consequence, Finding, InodeDamage, WalkDamage};
use ext_blocks::trust::Evidence;
use ext_blocks::{Distrust, Options, Trust};

use crate::image::{
    GDT_CSUM, Image, METADATA_CSUM, SB, base, base_with, blocks, damaged, distrusted, open, sound,
    with,
};
use crate::metadata::{DIRECTORY, EXTENTS, FILE, i_block, inode, make, node, root};

const fn in_use(inode: u32, blocks: Range<u64>) -> Finding {
    Finding::InUse {
        inode,
        block: blocks.start,
        count: blocks.end - blocks.start,
    }
}

/// Asserts that the bitmaps call what `refer` makes an inode refer to free, and
/// that all of it is used and told, and nothing else.
#[track_caller]
fn keeps(base: &Image, refer: impl FnOnce(&mut Image), want: &[Finding]) {
    let mut image = base.clone();
    refer(&mut image);
    damaged(&image, want);
    let mut expected = blocks(base, &Options::default(), ExtentKind::Data);
    for finding in want {
        let Finding::InUse { block, count, .. } = *finding else {
            panic!("{finding}")
        };
        assert_eq!(finding.consequence(), Consequence::BlocksKept);
        expected.push(block..block + count);
    }
    expected.sort_by_key(|run| run.start);
    expected.dedup_by(|next, run| {
        let touches = next.start <= run.end;
        if touches {
            run.end = run.end.max(next.end);
        }
        touches
    });
    for threads in [1, 3] {
        let options = with(|options| options.threads = NonZeroUsize::new(threads));
        assert_eq!(blocks(&image, &options, ExtentKind::Data), expected);
    }
    assert!(open(&image, &Options::default()).has_all_of_inodes());
    let by_bitmaps = with(|options| options.evidence = Evidence::Bitmaps);
    sound(base);
    let filesystem = open(&image, &by_bitmaps);
    assert!(filesystem.damage().is_empty());
    assert!(!filesystem.has_all_of_inodes());
}

#[test]
fn every_kind_of_reference_counts() {
    for ro_compat in [0, GDT_CSUM] {
        let base = base_with(ro_compat, 32);
        let file = |image: &mut Image| {
            make(image, 12, FILE, 0);
            image.u32(i_block(12), 80).u32(i_block(12) + 4, 81);
        };
        keeps(&base, file, &[in_use(12, 80..82)]);
        let indirect = |image: &mut Image| {
            make(image, 12, FILE, 0);
            image.u32(i_block(12) + 52, 140).u32(140 * 1024, 90);
            image.u32(90 * 1024 + 8, 30);
        };
        let found = [in_use(12, 140..141), in_use(12, 90..91), in_use(12, 30..31)];
        keeps(&base, indirect, &found);
        let extents = |image: &mut Image| {
            make(image, 12, DIRECTORY, EXTENTS);
            root(image, 12, 1, [0, 100, 0]);
            // One part is unwritten.
            node(image, 100 * 1024, 84, 0, &[[0, 2, 40], [9, 0x8003, 150]]);
        };
        let found = [
            in_use(12, 100..101),
            in_use(12, 40..42),
            in_use(12, 150..153),
        ];
        keeps(&base, extents, &found);
        let attributes = |image: &mut Image| {
            make(image, 12, 0x1000, 0);
            image.u32(inode(12) + 0x68, 33);
        };
        keeps(&base, attributes, &[in_use(12, 33..34)]);
        // Bad blocks, which have no mode, and the inode that keeps room for
        // descriptors.
        let bad = |image: &mut Image| _ = image.u32(i_block(1), 60);
        keeps(&base, bad, &[in_use(1, 60..61)]);
        let resize = |image: &mut Image| {
            make(image, 7, FILE, 0);
            image.u32(i_block(7) + 52, 61);
        };
        keeps(&base, resize, &[in_use(7, 61..62)]);
        // One that was deleted while open.
        let orphan = |image: &mut Image| {
            make(image, 12, FILE, 0);
            image.u16(inode(12) + 0x1a, 0).u32(i_block(12), 62);
        };
        keeps(&base, orphan, &[in_use(12, 62..63)]);
    }
    let translator = |image: &mut Image| {
        image.u32(SB + 0x48, 1);
        make(image, 12, 0x1000, 0);
        image.u32(inode(12) + 0x24, 34);
    };
    keeps(&base(), translator, &[in_use(12, 34..35)]);
}

#[test]
fn a_run_goes_on_in_the_next_group() {
    let refer = |image: &mut Image| {
        make(image, 12, FILE, EXTENTS);
        root(image, 12, 0, [0, 60, 100]);
    };
    // Metadata is where the third group begins.
    let found = [in_use(12, 100..129), in_use(12, 133..160)];
    keeps(&base(), refer, &found);
}

#[test]
fn what_a_group_without_a_bitmap_holds_is_kept() {
    let mut image = base_with(GDT_CSUM, 32);
    image.u16(image.descriptor(2) + 0x12, 2).seal();
    let refer = |image: &mut Image| {
        make(image, 12, FILE, 0);
        image.u32(i_block(12), 140);
    };
    keeps(&image, refer, &[in_use(12, 140..141)]);
}

#[test]
fn two_inodes_are_told_one_by_one_and_blocks_are_kept_once() {
    let refer = |image: &mut Image| {
        for number in [12, 13] {
            make(image, number, FILE, 0);
            image.u32(i_block(number), 80);
        }
    };
    keeps(&base(), refer, &[in_use(12, 80..81), in_use(13, 80..81)]);
}

#[test]
fn what_lies_in_a_table_that_was_never_used_is_no_zeros() {
    let mut image = base_with(GDT_CSUM, 32);
    image.u16(image.descriptor(1) + 0x1c, 8).seal();
    sound(&image);
    let zeros = |image: &Image| blocks(image, &Options::default(), ExtentKind::Zero);
    assert_eq!(zeros(&image), [70..71]);
    make(&mut image, 12, FILE, 0);
    image.u32(i_block(12), 70);
    let want = Finding::InTable {
        inode: 12,
        block: 70,
        count: 1,
    };
    assert_eq!(want.consequence(), Consequence::BlocksKept);
    damaged(&image, &[want]);
    assert_eq!(zeros(&image), []);
}

#[test]
fn inodes_that_a_bitmap_has_are_asked_though_they_were_never_used() {
    // Inode 16 is in the last half of the table of group 0; the bitmap has it.
    let mut image = base_with(GDT_CSUM, 32);
    image.u16(image.descriptor(0) + 0x1c, 5).seal();
    make(&mut image, 16, FILE, 0);
    image.u32(i_block(16), 80);
    sound(&image);
    image.bit(4, 15, true);
    image.u16(image.descriptor(0) + 0x0e, 4).seal();
    let unused = Finding::UnusedInodeInUse {
        group: 0,
        unused: 5,
    };
    damaged(&image, &[unused, in_use(16, 80..81)]);
}

#[test]
fn the_bitmaps_are_enough_where_their_checksums_are_right_and_that_was_asked_for() {
    let options = with(|options| options.evidence = Evidence::Checksums);
    // Inode 12 has a wrong checksum there, too: nobody looks.
    let refer = |mut image: Image| {
        make(&mut image, 12, FILE, 0);
        image.u32(i_block(12), 80);
        image
    };
    let found = |image: &Image| {
        let filesystem = open(image, &options);
        let kept = blocks(image, &options, ExtentKind::Data);
        let kept = kept.iter().any(|run| run.contains(&80));
        let asked =
            !matches!(filesystem.trust(), Trust::Bitmaps) || !filesystem.damage().is_empty();
        assert_eq!(asked, filesystem.has_all_of_inodes());
        (asked, kept)
    };
    let believed = refer(base_with(METADATA_CSUM, 32));
    assert_eq!(found(&believed), (false, false));
    assert_eq!(found(&refer(base_with(GDT_CSUM, 32))), (true, true));
    assert_eq!(found(&refer(base())), (true, true));
    let mut damaged = believed;
    damaged.bytes[129 * 1024] ^= 1;
    assert_eq!(found(&damaged), (true, true));
}

#[test]
fn where_one_inode_cannot_tell_everything_is_kept() {
    let unknown = |image: &Image, damage| {
        for threads in [1, 3] {
            let options = with(|options| options.threads = NonZeroUsize::new(threads));
            distrusted(image, &options, Distrust::Unknown { damage });
        }
    };
    let of = |inode, damage| WalkDamage::Inode { inode, damage };
    let outside = |block| InodeDamage::OutOfRange { block, count: 1 };
    let mut image = base();
    make(&mut image, 12, FILE, 0);
    image.u32(i_block(12) + 8, 169);
    unknown(&image, of(12, outside(169)));
    let block = 1 << 20;
    let mut image = base();
    make(&mut image, 13, FILE, 0);
    image.u32(inode(13) + 0x68, 1 << 20);
    unknown(&image, of(13, InodeDamage::AttributeBlock { block }));
    let mut image = base();
    make(&mut image, 14, FILE, EXTENTS);
    unknown(&image, of(14, InodeDamage::ExtentTree { block: 0 }));
    let mut image = base();
    for number in [15, 16] {
        make(&mut image, number, FILE, 0);
        image.u32(i_block(number) + 48, 20);
    }
    unknown(&image, of(16, InodeDamage::Repeated { block: 20 }));
    // An inode with a checksum that is wrong: 12 is one of group 0.
    let mut image = base_with(METADATA_CSUM, 32);
    sound(&image);
    make(&mut image, 12, FILE, 0);
    let Trust::Nothing(Distrust::Unknown { damage }) = *open(&image, &Options::default()).trust()
    else {
        panic!("it is trusted")
    };
    let wrong = |damage| matches!(damage, InodeDamage::Checksum { stored: 0, .. });
    assert!(matches!(damage, WalkDamage::Inode { inode: 12, damage } if wrong(damage)));
    // Where it was never used, it does not matter.
    image.u16(image.descriptor(0) + 0x1c, 5).seal();
    sound(&image);
}

#[test]
fn more_references_than_a_filesystem_can_hold_are_an_attack() {
    let mut image = base();
    for number in 1..17 {
        make(&mut image, number, FILE, EXTENTS);
        let all = [0, 200, 400].map(|start| [start, 166, 2]);
        node(&mut image, i_block(number), 4, 0, &all);
    }
    let table = 5 * 1024;
    let inodes = image.bytes[table..table + 2048].to_vec();
    image.put(69 * 1024, &inodes).put(131 * 1024, &inodes);
    let damage = WalkDamage::TooMuch { blocks: 169 };
    distrusted(&image, &Options::default(), Distrust::Unknown { damage });
}
