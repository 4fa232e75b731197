//! Filesystems that were not left clean, or of which only a copy of the superblock
//! is sound.

use blockio::ExtentKind;
use ext_blocks::damage::{Finding, InodeDamage, JournalDamage, WalkDamage};
use ext_blocks::trust::JournalFault;
use ext_blocks::{Detected, Distrust, Options, SuperblockAt, Trust, detect};

use crate::image::{
    Image, METADATA_CSUM, SB, base, base_with, blocks, crc32c, damaged, distrusted, distrusts,
    open, sound, used, with,
};

#[test]
fn an_unclean_filesystem_is_asked_for_its_inodes_too() {
    // Inode 12 has block 50, which the bitmap does not know.
    let mut image = base();
    let inode = 5 * 1024 + 11 * 128;
    image.u16(inode, 0x8180).u16(inode + 0x1a, 1);
    image.u32(inode + 4, 1024).u32(inode + 0x28, 50);
    let free = Finding::InUse {
        inode: 12,
        block: 50,
        count: 1,
    };
    damaged(&image, &[free]);
    let with_50 = [0..7, 20..21, 50..51, 65..71, 129..133];
    let states = [
        (0, Distrust::NotClean { s_state: 0 }),
        (4, Distrust::NotClean { s_state: 4 }),
        (3, Distrust::HasErrors { s_state: 3 }),
        (0x21, Distrust::FastCommitReplay { s_state: 0x21 }),
    ];
    for (s_state, want) in states {
        let mut image = image.clone();
        // Counts and bitmaps need not agree then.
        image.u16(SB + 0x3a, s_state).free(0, 3);
        let filesystem = open(&image, &Options::default());
        assert_eq!(filesystem.unclean().state, Some(want));
        sound(&image);
        assert_eq!(used(&image), with_50);

        image.u32(inode + 0x2c, 169);
        let damage = WalkDamage::Inode {
            inode: 12,
            damage: InodeDamage::OutOfRange {
                block: 169,
                count: 1,
            },
        };
        let distrust = Distrust::Inodes { s_state, damage };
        distrusted(&image, &Options::default(), distrust);
    }
    // Orphans do not make it unclean.
    damaged(image.u16(SB + 0x3a, 5), &[free]);
    let recover = |image: &mut Image| _ = image.u32(SB + 0x60, 0x4);
    let fault = JournalFault::Missing;
    distrusts(&base(), recover, Distrust::NeedsRecovery { fault });
}

#[test]
fn a_damaged_superblock_is_replaced_by_its_copy() {
    let mut image = base_with(METADATA_CSUM, 32);
    let copy = image.bytes[SB..SB + 1024].to_vec();
    image.put(65 * 1024, &copy).u16(65 * 1024 + 0x5a, 1);
    let crc = crc32c(u32::MAX, &image.bytes[65 * 1024..65 * 1024 + 0x3fc]);
    image.u32(65 * 1024 + 0x3fc, crc);
    sound(&image);
    let clean = used(&image);
    let at = SuperblockAt {
        block: 65,
        block_bytes: 1024,
    };
    let by_copy = |image: &Image, options: &Options| {
        let filesystem = open(image, options);
        assert_eq!(filesystem.trust(), &Trust::Bitmaps);
        assert_eq!(filesystem.unclean().state, Some(Distrust::Backup { at }));
        assert_eq!(blocks(image, options, ExtentKind::Data), clean);
    };
    let mut damaged = image.clone();
    damaged.u32(SB, 47);
    by_copy(&damaged, &Options::default());
    // Another filesystem's copy is none.
    let mut other = damaged.clone();
    other.u32(SB + 0x68, 0);
    let stored = image.get_u32(SB + 0x3fc);
    let computed = crc32c(u32::MAX, &other.bytes[SB..SB + 0x3fc]);
    let distrust = Distrust::SuperblockChecksum { stored, computed };
    distrusted(&other, &Options::default(), distrust);
    // Without the magic, only what was asked for is taken.
    let mut gone = image.clone();
    gone.put(SB, &[0; 1024]);
    let nothing = detect(&gone, &Options::default());
    assert!(matches!(nothing, Ok(Detected::Nothing { backup: None })));
    let options = with(|options| options.superblock = Some(at));
    by_copy(&gone, &options);
    // What a copy says was never written may be older than what is there.
    let group = gone.descriptor(2);
    let mut gone = image.clone();
    gone.u16(group + 0x12, 0x2).seal_descriptors();
    gone.put(SB, &[0; 1024]);
    let filesystem = open(&gone, &options);
    let found = filesystem.damage().findings();
    assert_eq!(found, [Finding::UninitFromBackup { group: 2 }]);
    let kept = blocks(&gone, &options, ExtentKind::Data);
    assert_eq!(kept.last(), Some(&(129..169)));
}

#[test]
fn a_copy_needs_a_journal_that_can_be_read() {
    let mut image = base_with(METADATA_CSUM, 32);
    // Inode 8 is no inode.
    image.u32(SB + 0x5c, 0x4).u32(SB + 0xe0, 8).seal();
    let mut copy = image.bytes[SB..SB + 1024].to_vec();
    copy[0x5a] = 1;
    let crc = crc32c(u32::MAX, &copy[..0x3fc]);
    copy[0x3fc..].copy_from_slice(&crc.to_le_bytes());
    image.put(65 * 1024, &copy);
    let stored = image.bytes[5 * 1024 + 7 * 128..][..128].to_vec();
    let seed = crc32c(crc32c(image.seed(), &8u32.to_le_bytes()), &[0; 4]);
    let damage = JournalDamage::Inode(InodeDamage::Checksum {
        stored: 0,
        computed: crc32c(seed, &stored) & 0xffff,
    });
    let fault = JournalFault::Map(damage);
    let distrust = Distrust::Journal { inode: 8, fault };
    distrusted(&image, &Options::default(), distrust);
    image.u32(SB, 47);
    let distrust = Distrust::NeedsRecovery { fault };
    distrusted(&image, &Options::default(), distrust);
}
