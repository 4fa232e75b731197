//! Superblocks that keep everything.

use btrfs_blocks::{Distrust, ErrorKind, Trust};

use crate::image::{DEV, Image, METADATA, corrupt, open, seal};
use crate::items::{GENERATION, words};

#[track_caller]
fn field(at: usize, bytes: &[u8], field: &'static str, found: u64) {
    corrupt(
        |image| image.put(at, bytes),
        &Distrust::Field { field, found },
    );
}

#[test]
fn fields_of_the_superblock_are_checked() {
    field(0x90, &512u32.to_le_bytes(), "sectorsize", 512);
    field(0x90, &5000u32.to_le_bytes(), "sectorsize", 5000);
    field(0x94, &131_072u32.to_le_bytes(), "nodesize", 131_072);
    field(0x90, &8192u32.to_le_bytes(), "nodesize", 4096);
    field(0x98, &8192u32.to_le_bytes(), "leafsize", 8192);
    field(0xa0, &2049u32.to_le_bytes(), "sys_chunk_array_size", 2049);
    field(0x88, &words(&[0]), "num_devices", 0);
    field(0xc9 + 82, &[9; 8], "dev_item.fsid", 0x0909_0909_0909_0909);
    field(0x50, &words(&[0]), "root", 0);
    field(0x50, &words(&[METADATA + 1]), "root", METADATA + 1);
    field(0x58, &words(&[0]), "chunk_root", 0);
    field(0x60, &words(&[77]), "log_root", 77);
    field(0xc6, &[8], "root_level", 8);
    field(0xc7, &[9], "chunk_root_level", 9);
    field(0xc8, &[255], "log_root_level", 255);
    field(
        0xa4,
        &words(&[GENERATION + 1]),
        "chunk_root_generation",
        GENERATION + 1,
    );
    let mut disk = Image::new().write();
    disk[0x1_0030] ^= 1;
    seal(&mut disk[0x1_0000..0x1_1000]);
    let why = Distrust::Field {
        field: "bytenr",
        found: 0x1_0001,
    };
    assert_eq!(open(disk.clone()).trust(), &Trust::Nothing(why));
    disk[0x1_0fff] ^= 1;
    assert_eq!(
        open(disk).trust(),
        &Trust::Nothing(Distrust::SuperblockChecksum)
    );
}

#[test]
fn unknown_features_keep_everything() {
    for (at, bits, name, unknown) in [
        (0xbc, 0x361 | 1 << 12, "incompat_flags", 1 << 12),
        (0xbc, 1 << 13, "incompat_flags", 1 << 13),
        (0xbc, 1 << 14, "incompat_flags", 1 << 14),
        (0xbc, 1 << 17, "incompat_flags", 1 << 17),
        (0xbc, 1 << 63, "incompat_flags", 1 << 63),
        (0xb4, 0x13, "compat_ro_flags", 0x10),
        (0x38, 1 << 37 | 8, "flags", 0),
        (0x38, 9, "flags", 8),
    ] {
        let mut image = Image::new();
        image.put(at, &words(&[bits]));
        let why = Distrust::Features {
            field: name,
            found: bits,
            unknown,
        };
        if unknown == 0 {
            let why = Distrust::Underway("a change of the whole filesystem was not finished");
            image.kept(&why, ErrorKind::Unclean);
        } else {
            image.kept(&why, ErrorKind::Unsupported);
        }
    }
    let mut image = Image::new();
    image.put(0xc4, &[4, 0]);
    let why = Distrust::Features {
        field: "csum_type",
        found: 4,
        unknown: 4,
    };
    image.kept(&why, ErrorKind::Unsupported);
    // Unknown bits that are compatible, and those of simple quotas, do not matter.
    let mut image = Image::new();
    image.put(0xac, &words(&[u64::MAX]));
    image.put(0xbc, &words(&[0x1_0bff]));
    image.used();
}

#[test]
fn what_is_under_way_keeps_everything() {
    for (flags, why) in [
        (1 << 2, "the superblock says that the filesystem has errors"),
        (1 << 32, "it is the seed of another filesystem"),
        (1 << 33, "it is a dump of metadata"),
        (1 << 34, "it is a dump of metadata"),
        (1 << 35, "a change of the whole filesystem was not finished"),
        (1 << 40, "a change of the whole filesystem was not finished"),
    ] {
        let mut image = Image::new();
        image.put(0x38, &words(&[flags]));
        image.kept(&Distrust::Underway(why), ErrorKind::Unclean);
    }
    let mut image = Image::new();
    image.put(0xc9, &words(&[0]));
    let why = Distrust::Underway("this device is to replace another one");
    image.kept(&why, ErrorKind::Unclean);
    for state in 0..5 {
        let mut image = Image::new();
        image.insert(DEV, (0, 250, 0), words(&[1, 0, 0, 0, state, 0, 0, 0, 0]));
        if [1, 4].contains(&state) {
            let why = Distrust::Underway("a device is being replaced");
            image.kept(&why, ErrorKind::Unclean);
        } else {
            image.used();
        }
    }
}

#[test]
fn a_shorter_disk_is_kept() {
    let mut image = Image::new();
    image.size -= 1;
    let (bytes, disk_bytes) = (8 << 20, (8 << 20) - 1);
    image.kept(&Distrust::Cut { bytes, disk_bytes }, ErrorKind::Corrupt);
}
