//! exFAT by hand.

use fat_blocks::{ClusterFault, Distrust, ErrorKind, Finding, Kind};
use fixtures::require;

use crate::exfat_image::{BITMAP, CLUSTERS, END, ExFat, ROOT};
use crate::image::open;

const USED: [u32; 12] = [2, 3, 4, 10, 11, 15, 20, 21, 22, 23, 30, 40];

#[test]
fn free_is_what_the_bitmap_calls_free() {
    let exfat = ExFat::filled();
    assert_eq!(exfat.used(), USED);
    let filesystem = open(&exfat.0);
    let info = filesystem.info();
    assert_eq!((info.kind, info.serial), (Some(Kind::ExFat), 0x0102_0304));
    assert_eq!(info.label, "hé".as_bytes());
    assert_eq!((info.sector_bytes, info.cluster_bytes), (512, 512));
    assert_eq!(info.clusters, CLUSTERS);
    assert_eq!(filesystem.damage(), []);
    // Lost and bad clusters are kept: the bitmap has them.
    let mut exfat = ExFat::filled();
    exfat.allocate(&[100], true);
    assert_eq!(
        open(&exfat.0).damage(),
        [Finding::Unreferenced { clusters: 1 }]
    );
    assert_eq!(exfat.used(), [&USED[..], &[100]].concat());
    // How full it is, is not believed.
    exfat.put(112, &[0]);
    exfat.used();
}

#[test]
fn fsck_has_nothing_against_it() {
    let Some(fsck) = require("fsck.exfat") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    std::fs::write(&path, ExFat::filled().0).unwrap();
    let outcome = fsck.run(|command| command.arg("-n").arg(&path)).unwrap();
    // The table of capital letters is none, so it stops after the boot region.
    assert!(
        !outcome.brief(400).contains("checksum of boot"),
        "{}",
        outcome.brief(400)
    );
}

#[test]
fn a_file_that_the_bitmap_contradicts_distrusts_the_whole() {
    for (clear, first) in [
        (11, 10),
        (22, 20),
        (30, 30),
        (40, 40),
        (3, 3),
        (BITMAP, BITMAP),
        (ROOT, ROOT),
    ] {
        let mut exfat = ExFat::filled();
        exfat.allocate(&[clear], false);
        let distrust = Distrust::Cluster {
            first,
            cluster: clear,
            fault: ClusterFault::Free,
        };
        exfat.kept(distrust, ErrorKind::Corrupt);
    }
}

#[test]
fn a_file_in_clusters_that_cannot_be_its_own_distrusts_the_whole() {
    let mut exfat = ExFat::filled();
    let inner = exfat.at(30);
    exfat.file(inner, 0x20, 3, 22, 1);
    let fault = ClusterFault::Shared;
    exfat.kept(
        Distrust::Cluster {
            first: 22,
            cluster: 22,
            fault,
        },
        ErrorKind::Corrupt,
    );
    // A run past the end, and a chain that is too short.
    exfat
        .file(inner, 0x20, 3, 120, 1025)
        .allocate(&[120, 121], true);
    let fault = ClusterFault::Outside;
    exfat.kept(
        Distrust::Cluster {
            first: 120,
            cluster: 122,
            fault,
        },
        ErrorKind::Corrupt,
    );
    exfat.file(inner, 0x20, 1, 40, 513);
    let (first, found, needed) = (40, 1, 2);
    exfat.kept(
        Distrust::Short {
            first,
            found,
            needed,
        },
        ErrorKind::Corrupt,
    );
    exfat.file(inner, 0x20, 1, 0, 513);
    let (first, found) = (0, 0);
    exfat.kept(
        Distrust::Short {
            first,
            found,
            needed,
        },
        ErrorKind::Corrupt,
    );
    exfat.file(inner, 0x20, 3, u32::MAX, u64::MAX);
    let fault = ClusterFault::Outside;
    let cluster = u32::MAX;
    exfat.kept(
        Distrust::Cluster {
            first: cluster,
            cluster,
            fault,
        },
        ErrorKind::Corrupt,
    );
}

#[test]
fn marks_keep_everything() {
    for state in [2u16, 4, 6] {
        let mut exfat = ExFat::filled();
        exfat.put(106, &state.to_le_bytes());
        exfat.kept(Distrust::Dirty { state }, ErrorKind::Unclean);
    }
    let mut exfat = ExFat::filled();
    exfat.put(106, &[1]);
    let (field, found) = ("VolumeFlags", 1);
    exfat.kept(
        Distrust::Unsupported { field, found },
        ErrorKind::Unsupported,
    );
    // To zero all before giving it away is a promise, no damage.
    exfat.put(106, &[8]);
    assert_eq!(exfat.used(), USED);
}

#[test]
fn the_boot_region_has_a_checksum() {
    let mut exfat = ExFat::filled();
    exfat.put(5 * 512, &[1]);
    let Distrust::BootChecksum { stored, computed } = distrust(&exfat) else {
        panic!()
    };
    assert_ne!(stored, computed);
    exfat.seal();
    assert_eq!(exfat.used(), USED);
    // Each copy of it counts.
    exfat.put(12 * 512 - 1, &[0x77]);
    assert!(matches!(distrust(&exfat), Distrust::BootChecksum { .. }));
}

