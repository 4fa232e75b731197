//! When no bitmap of a filesystem is believed.

use crate::claims::CLAIM;
use crate::image::{
    GDT_CSUM, Image, METADATA_CSUM, SB, base, base_with, distrusted, distrusts, extents, open,
    sound, used, with,
};
use blockio::{Extent, ExtentKind, ReadAt};
use ext_blocks::damage::LogDamage;
use ext_blocks::trust::{Allowed, FeatureWord};
use ext_blocks::{Detected, Distrust, Kind, Options, detect};

#[test]
fn a_sound_filesystem_is_what_its_bitmaps_say() {
    let image = base();
    sound(&image);
    assert_eq!(used(&image), [0..7, 20..21, 65..71, 129..133]);
    let filesystem = open(&image, &Options::default());
    let info = filesystem.info();
    assert_eq!((info.kind, info.revision), (Kind::Ext2, 1));
    assert_eq!(info.label, b"a label");
    assert_eq!(&info.uuid, b"0123456789abcdef");
    assert_eq!((info.used_bytes, info.free_bytes), (18 << 10, 151 << 10));
    let geometry = info.geometry.as_ref().unwrap();
    assert_eq!(
        (geometry.block_bytes(), geometry.block_count()),
        (1024, 169)
    );
    assert_eq!(
        (geometry.cluster_bytes(), geometry.group_count()),
        (1024, 3)
    );
}

#[test]
fn the_kind_is_that_of_the_features() {
    let kind = |patch: fn(&mut Image)| {
        let mut image = base();
        patch(&mut image);
        open(&image, &Options::default()).info().kind
    };
    assert_eq!(kind(|image| _ = image.u32(SB + 0x5c, 0x4)), Kind::Ext3);
    assert_eq!(kind(|image| _ = image.u32(SB + 0x60, 0x40)), Kind::Ext4);
    assert_eq!(kind(|image| _ = image.u32(SB + 0x64, 0x41)), Kind::Ext4);
}

#[test]
fn every_feature_must_be_known() {
    let unknown = |word, bits| Distrust::UnknownFeatures { word, bits };
    for bits in [0x1, 0x20, 0x800, 0x1000, 0x4_0000, 0x8000_0000] {
        let patch = |image: &mut Image| _ = image.u32(SB + 0x60, bits | 0x2);
        distrusts(&base(), patch, unknown(FeatureWord::Incompat, bits));
    }
    for bits in [0x4, 0x80, 0x800, 0x2_0000, 0x8000_0000] {
        let patch = |image: &mut Image| _ = image.u32(SB + 0x64, bits | 0x3);
        distrusts(&base(), patch, unknown(FeatureWord::RoCompat, bits));
    }
    let mut image = base();
    sound(image.u32(SB + 0x5c, 0xffff_f1eb));
    let journal_device = |image: &mut Image| _ = image.u32(SB + 0x60, 0x8);
    let damage = LogDamage::NoSuperblock;
    distrusts(&base(), journal_device, Distrust::JournalDevice { damage });
    let conflict = |image: &mut Image| _ = image.u32(SB + 0x5c, 0x10).u32(SB + 0x60, 0x10);
    let (first, second) = ("resize_inode", "meta_bg");
    distrusts(
        &base(),
        conflict,
        Distrust::FeatureConflict { first, second },
    );
}

#[test]
fn revision_0_has_no_features() {
    // And no field for the inode size; without sparse_super, group 2 has a
    // copy of the superblock, where its bitmaps were.
    let mut image = base();
    image.u32(SB + 0x4c, 0).u32(SB + 0x64, 0).u16(SB + 0x58, 77);
    let at = image.descriptor(2);
    image
        .u32(at, 131)
        .u32(at + 4, 132)
        .u32(at + 8, 133)
        .u16(at + 0x0c, 34);
    image.put(131 * 1024, &[0x3f]);
    sound(&image);
    assert_eq!(used(&image), [0..7, 20..21, 65..71, 129..135]);

    let words = [
        (0x5c, FeatureWord::Compat),
        (0x60, FeatureWord::Incompat),
        (0x64, FeatureWord::RoCompat),
    ];
    for (at, word) in words {
        let patch = |image: &mut Image| _ = image.u32(SB + at, 0x200);
        distrusts(
            &image,
            patch,
            Distrust::Revision0Features { word, bits: 0x200 },
        );
    }
}

