//! Fields of the boot sector.

use fat_blocks::{Distrust, ErrorKind, Kind, Trust};

use crate::image::Fat;

fn with(kind: Kind, at: usize, bytes: &[u8]) -> Fat {
    let mut fat = Fat::filled(kind);
    fat.put(at, bytes);
    fat
}

#[track_caller]
fn field(fat: &Fat, field: &'static str, found: u64) {
    fat.kept(Distrust::Field { field, found }, ErrorKind::Corrupt);
}

#[test]
fn each_field_is_checked() {
    field(&with(Kind::Fat16, 16, &[5]), "BPB_NumFATs", 5);
    // No room for a cluster.
    field(&with(Kind::Fat16, 14, &[0xff, 0xff]), "BPB_TotSec32", 4138);
    field(&with(Kind::Fat32, 32, &[36, 0, 0, 0]), "BPB_TotSec32", 36);
    field(&with(Kind::Fat32, 17, &[16]), "BPB_RootEntCnt", 16);
    // Too many clusters for FAT16.
    let mut fat = Fat::new(Kind::Fat16);
    fat.bytes.resize(70_000 * 512, 0);
    fat.put(19, &[0, 0]).put(32, &70_000u32.to_le_bytes());
    field(&fat, "BPB_TotSec32", 69_962);
    for (at, bytes, field, found) in [
        (40, [0x80, 0], "BPB_ExtFlags", 0x80),
        (42, [1, 0], "BPB_FSVer", 1),
    ] {
        let fat = with(Kind::Fat32, at, &bytes);
        fat.kept(
            Distrust::Unsupported { field, found },
            ErrorKind::Unsupported,
        );
    }
}

#[test]
fn a_filesystem_longer_than_its_disk_is_kept() {
    let mut fat = Fat::filled(Kind::Fat16);
    let bytes = fat.bytes.len() as u64 - 300;
    fat.bytes.truncate(bytes as usize - 1);
    let disk_bytes = bytes - 1;
    fat.kept(Distrust::Cut { bytes, disk_bytes }, ErrorKind::Corrupt);
    fat.bytes.push(0);
    fat.used();
}

#[test]
fn labels_and_serial_numbers_are_optional() {
    let mut fat = Fat::new(Kind::Fat12);
    assert_eq!(fat.open().info().label, b"HAND");
    fat.put(43, b"NO NAME    ");
    assert_eq!(fat.open().info().label, b"");
    fat.put(38, &[0x28]);
    assert_eq!(fat.open().info().serial, 0x0102_0304);
    fat.put(38, &[0]);
    assert_eq!(
        (fat.open().info().serial, &fat.open().info().label[..]),
        (0, &b""[..])
    );
}

#[test]
fn a_fat16_has_fewer_than_65525_clusters() {
    for (clusters, is_fat16) in [(65_524, true), (65_525, false)] {
        let mut fat = Fat::filled(Kind::Fat16);
        let sectors = fat.heap / 512 + clusters;
        fat.bytes.resize(sectors * 512, 0);
        fat.put(19, &[0, 0])
            .put(32, &(sectors as u32).to_le_bytes());
        let filesystem = fat.open();
        assert_eq!(filesystem.trust() == Trust::Clusters, is_fat16);
        // The table has entries for no more.
        if is_fat16 {
            assert_eq!(filesystem.info().clusters, 17 * 256 - 2);
        }
    }
}
