//! When one group is not believed.

use std::ops::Range;

use crate::image::{
    GDT_CSUM, Image, METADATA_CSUM, SB, base, base_with, by_bitmaps, crc32c, damaged, damages,
    damages_the_group, open, sound, used,
};
use ext_blocks::Options;
use ext_blocks::damage::{Consequence, Finding, GroupMetadata};

/// The blocks of each group of the base.
const GROUPS: [Range<u64>; 3] = [1..65, 65..129, 129..169];

#[test]
fn every_kind_of_checksum_is_understood() {
    for bytes in [32, 64, 128, 256] {
        for ro_compat in [0, GDT_CSUM, METADATA_CSUM, GDT_CSUM | METADATA_CSUM] {
            let image = base_with(ro_compat, bytes);
            sound(&image);
            assert_eq!(used(&image), [0..7, 20..21, 65..71, 129..133]);
        }
    }
    // The seed outlives the UUID it was made from.
    let mut image = base_with(METADATA_CSUM, 64);
    let seed = image.seed();
    image.u32(SB + 0x60, 0x2080).u32(SB + 0x270, seed);
    image.put(SB + 0x68, b"another identity").seal_superblock();
    sound(&image);
}

#[test]
fn a_descriptor_needs_the_right_checksum() {
    for (ro_compat, bytes) in [
        (GDT_CSUM, 32),
        (GDT_CSUM, 64),
        (METADATA_CSUM, 32),
        (METADATA_CSUM, 64),
    ] {
        let base = base_with(ro_compat, bytes);
        let at = base.descriptor(1);
        let computed = u16::from_le_bytes([base.bytes[at + 0x1e], base.bytes[at + 0x1f]]);
        let stored = computed ^ 0x8000;
        let want = Finding::DescriptorChecksum {
            group: 1,
            stored,
            computed,
        };
        assert_eq!(want.consequence(), Consequence::GroupKept);
        let patch = |image: &mut Image| _ = image.u16(at + 0x1e, stored);
        damages_the_group(&base, patch, want, GROUPS[1].clone(), 1);
    }
}

#[test]
fn a_bitmap_needs_the_right_checksum() {
    for (bytes, bits) in [(32, 0xffff), (64, u32::MAX)] {
        let base = base_with(METADATA_CSUM, bytes);
        let computed = crc32c(base.seed(), &base.bytes[67 * 1024..67 * 1024 + 8]) & bits;
        let at = base.descriptor(1);
        let want = Finding::BitmapChecksum {
            group: 1,
            stored: computed ^ 1,
            computed,
        };
        let patch = |image: &mut Image| {
            image.bytes[at + 0x18] ^= 1;
            image.seal_descriptors();
        };
        damages(&base, patch, want, GROUPS[1].clone());
    }
    // The upper half counts where it is stored.
    let base = base_with(METADATA_CSUM, 64);
    let computed = crc32c(base.seed(), &base.bytes[67 * 1024..67 * 1024 + 8]);
    let at = base.descriptor(1);
    let want = Finding::BitmapChecksum {
        group: 1,
        stored: computed ^ 0x0100_0000,
        computed,
    };
    let patch = |image: &mut Image| {
        image.bytes[at + 0x39] ^= 1;
        image.seal_descriptors();
    };
    damages(&base, patch, want, GROUPS[1].clone());
}

#[test]
fn a_bitmap_must_know_the_metadata_of_its_group() {
    // Superblock, descriptors, bitmaps and inode table.
    let metadata = [(0, 3, 1, 57, 6), (1, 67, 65, 58, 6), (2, 129, 129, 36, 4)];
    for (group, bitmap, first, free, count) in metadata {
        for bit in 0..count {
            let want = Finding::MetadataFree {
                group,
                block: first + u64::try_from(bit).unwrap(),
            };
            let index = usize::try_from(group).unwrap();
            let patch = |image: &mut Image| {
                let at = image.descriptor(index);
                image.bit(bitmap, bit, false).u16(at + 0x0c, free + 1);
            };
            damages(&base(), patch, want, GROUPS[index].clone());
        }
    }
}

