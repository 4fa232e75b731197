//! What else may claim a disk with an ext filesystem.

use crate::image::{Image, base, distrusted, open, sound};
use ext_blocks::trust::Claim;
use ext_blocks::{Content, Distrust, Options, Trust};

#[test]
fn whatever_else_claims_the_disk_makes_it_ambiguous() {
    // 169 KiB: the last whole 64 KiB before the last 64 start at 64 KiB; the
    // last 4 KiB that end 8 KiB before the end, at 160 KiB.
    let claims: &[(usize, &[u8], Claim)] = &[
        (512, b"EFI PART", Claim::Gpt),
        (4096, b"EFI PART", Claim::Gpt),
        (168 * 1024 + 512, b"EFI PART", Claim::Gpt),
        (164 * 1024, b"EFI PART", Claim::Gpt),
        (0, b"LABELONE", Claim::Lvm2),
        (512, b"LABELONE", Claim::Lvm2),
        (1536, b"LABELONE", Claim::Lvm2),
        (0, b"\xfc\x4e\x2b\xa9", Claim::Md),
        (4096, b"\xfc\x4e\x2b\xa9", Claim::Md),
        (64 * 1024, b"\xfc\x4e\x2b\xa9", Claim::Md),
        (64 * 1024, b"\xa9\x2b\x4e\xfc", Claim::Md),
        (160 * 1024, b"\xfc\x4e\x2b\xa9", Claim::Md),
        (0, b"LUKS\xba\xbe\0\x01", Claim::Luks),
        (0, b"LUKS\xba\xbe\0\x02", Claim::Luks),
        (0, b"XFSB", Claim::Xfs),
        (0x1_0040, b"_BHRfS_M", Claim::Btrfs),
        (4086, b"SWAPSPACE2", Claim::Swap),
        (4086, b"SWAP-SPACE", Claim::Swap),
        (8182, b"SWAPSPACE2", Claim::Swap),
        (65_526, b"SWAPSPACE2", Claim::Swap),
    ];
    for &(at, signature, claim) in claims {
        let mut image = base();
        image.put(at, signature);
        distrusted(&image, &Options::default(), Distrust::Ambiguous { claim });
        let options = Options {
            content: Content::Ext,
            ..Options::default()
        };
        assert_eq!(open(&image, &options).trust(), &Trust::Bitmaps);
    }
}

/// A boot sector with the given partition entries: status, type, start, length.
fn boot_sector(entries: &[(u8, u8, u32, u32)]) -> Image {
    let mut image = base();
    image.put(0, &[0xeb, 0x58, 0x90]).put(510, &[0x55, 0xaa]);
    for (index, &(status, kind, start, length)) in entries.iter().enumerate() {
        let at = 446 + 16 * index;
        image.put(at, &[status]).put(at + 4, &[kind]);
        image.u32(at + 8, start).u32(at + 12, length);
    }
    image
}

#[test]
fn a_boot_record_is_one_with_sane_partitions() {
    // The disk has 338 sectors.
    let tables: &[&[(u8, u8, u32, u32)]] = &[
        &[(0x80, 0x83, 1, 337)],
        &[(0, 0, 0, 0), (0, 7, 100, 10)],
        &[(0, 0x82, 200, 138), (0x80, 0x83, 1, 199)],
    ];
    for entries in tables {
        let want = Distrust::Ambiguous { claim: Claim::Mbr };
        distrusted(&boot_sector(entries), &Options::default(), want);
    }
    let code: &[&[(u8, u8, u32, u32)]] = &[
        &[],
        &[(0x81, 0x83, 1, 10)],
        &[(0, 0, 1, 10)],
        &[(0, 0x83, 0, 10)],
        &[(0, 0x83, 1, 338)],
        &[(0, 0x83, 1, u32::MAX)],
        &[(0, 0x83, 1, 10), (0x42, 0x83, 20, 10)],
        &[(0, 0x83, 1, 10), (0, 0x83, 10, 10)],
    ];
    for entries in code {
        sound(&boot_sector(entries));
    }
    let mut unsigned = boot_sector(tables[0]);
    sound(unsigned.put(510, &[0x55, 0xab]));
}