fn distrust(exfat: &ExFat) -> Distrust {
    match open(&exfat.0).trust() {
        fat_blocks::Trust::Nothing(distrust) => distrust,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_field_is_checked() {
    let cases: [(usize, &[u8], &str, u64); 12] = [
        (108, &[8], "BytesPerSectorShift", 8),
        (108, &[13], "BytesPerSectorShift", 13),
        (109, &[17], "SectorsPerClusterShift", 17),
        (105, &[2], "FileSystemRevision", 0x200),
        (110, &[2], "NumberOfFats", 2),
        (63, &[1], "MustBeZero", 1),
        (80, &[23], "FatOffset", 23),
        (84, &[9], "FatOffset", 24),
        (88, &[0], "FatOffset", 24),
        (84, &[0], "FatLength", 0),
        (92, &[0], "ClusterCount", 0),
        (92, &[121], "ClusterCount", 121),
    ];
    for (at, bytes, name, value) in cases {
        let mut exfat = ExFat::filled();
        exfat.put(at, bytes).seal();
        match distrust(&exfat) {
            Distrust::Field { field, found } | Distrust::Unsupported { field, found } => {
                assert_eq!((field, found), (name, value));
            }
            other => panic!("{at}: {other:?}"),
        }
    }
    let mut exfat = ExFat::filled();
    exfat.put(72, &[0xff; 8]).seal();
    let (bytes, disk_bytes) = (u64::MAX, exfat.0.len() as u64);
    exfat.kept(Distrust::Cut { bytes, disk_bytes }, ErrorKind::Corrupt);
    let mut exfat = ExFat::filled();
    exfat.u32(92, u32::MAX).seal();
    let found = u64::from(u32::MAX);
    exfat.kept(Distrust::TooManyClusters { found }, ErrorKind::Unsupported);
}

#[test]
fn entries_of_the_root_are_checked() {
    let mut exfat = ExFat::filled();
    exfat.entry(1, 0x01, BITMAP, 15);
    exfat.kept(Distrust::Bitmaps { found: 0 }, ErrorKind::Corrupt);
    exfat.entry(0, 0x81, BITMAP, 15).entry(1, 0x81, BITMAP, 15);
    exfat.kept(Distrust::Bitmaps { found: 2 }, ErrorKind::Corrupt);
    let mut exfat = ExFat::filled();
    exfat.entry(1, 0x81, BITMAP, 14);
    let (found, needed) = (14, 15);
    exfat.kept(Distrust::BitmapLength { found, needed }, ErrorKind::Corrupt);
    exfat.entry(1, 0x81, 1, 15);
    let fault = ClusterFault::Outside;
    exfat.kept(
        Distrust::Cluster {
            first: 1,
            cluster: 1,
            fault,
        },
        ErrorKind::Corrupt,
    );
    for kind in [0x84, 0x86, 0x9f, 0xa2, 0xbf, 0xc0, 0xff] {
        let mut exfat = ExFat::filled();
        exfat.entry(0, kind, 0, 0);
        exfat.kept(Distrust::EntryType { kind }, ErrorKind::Unsupported);
    }
    for kind in [0x05, 0x40, 0x7f, 0xa0, 0xa1] {
        let mut exfat = ExFat::filled();
        exfat.entry(0, kind, 99, 99);
        assert_eq!(exfat.used(), USED);
    }
}

#[test]
fn sets_of_entries_are_checked() {
    let set = ExFat::filled().at(ROOT) + 96;
    let mut exfat = ExFat::filled();
    exfat.put(set + 70, &[1]);
    assert!(matches!(distrust(&exfat), Distrust::EntryChecksum { .. }));
    // A bitmap, a label in another directory, a set without a stream, or cut off.
    let inner = exfat.at(30);
    for (at, kind, told) in [
        (inner, 0x81, 0x81),
        (inner, 0x83, 0x83),
        (set + 32, 0xc1, 0xc1),
        (set + 64, 0x00, 0x00),
        (set + 64, 0x85, 0x85),
        (set + 64, 0xc0, 0xc0),
        (set + 64, 0xc2, 0xc2),
    ] {
        let mut exfat = ExFat::filled();
        exfat.put(at, &[kind]);
        exfat.kept(Distrust::EntryType { kind: told }, ErrorKind::Unsupported);
    }
    let mut exfat = ExFat::filled();
    exfat.put(set + 1, &[1]).seal_set(set, 2);
    exfat.kept(Distrust::EntryType { kind: 0x85 }, ErrorKind::Unsupported);
    // What vendors add, with clusters of their own.
    let mut exfat = ExFat::filled();
    let inner = exfat.at(30);
    exfat.put(inner + 1, &[4]).put(inner + 96, &[0xe0, 0]);
    exfat
        .put(inner + 128, &[0xe1, 3])
        .u32(inner + 148, 50)
        .u32(inner + 152, 513);
    exfat.seal_set(inner, 5).allocate(&[50, 51], true);
    assert_eq!(exfat.used(), [&USED[..], &[50, 51]].concat());
    assert_eq!(open(&exfat.0).damage(), []);
    exfat.allocate(&[51], false);
    let fault = ClusterFault::Free;
    exfat.kept(
        Distrust::Cluster {
            first: 50,
            cluster: 51,
            fault,
        },
        ErrorKind::Corrupt,
    );
}

#[test]
fn a_set_may_go_over_from_one_cluster_to_the_next() {
    let mut exfat = ExFat::new();
    exfat.link(ROOT, 50).link(50, END).allocate(&[50, 60], true);
    let (root, next) = (exfat.at(ROOT), exfat.at(50));
    for slot in 3..15 {
        exfat.entry(slot, 0x05, 0, 0);
    }
    // Made in one piece, and cut in two.
    exfat
        .put(next, &[0; 512])
        .file(next, 0x20, 1, 60, 7)
        .link(60, END);
    let set = exfat.0[next..next + 96].to_vec();
    exfat
        .put(root + 480, &set[..32])
        .put(next, &set[32..])
        .put(next + 64, &[0]);
    assert_eq!(exfat.used(), [2, 3, 4, 50, 60]);
    assert_eq!(open(&exfat.0).damage(), []);
}