/// The base with the inode table of group 2 in blocks 80 and 81, in group 1.
fn flexible(ro_compat: u32) -> Image {
    let mut image = base_with(ro_compat, 32);
    let (one, two) = (image.descriptor(1), image.descriptor(2));
    image
        .u32(two + 8, 80)
        .u16(two + 0x0c, 38)
        .u16(one + 0x0c, 56);
    image.bit(67, 15, true).bit(67, 16, true);
    image.bit(129, 2, false).bit(129, 3, false);
    image.seal();
    image
}

#[test]
fn a_bitmap_must_know_the_metadata_of_other_groups() {
    let base = flexible(0);
    assert_eq!(used(&base), [0..7, 20..21, 65..71, 80..82, 129..131]);
    let patch = |image: &mut Image| {
        let at = image.descriptor(1);
        image.bit(67, 16, false).u16(at + 0x0c, 57);
    };
    let want = Finding::MetadataFree {
        group: 1,
        block: 81,
    };
    damages(&base, patch, want, GROUPS[1].clone());
}

#[test]
fn a_group_with_the_metadata_of_others_cannot_be_uninitialised() {
    let base = flexible(GDT_CSUM);
    let patch = |image: &mut Image| {
        let at = image.descriptor(1);
        image.u16(at + 0x12, 2).u16(at + 0x0c, 58).seal();
    };
    let want = Finding::MetadataFree {
        group: 1,
        block: 80,
    };
    damages(&base, patch, want, GROUPS[1].clone());
}

#[test]
fn free_counts_must_agree() {
    for (group, free, kept) in [(0, 57, 1..65), (1, 58, 65..129), (2, 36, 129..169)] {
        let want = Finding::FreeCount {
            group,
            stored: free - 1,
            counted: free,
        };
        let patch = |image: &mut Image| {
            let at = image.descriptor(usize::try_from(group).unwrap());
            image.u16(at + 0x0c, u16::try_from(free - 1).unwrap());
        };
        damages(&base(), patch, want, kept);
    }
    // The upper half is there with the 64bit feature.
    let want = Finding::FreeCount {
        group: 1,
        stored: 58 | 1 << 16,
        counted: 58,
    };
    let patch = |image: &mut Image| _ = image.u16(image.descriptor(1) + 0x2c, 1);
    damages(&base_with(0, 64), patch, want, GROUPS[1].clone());
}

#[test]
fn metadata_must_lie_inside_the_filesystem() {
    let kinds = [
        (0, GroupMetadata::BlockBitmap, 169),
        (4, GroupMetadata::InodeBitmap, 169),
        (8, GroupMetadata::InodeTable, 168),
    ];
    for (offset, metadata, behind) in kinds {
        for block in [0, 1, behind, u32::MAX] {
            let want = Finding::Location {
                group: 2,
                metadata,
                block: u64::from(block),
            };
            let patch = |image: &mut Image| _ = image.u32(image.descriptor(2) + offset, block);
            damages_the_group(&base(), patch, want, GROUPS[2].clone(), 2);
        }
        let block = u64::from(base_with(0, 64).get_u32(2048 + 128 + offset)) | 1 << 32;
        let want = Finding::Location {
            group: 2,
            metadata,
            block,
        };
        let patch = |image: &mut Image| _ = image.u32(image.descriptor(2) + offset + 0x20, 1);
        damages_the_group(&base_with(0, 64), patch, want, GROUPS[2].clone(), 2);
    }
}

#[test]
fn no_other_metadata_may_lie_on_a_bitmap() {
    let mut image = base();
    image.u32(image.descriptor(1), 3);
    let shared = |group| Finding::SharedBitmap { group, block: 3 };
    damaged(&image, &[shared(0), shared(1)]);
    assert_eq!(used(&image), [0..129, 129..133].map(|_| 0..133)[..1]);
}

#[test]
fn an_uninitialised_bitmap_is_computed() {
    let mut image = base_with(GDT_CSUM, 32);
    for group in [1, 2] {
        image.u16(image.descriptor(group) + 0x12, 2);
    }
    // What lies in its block is garbage.
    image
        .put(67 * 1024, &[0xff; 1024])
        .put(129 * 1024, &[0; 1024]);
    image.seal();
    sound(&image);
    assert_eq!(used(&image), [0..7, 20..21, 65..71, 129..133]);

    let patch = |image: &mut Image| {
        image.u16(image.descriptor(0) + 0x12, 2).seal();
    };
    let want = Finding::FreeCount {
        group: 0,
        stored: 57,
        counted: 58,
    };
    damages(&image, patch, want, GROUPS[0].clone());
}

