//! Fields of the boot sector.

use ntfs_blocks::{Distrust, ErrorKind, find};

use crate::image::{CLUSTERS, Image};

#[track_caller]
fn field(at: usize, bytes: &[u8], field: &'static str, found: u64) {
    let mut image = Image::new();
    image.put(at, bytes);
    image.corrupt(Distrust::Field { field, found });
}

#[test]
fn each_field_is_checked() {
    field(510, &[0x55, 0xab], "signature", 0xab55);
    for (bytes, found) in [([0, 1], 256), ([0, 3], 768), ([0, 32], 8192), ([0, 0], 0)] {
        field(11, &bytes, "bytes per sector", found);
    }
    for stored in [0, 3, 0x81, 0xf3] {
        field(13, &[stored], "sectors per cluster", stored.into());
    }
    field(14, &[1], "reserved sectors", 1);
    field(16, &[2], "number of FATs", 2);
    field(17, &[0, 2], "root entries", 512);
    field(19, &[1], "sectors of 16 bits", 1);
    field(22, &[9], "sectors per FAT", 9);
    field(32, &[0, 0, 0, 1], "sectors of 32 bits", 1 << 24);
    field(40, &[0xff; 8], "total sectors", u64::MAX);
    field(64, &[0], "file record size", 0);
    field(64, &[0xef], "file record size", 0xef);
    field(68, &[3], "index block size", 3);
    for (at, name) in [(48, "MFT cluster"), (56, "MFT mirror cluster")] {
        field(at, &[0; 8], name, 0);
        field(at, &CLUSTERS.to_le_bytes(), name, CLUSTERS);
        field(at, &[0xff; 8], name, u64::MAX);
    }
}

#[test]
fn a_volume_longer_than_its_disk_is_kept() {
    let mut image = Image::new();
    image.0.truncate(CLUSTERS as usize * 1024 - 1);
    let (bytes, disk_bytes) = (CLUSTERS * 1024, CLUSTERS * 1024 - 1);
    image.corrupt(Distrust::Cut { bytes, disk_bytes });
    image.0.push(0xa5);
    image.used(0..0, &[]);
}

#[test]
fn sectors_after_the_last_cluster_are_used() {
    let mut image = Image::new();
    image.put(40, &(CLUSTERS * 2 + 1).to_le_bytes());
    image.used(0..0, &[]);
    assert_eq!(image.open().info().bytes, CLUSTERS * 1024 + 512);
}

#[test]
fn more_clusters_than_are_followed_are_kept() {
    let mut image = Image::new();
    image.put(13, &[1]).put(40, &(1u64 << 32).to_le_bytes());
    let head = image.0[..512].to_vec();
    let disk = crate::vast::Vast::new(1 << 50, vec![(0, head)]);
    let candidate = find(&disk).unwrap().unwrap();
    let found = 1 << 32;
    let distrust = Distrust::TooManyClusters { found };
    assert_eq!(candidate.distrust(), Some(distrust));
    assert_eq!(distrust.kind(), ErrorKind::Unsupported);
}

#[test]
fn the_tables_are_where_the_boot_sector_has_them() {
    let mut image = Image::new();
    // $MFTMirr, and $Boot, that begin elsewhere.
    image.patch(1, 0x38 + 64, &[0x11, 4, 51]);
    image.set(54..55, true);
    image.corrupt(Distrust::Place {
        record: 1,
        found: 51,
        expected: 50,
    });
    let mut image = Image::new();
    image.patch(7, 0x38 + 64, &[0x11, 8, 1]);
    image.corrupt(Distrust::Place {
        record: 7,
        found: 1,
        expected: 0,
    });
    let mut image = Image::new();
    image.patch(0, 0x38 + 64, &[0x11, 32, 11]);
    image.corrupt(Distrust::Place {
        record: 0,
        found: 11,
        expected: 10,
    });
}
