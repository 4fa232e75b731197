//! The journal and multiple mount protection: blocks no descriptor names.

use crate::image::{
    GDT_CSUM, Image, METADATA_CSUM, SB, base, base_with, crc32c, damages, distrusted, distrusts,
    sound, used,
};
use ext_blocks::damage::{Finding, InodeDamage, JournalDamage, LogDamage};
use ext_blocks::trust::JournalFault;
use ext_blocks::{Distrust, Fingerprint, Options};

/// Offset of inode 8, in the table of group 0.
pub(crate) const INODE: usize = 5 * 1024 + 7 * 128;

/// `i_block` of inode 8.
const I_BLOCK: usize = INODE + 0x28;

/// The base with inode 8 as a journal, whose blocks may be 30 to 35.
pub(crate) fn journaled(ro_compat: u32, i_flags: u32) -> Image {
    let mut image = base_with(ro_compat, 32);
    image.u32(SB + 0x5c, 0x4).u32(SB + 0xe0, 8);
    image.u16(INODE, 0x8180).u16(INODE + 0x1a, 1);
    image.u32(INODE + 0x20, i_flags).u32(INODE + 0x64, 0x1234);
    for block in 30..36 {
        image.bit(3, block - 1, true);
    }
    image.free(0, 51);
    image
}

/// A node with one entry: header and the entry's three words.
pub(crate) fn node(image: &mut Image, at: usize, max: u16, depth: u16, entry: [u32; 3]) {
    image.u16(at, 0xf30a).u16(at + 2, 1).u16(at + 4, max);
    image.u16(at + 6, depth);
    for (index, word) in entry.into_iter().enumerate() {
        image.u32(at + 12 + 4 * index, word);
    }
}

/// Puts the superblock of an empty journal of `blocks` blocks into `block`.
pub(crate) fn journal_superblock(image: &mut Image, block: usize, blocks: u32) {
    let fields = [0xc03b_3998, 4, 0, 1024, blocks, 1, 1, 0];
    for (index, field) in fields.into_iter().enumerate() {
        image.put(block * 1024 + 4 * index, &u32::to_be_bytes(field));
    }
}

/// Blocks 30 to 32 in an extent in the inode.
fn flat(ro_compat: u32) -> Image {
    let mut image = journaled(ro_compat, 0x8_0000);
    node(&mut image, I_BLOCK, 4, 0, [0, 3, 30]);
    journal_superblock(&mut image, 30, 3);
    seal(&mut image);
    image
}

/// Blocks 33 to 35 in an unwritten extent, in a leaf in block 32.
fn deep(ro_compat: u32) -> Image {
    let mut image = journaled(ro_compat, 0x8_0000);
    node(&mut image, I_BLOCK, 4, 1, [0, 32, 0]);
    node(&mut image, 32 * 1024, 84, 0, [0, 0x8003, 33]);
    journal_superblock(&mut image, 33, 3);
    seal(&mut image);
    image
}

/// Blocks 30 to 41 direct, 43 and 44 by 42.
fn indirect() -> Image {
    let mut image = journaled(0, 0);
    for block in 30..45u32 {
        image.bit(3, usize::try_from(block).unwrap() - 1, true);
    }
    image.free(0, 42);
    for index in 0..12u32 {
        let at = I_BLOCK + 4 * usize::try_from(index).unwrap();
        image.u32(at, 30 + index);
    }
    image.u32(I_BLOCK + 48, 42);
    image.u32(42 * 1024, 43).u32(42 * 1024 + 4, 44);
    journal_superblock(&mut image, 30, 14);
    image
}

/// Writes the checksums of the inode and of a leaf in block 32, and all others.
pub(crate) fn seal(image: &mut Image) {
    image.seal();
    if image.get_u32(SB + 0x64) & METADATA_CSUM == 0 {
        return;
    }
    let seed = crc32c(
        crc32c(image.seed(), &8u32.to_le_bytes()),
        &0x1234u32.to_le_bytes(),
    );
    image.u16(INODE + 0x7c, 0);
    let inode = crc32c(seed, &image.bytes[INODE..INODE + 128]);
    image.put(INODE + 0x7c, &inode.to_le_bytes()[..2]);
    let leaf = crc32c(seed, &image.bytes[32 * 1024..32 * 1024 + 12 * 85]);
    image.u32(32 * 1024 + 12 * 85, leaf);
}