#[test]
fn an_uninitialised_bitmap_is_read_where_descriptors_have_no_checksum() {
    let mut image = base();
    image.u16(image.descriptor(0) + 0x12, 3);
    sound(&image);
    assert_eq!(used(&image), [0..7, 20..21, 65..71, 129..133]);
}

#[test]
fn bits_behind_the_last_block_do_not_matter() {
    for padding in [0x00, 0xff] {
        let mut image = base_with(METADATA_CSUM, 64);
        image.put(129 * 1024 + 5, &[padding; 1019]).seal();
        sound(&image);
        assert_eq!(used(&image), [0..7, 20..21, 65..71, 129..133]);
    }
}

#[test]
fn meta_bg_puts_copies_of_descriptors_into_the_second_group() {
    let mut image = base();
    image.u32(SB + 0x60, 0x10);
    let patch = |image: &mut Image| {
        image.bit(67, 1, false).free(1, 59);
    };
    let want = |block| Finding::MetadataFree { group: 1, block };
    damages(&image, patch, want(66), GROUPS[1].clone());
    // Without a superblock before it, the copy is the first block.
    image.u32(SB + 0x5c, 0x200);
    patch(&mut image);
    let patch = |image: &mut Image| {
        image.bit(67, 0, false).free(1, 60);
    };
    damages(&image, patch, want(65), GROUPS[1].clone());
}

/// 102 blocks of 1 KiB in clusters of 4 and groups of 16 clusters; the last
/// cluster, which is used, has two blocks.
///
/// ```text
/// group 0: 1 superblock, 2 descriptors, 3 to 6 as in the base, 7 to 10 those
/// of group 1
/// group 1: 64 superblock, 65 descriptors, 100 101 data
/// ```
fn bigalloc() -> Image {
    let mut image = base();
    image.bytes = vec![0; 102 * 1024];
    image.put(SB, &base().bytes[SB..2048]);
    image.u32(SB, 32).u32(SB + 0x04, 102).u32(SB + 0x14, 0);
    image
        .u32(SB + 0x1c, 2)
        .u32(SB + 0x24, 16)
        .u32(SB + 0x64, 0x201);
    for (group, bitmap, free) in [(0, 3, 13), (1, 7, 8)] {
        let at = image.descriptor(group);
        image
            .u32(at, bitmap)
            .u32(at + 4, bitmap + 1)
            .u32(at + 8, bitmap + 2);
        image.u16(at + 0x0c, free);
    }
    image.put(3 * 1024, &[0b0000_0111]).put(7 * 1024, &[1, 2]);
    image
}

#[test]
fn bits_are_clusters_with_bigalloc() {
    let mut image = bigalloc();
    sound(&image);
    assert_eq!(used(&image), [0..12, 64..68, 100..102]);
    // The bytes of a free last cluster end with the filesystem.
    image.put(7 * 1024, &[1, 0]).free(1, 9);
    sound(&image);
    assert_eq!(used(&image), [0..12, 64..68]);
    assert_eq!(
        open(&image, &Options::default()).info().free_bytes,
        86 << 10
    );

    let patch = |image: &mut Image| {
        image.put(3 * 1024, &[0b0000_0101]);
        image.free(0, 14);
    };
    let want = Finding::MetadataFree { group: 0, block: 4 };
    damages(&bigalloc(), patch, want, 0..64);
}

#[test]
fn only_the_first_findings_are_kept() {
    // 2000 groups of 8 blocks, whose descriptors are zeros.
    let mut image = base();
    image.bytes.resize(16_001 * 1024, 0);
    image.put(2048, &[0; 96]);
    image.u32(SB, 32_000).u32(SB + 0x04, 16_001);
    image.u32(SB + 0x20, 8).u32(SB + 0x24, 8);
    let filesystem = open(&image, &by_bitmaps());
    assert_eq!(filesystem.damage().findings().len(), 1000);
    assert_eq!(filesystem.damage().total(), 2000);
    assert_eq!(filesystem.info().free_bytes, 0);
}
