//! Inode tables that were never written.

use blockio::ExtentKind;

use crate::image::{
    GDT_CSUM, Image, METADATA_CSUM, SB, base_with, blocks, crc32c, damaged, damages, sound, with,
};
use ext_blocks::Options;
use ext_blocks::damage::{Consequence, Finding};

/// Offset of `itable_unused` in a descriptor.
const UNUSED: usize = 0x1c;

fn zeros(image: &Image) -> Vec<std::ops::Range<u64>> {
    blocks(image, &Options::default(), ExtentKind::Zero)
}

/// Half of the inodes of group 1, and all of group 2, were never used. Group 0
/// has used 11, which is part of its second block.
fn uninit(ro_compat: u32) -> Image {
    let mut image = base_with(ro_compat, 32);
    image.u16(image.descriptor(0) + UNUSED, 5);
    image.u16(image.descriptor(1) + UNUSED, 8);
    image.u16(image.descriptor(2) + 0x12, 1);
    image.seal();
    image
}

#[test]
fn inodes_never_used_read_as_zeros() {
    for ro_compat in [GDT_CSUM, METADATA_CSUM] {
        let image = uninit(ro_compat);
        sound(&image);
        assert_eq!(zeros(&image), [70..71, 131..133]);
        let options = with(|options| options.keep_uninit = true);
        assert_eq!(blocks(&image, &options, ExtentKind::Zero), []);
    }
}

#[test]
fn without_checksums_nothing_was_never_used() {
    let image = uninit(0);
    sound(&image);
    assert_eq!(zeros(&image), []);
}

#[test]
fn nothing_else_may_lie_there() {
    // The multiple mount protection block in the table of group 2.
    let mut image = uninit(GDT_CSUM);
    image.u32(SB + 0x60, 0x100).u32(SB + 0x168, 132);
    sound(&image);
    assert_eq!(zeros(&image), [70..71]);
    // Two groups with one table.
    let mut image = uninit(GDT_CSUM);
    image.u32(image.descriptor(1) + 8, 131).seal();
    sound(&image);
    assert_eq!(zeros(&image), []);
}

#[test]
fn the_inode_bitmap_must_agree() {
    let keeps = |patch: fn(&mut Image), want: Finding| {
        assert_eq!(want.consequence(), Consequence::TableKept);
        damages(&uninit(GDT_CSUM), patch, want, 65..71);
        let mut image = uninit(GDT_CSUM);
        patch(&mut image);
        assert_eq!(zeros(&image), [131..133]);
    };
    let in_use = |image: &mut Image| {
        image.bit(68, 15, true);
        image.u16(image.descriptor(1) + 0x0e, 15).seal();
    };
    let want = Finding::UnusedInodeInUse {
        group: 1,
        unused: 8,
    };
    keeps(in_use, want);
    let miscounted = |image: &mut Image| {
        image.u16(image.descriptor(1) + 0x0e, 15).seal();
    };
    let want = Finding::FreeInodeCount {
        group: 1,
        stored: 15,
        counted: 16,
    };
    keeps(miscounted, want);

    let base = uninit(METADATA_CSUM);
    let computed = crc32c(base.seed(), &[0, 0]) & 0xffff;
    let want = Finding::InodeBitmapChecksum {
        group: 1,
        stored: computed ^ 1,
        computed,
    };
    let patch = |image: &mut Image| {
        let at = image.descriptor(1);
        image.bytes[at + 0x1a] ^= 1;
        image.seal_descriptors();
    };
    damages(&base, patch, want, 65..71);
}

#[test]
fn a_damaged_descriptor_keeps_all_tables() {
    let patch = |image: &mut Image| {
        image.u16(image.descriptor(1) + UNUSED, 17).seal();
    };
    let want = Finding::UnusedInodes {
        group: 1,
        unused: 17,
        inodes_per_group: 16,
    };
    assert_eq!(want.consequence(), Consequence::TableKept);
    damages(&uninit(GDT_CSUM), patch, want, 65..71);
    let mut image = uninit(GDT_CSUM);
    patch(&mut image);
    assert_eq!(zeros(&image), []);
}

#[test]
fn a_damaged_bitmap_does_not() {
    let mut image = uninit(GDT_CSUM);
    image.bit(67, 40, true);
    let want = Finding::FreeCount {
        group: 1,
        stored: 58,
        counted: 57,
    };
    damaged(&image, &[want]);
    assert_eq!(zeros(&image), [70..71, 131..133]);
    let data = blocks(&image, &Options::default(), ExtentKind::Data);
    assert_eq!(data, [0..7, 20..21, 65..70, 71..131]);
}