#[test]
fn the_bitmap_must_know_the_blocks_of_the_journal() {
    let lost = |base: &Image, blocks: &[u64], free: u16, end: u64| {
        for &block in blocks {
            let patch = |image: &mut Image| {
                let bit = usize::try_from(block).unwrap() - 1;
                image.bit(3, bit, false).free(0, free + 1);
            };
            damages(
                base,
                patch,
                Finding::MetadataFree { group: 0, block },
                1..65,
            );
        }
        assert_eq!(used(base), [0..7, 20..21, 30..end, 65..71, 129..133]);
    };
    lost(&flat(0), &[30, 31, 32], 51, 36);
    lost(&deep(0), &[32, 33, 34, 35], 51, 36);
    lost(&indirect(), &[30, 41, 42, 43, 44], 42, 45);
}

#[test]
fn the_journal_is_found_with_checksums() {
    for ro_compat in [GDT_CSUM, METADATA_CSUM] {
        sound(&flat(ro_compat));
        sound(&deep(ro_compat));
    }
}

/// Asserts that `patch` damages the journal, and that everything is kept then.
#[track_caller]
fn harms(base: &Image, patch: impl FnOnce(&mut Image), damage: JournalDamage) {
    let fault = JournalFault::Map(damage);
    distrusts(base, patch, Distrust::Journal { inode: 8, fault });
}

#[test]
fn with_a_damaged_map_nothing_is_trusted() {
    let not_a_file = |i_mode, i_links_count| JournalDamage::NotAFile {
        i_mode,
        i_links_count,
    };
    harms(
        &flat(0),
        |image| _ = image.u16(INODE, 0x4180),
        not_a_file(0x4180, 1),
    );
    harms(
        &flat(0),
        |image| _ = image.u16(INODE + 0x1a, 0),
        not_a_file(0x8180, 0),
    );

    let root = JournalDamage::Inode(InodeDamage::ExtentTree { block: 0 });
    harms(&flat(0), |image| _ = image.u16(I_BLOCK, 0xf30b), root);
    harms(&flat(0), |image| _ = image.u16(I_BLOCK + 2, 5), root);
    harms(&flat(0), |image| _ = image.u16(I_BLOCK + 4, 5), root);
    harms(&flat(0), |image| _ = image.u16(I_BLOCK + 6, 6), root);
    harms(&flat(0), |image| _ = image.u16(I_BLOCK + 16, 0), root);
    let leaf = JournalDamage::Inode(InodeDamage::ExtentTree { block: 32 });
    harms(&deep(0), |image| _ = image.u16(32 * 1024 + 6, 1), leaf);
    harms(&deep(0), |image| _ = image.u16(32 * 1024 + 4, 85), leaf);

    let outside = |block, count| JournalDamage::Inode(InodeDamage::OutOfRange { block, count });
    harms(
        &flat(0),
        |image| _ = image.u32(I_BLOCK + 20, 167),
        outside(167, 3),
    );
    harms(
        &flat(0),
        |image| _ = image.u32(I_BLOCK + 20, 0),
        outside(0, 3),
    );
    harms(
        &flat(0),
        |image| _ = image.u16(I_BLOCK + 18, 1),
        outside(1 << 32 | 30, 3),
    );
    harms(
        &deep(0),
        |image| _ = image.u32(I_BLOCK + 16, 169),
        outside(169, 1),
    );
    harms(
        &indirect(),
        |image| _ = image.u32(42 * 1024, 1),
        outside(1, 1),
    );
}