#[test]
fn fields_must_be_those_of_a_filesystem() {
    let range = |min, max| Allowed::Range { min, max };
    let power = |min, max| Allowed::PowerOfTwo { min, max };
    let exactly = Allowed::Exactly;
    let refused: &[(&'static str, u16, u16, u32, Allowed)] = &[
        ("s_rev_level", 0x4c, 4, 2, range(0, 1)),
        ("s_log_block_size", 0x18, 4, 7, range(0, 6)),
        ("s_log_block_size", 0x18, 4, u32::MAX, range(0, 6)),
        ("s_log_cluster_size", 0x1c, 4, 1, exactly(0)),
        ("s_inode_size", 0x58, 2, 0, power(128, 1024)),
        ("s_inode_size", 0x58, 2, 192, power(128, 1024)),
        ("s_inode_size", 0x58, 2, 2048, power(128, 1024)),
        ("s_clusters_per_group", 0x24, 4, 7, range(8, 8192)),
        ("s_clusters_per_group", 0x24, 4, 8193, range(8, 8192)),
        ("s_clusters_per_group", 0x24, 4, 0, range(8, 8192)),
        ("s_blocks_per_group", 0x20, 4, 128, exactly(64)),
        ("s_inodes_per_group", 0x28, 4, 0, range(1, 8192)),
        ("s_inodes_per_group", 0x28, 4, 8193, range(1, 8192)),
        ("s_reserved_gdt_blocks", 0xce, 2, 257, range(0, 256)),
        ("s_first_data_block", 0x14, 4, 0, exactly(1)),
        ("s_blocks_count", 0x04, 4, 1, range(2, u64::MAX)),
        ("s_inodes_count", 0x00, 4, 49, exactly(48)),
    ];
    for &(field, offset, length, found, allowed) in refused {
        let at = SB + usize::from(offset);
        let patch = |image: &mut Image| {
            image.put(at, &found.to_le_bytes()[..usize::from(length)]);
        };
        let found = u64::from(found);
        distrusts(
            &base(),
            patch,
            Distrust::Field {
                field,
                offset,
                found,
                allowed,
            },
        );
    }
}

#[test]
fn fields_of_features_must_be_those_of_a_filesystem() {
    let field = |field, offset, found, allowed| Distrust::Field {
        field,
        offset,
        found,
        allowed,
    };
    let wide = base_with(0, 64);
    for found in [0, 32, 63, 96, 2048] {
        let allowed = Allowed::PowerOfTwo { min: 64, max: 1024 };
        let want = field("s_desc_size", 0xfe, u64::from(found), allowed);
        distrusts(&wide, |image| _ = image.u16(SB + 0xfe, found), want);
    }
    let allowed = Allowed::Range { min: 0, max: 1 };
    let want = field("s_first_meta_bg", 0x104, 2, allowed);
    distrusts(
        &base(),
        |image| _ = image.u32(SB + 0x60, 0x10).u32(SB + 0x104, 2),
        want,
    );
    let allowed = Allowed::Range { min: 0, max: 19 };
    let want = field("s_log_cluster_size", 0x1c, 20, allowed);
    distrusts(
        &base(),
        |image| _ = image.u32(SB + 0x64, 0x200).u32(SB + 0x1c, 20),
        want,
    );
    // 1026 blocks would be there without the 64bit feature.
    let patch = |image: &mut Image| _ = image.u32(SB + 0x150, 1 << 10);
    let mut image = base();
    patch(&mut image);
    sound(&image);
    let want = Distrust::TooMany {
        what: "block groups",
        found: 68_719_476_739,
        limit: 1 << 22,
    };
    distrusts(&wide, patch, want);
}

#[test]
fn descriptors_must_lie_inside() {
    // Boot block and superblock, and no block for the descriptor.
    let mut image = base();
    image.u32(SB, 16).u32(SB + 0x04, 2);
    image.bytes.truncate(2 * 1024);
    let want = Distrust::DescriptorTable {
        index: 0,
        block: 2,
        blocks: 2,
    };
    distrusted(&image, &Options::default(), want);
}

#[test]
fn a_filesystem_must_fit_the_disk() {
    let image = base();
    sound(&image);
    for other_claim in [None, Some(CLAIM)] {
        let mut image = image.clone();
        image.bytes.pop();
        let options = with(|options| options.other_claim = other_claim);
        let want = Distrust::LargerThanDisk {
            filesystem_bytes: 173_056,
            disk_bytes: 173_055,
        };
        distrusted(&image, &options, want);
    }
}

#[test]
fn the_superblock_must_have_the_right_checksum() {
    let sealed = base_with(METADATA_CSUM, 64);
    let stored = sealed.get_u32(SB + 0x3fc);
    let flip = |image: &mut Image| _ = image.u32(SB + 0x3fc, stored ^ 1);
    let want = Distrust::SuperblockChecksum {
        stored: stored ^ 1,
        computed: stored,
    };
    distrusts(&sealed, flip, want);
    let patch = |image: &mut Image| _ = image.put(SB + 0x175, &[2]).seal_superblock();
    let want = Distrust::Field {
        field: "s_checksum_type",
        offset: 0x175,
        found: 2,
        allowed: Allowed::Exactly(1),
    };
    distrusts(&sealed, patch, want);
    // Without metadata_csum, there is none.
    sound(base_with(GDT_CSUM, 64).put(SB + 0x175, &[0]));
}

#[test]
fn a_disk_without_the_magic_number_has_no_filesystem() {
    let mut image = base();
    image.u16(SB + 0x38, 0xef52);
    assert!(matches!(
        detect(&image, &Options::default()),
        Ok(Detected::Nothing { backup: None })
    ));
    let mut image = base();
    image.bytes.truncate(2047);
    assert!(matches!(
        detect(&image, &Options::default()),
        Ok(Detected::Nothing { backup: None })
    ));
    image.bytes.clear();
    assert!(matches!(
        detect(&image, &Options::default()),
        Ok(Detected::Nothing { backup: None })
    ));
    // The superblock alone is one, of a filesystem that was cut off.
    let mut image = base();
    image.bytes.truncate(2048);
    let want = Distrust::LargerThanDisk {
        filesystem_bytes: 173_056,
        disk_bytes: 2048,
    };
    distrusted(&image, &Options::default(), want);
}

#[test]
fn reasons_read_well() {
    let text = |distrust: Distrust| distrust.to_string();
    let claim = "a GPT partition table";
    assert_eq!(
        text(Distrust::Ambiguous { claim, at: 512 }),
        "the disk is also claimed by a GPT partition table (signature at byte 0x200)"
    );
    let allowed = Allowed::PowerOfTwo {
        min: 128,
        max: 1024,
    };
    assert_eq!(
        text(Distrust::Field {
            field: "s_inode_size",
            offset: 0x58,
            found: 192,
            allowed
        }),
        "superblock field s_inode_size at 0x58 is 192, must be a power of two from 128 to 1024"
    );
    let word = FeatureWord::Incompat;
    assert_eq!(
        text(Distrust::UnknownFeatures { word, bits: 0x1000 }),
        "s_feature_incompat has unknown features 0x1000"
    );
}

#[test]
fn bytes_behind_the_filesystem_can_be_dropped() {
    let mut image = base();
    image.bytes.resize(200 * 1024 + 512, 0xaa);
    let filesystem = open(&image, &Options::default());
    let tail = 169 << 10..(200 << 10) + 512;
    let kept = extents(&filesystem, image.size());
    assert_eq!(kept.last(), Some(&Extent::new(tail, ExtentKind::Data)));
    let options = with(|options| options.tail = ext_blocks::Tail::Drop);
    let filesystem = open(&image, &options);
    let dropped = extents(&filesystem, image.size());
    // It joins the free blocks at the end of the last group.
    let tail = 133 << 10..(200 << 10) + 512;
    assert_eq!(dropped.last(), Some(&Extent::new(tail, ExtentKind::Free)));
}