#[test]
fn with_a_wrong_checksum_nothing_is_trusted() {
    let base = flat(METADATA_CSUM);
    let computed = base.get_u32(INODE + 0x7c) & 0xffff;
    let stored = computed ^ 1;
    let patch = |image: &mut Image| image.bytes[INODE + 0x7c] ^= 1;
    harms(
        &base,
        patch,
        JournalDamage::Inode(InodeDamage::Checksum { stored, computed }),
    );
    let patch = |image: &mut Image| image.bytes[32 * 1024 + 12 * 85] ^= 1;
    harms(
        &deep(METADATA_CSUM),
        patch,
        JournalDamage::Inode(InodeDamage::ExtentTree { block: 32 }),
    );
}

#[test]
fn there_must_be_such_an_inode() {
    let mut image = flat(0);
    image.u32(SB + 0xe0, 49);
    let fault = JournalFault::Map(JournalDamage::NoSuchInode { inodes: 48 });
    let distrust = Distrust::Journal { inode: 49, fault };
    distrusted(&image, &Options::default(), distrust);
    // Of an external journal, none is named.
    sound(image.u32(SB + 0xe0, 0));

    let mut image = flat(0);
    image.u32(image.descriptor(0) + 8, 0);
    let fault = JournalFault::Map(JournalDamage::Descriptor);
    let distrust = Distrust::Journal { inode: 8, fault };
    distrusted(&image, &Options::default(), distrust);
}

#[test]
fn a_journal_without_a_superblock_is_none() {
    let lost = |fault| Distrust::Journal {
        inode: 8,
        fault: JournalFault::Log(fault),
    };
    let patch = |image: &mut Image| {
        image.put(30 * 1024, &[0; 1024]);
    };
    distrusts(&flat(0), patch, lost(LogDamage::NoSuperblock));
    // A descriptor block of a log, not the superblock.
    let patch = |image: &mut Image| {
        image.put(30 * 1024 + 4, &1u32.to_be_bytes());
    };
    distrusts(&flat(0), patch, lost(LogDamage::NoSuperblock));
}

#[test]
fn a_map_with_a_hole_or_that_points_at_itself_is_damage() {
    let hole = |logical| JournalDamage::Hole { logical };
    harms(&indirect(), |image| _ = image.u32(I_BLOCK, 0), hole(0));
    harms(&indirect(), |image| _ = image.u32(I_BLOCK + 4, 0), hole(1));
    // Block 12 and all that follow by 42, which is full of itself.
    let patch = |image: &mut Image| {
        image.u32(I_BLOCK + 52, 42);
        for at in (42 * 1024..43 * 1024).step_by(4) {
            image.u32(at, 42);
        }
    };
    let damage = InodeDamage::Repeated { block: 42 };
    harms(&indirect(), patch, JournalDamage::Inode(damage));
}

#[test]
fn the_block_of_multiple_mount_protection_is_used() {
    let mut image = base();
    image.u32(SB + 0x60, 0x100).u32(SB + 0x168, 20);
    let patch = |image: &mut Image| {
        image.bit(3, 19, false).free(0, 58);
    };
    let want = Finding::MetadataFree {
        group: 0,
        block: 20,
    };
    damages(&image, patch, want, 1..65);
    for block in [0, 1, 169] {
        let want = Finding::MmpBlock { block };
        let low = u32::try_from(block).unwrap();
        damages(&image, |image| _ = image.u32(SB + 0x168, low), want, 20..21);
    }
}

#[test]
fn a_moment_knows_the_superblock_and_that_of_the_journal() {
    let image = flat(METADATA_CSUM);
    let of = |image: &Image| Fingerprint::of(image).unwrap().unwrap();
    let first = of(&image);
    assert_eq!(first.change(&of(&image)), None);
    let mut later = image.clone();
    // s_wtime.
    later.u32(SB + 0x30, 1).seal_superblock();
    let change = first.change(&of(&later));
    assert_eq!(change, Some("its superblock is another one"));
    let mut later = image.clone();
    // s_start.
    later.put(30 * 1024 + 0x1c, &[0, 0, 0, 1]);
    assert_eq!(first.change(&of(&later)), Some("its journal went on"));
    let nothing = Fingerprint::of(&vec![0; 4096]).unwrap();
    assert_eq!(nothing, None);
}
