//! What is free, by the FAT.

use blockio::{Extent, ExtentKind, Tiling};
use fat_blocks::{Detected, Distrust, ErrorKind, Finding, Kind, Options, Trust, detect};

use crate::image::{END, Fat, KINDS, extents};

#[test]
fn free_is_what_the_table_calls_free() {
    for kind in KINDS {
        let fat = Fat::filled(kind);
        let root: &[u32] = if kind == Kind::Fat32 { &[2] } else { &[] };
        let files = [10, 11, 12, 14, 20, 25, 30, 40];
        assert_eq!(fat.used(), [root, &files].concat());
        let filesystem = fat.open();
        assert_eq!(filesystem.damage(), []);
        let info = filesystem.info();
        assert_eq!((info.kind, info.serial), (Some(kind), 0x0102_0304));
        assert_eq!((&info.label[..], info.cluster_bytes), (&b"LABEL"[..], 512));
        assert_eq!((info.clusters, info.sector_bytes), (fat.clusters, 512));
        // Nothing before the clusters or after them is free.
        let all = extents(&filesystem, fat.bytes.len());
        assert_eq!(all[0].kind, ExtentKind::Data);
        let last = all[all.len() - 1];
        assert_eq!((last.kind, last.length), (ExtentKind::Data, 300));
    }
}

#[test]
fn parts_of_the_disk_are_told_as_the_whole() {
    let fat = Fat::filled(Kind::Fat12);
    let filesystem = fat.open();
    let all = extents(&filesystem, fat.bytes.len());
    for (start, length) in [
        (0, 1),
        (100, 5000),
        (fat.at(10) as u64 + 7, 2000),
        (50_000, 300),
    ] {
        let range = start..start + length;
        let part: Result<Vec<Extent>, _> = filesystem.extents(range.clone()).collect();
        let want: Result<Vec<Extent>, _> = all.as_slice().extents(range).collect();
        assert_eq!(part.unwrap(), want.unwrap());
    }
    let end = fat.bytes.len() as u64;
    assert_eq!(filesystem.extents(end..end).count(), 0);
    let last: Result<Vec<_>, _> = filesystem.extents(end - 1..end).collect();
    assert_eq!(last.unwrap(), [Extent::new(end - 1..end, ExtentKind::Data)]);
}

#[test]
fn bad_reserved_and_lost_clusters_are_kept() {
    for kind in KINDS {
        let mut fat = Fat::new(kind);
        let before = fat.used();
        fat.link(50, 0x0fff_fff7).link(60, 1).chain(&[70, 71]);
        if kind == Kind::Fat32 {
            // A reserved bit of a free entry.
            fat.link(80, 0x1000_0000);
        }
        let more: &[u32] = if kind == Kind::Fat32 { &[80] } else { &[] };
        assert_eq!(fat.used(), [&before, &[50, 60, 70, 71][..], more].concat());
        let clusters = 4 + more.len() as u64;
        assert_eq!(fat.open().damage(), [Finding::Unreferenced { clusters }]);
    }
}

#[test]
fn clusters_without_an_entry_are_kept() {
    let mut fat = Fat::new(Kind::Fat12);
    // Room for 339 entries of 3 sectors more.
    let clusters = 400;
    fat.bytes.resize(fat.heap + clusters * 512, 0xa5);
    let sectors = (fat.bytes.len() / 512) as u16;
    fat.put(19, &sectors.to_le_bytes());
    let finding = Finding::ShortTable {
        entries: 339,
        clusters: clusters as u64,
    };
    let filesystem = fat.open();
    assert_eq!(filesystem.damage(), [finding]);
    assert_eq!(filesystem.info().free_bytes, 339 * 512);
    let last = extents(&filesystem, fat.bytes.len()).pop().unwrap();
    assert_eq!((last.kind, last.length), (ExtentKind::Data, 61 * 512));
}

#[test]
fn a_filesystem_shorter_than_its_last_cluster_keeps_the_rest() {
    let mut fat = Fat::new(Kind::Fat12);
    fat.put(13, &[8]);
    let filesystem = fat.open();
    assert_eq!(filesystem.info().clusters, 12);
    assert_eq!(filesystem.info().free_bytes, 12 * 8 * 512);
    let last = extents(&filesystem, fat.bytes.len()).pop().unwrap();
    assert_eq!(last.length, 4 * 512 + 300);
}

#[test]
fn copies_must_agree() {
    for kind in KINDS {
        for copy in [0, 1] {
            let mut fat = Fat::filled(kind);
            fat.link_in(copy, 90, END);
            fat.kept(Distrust::CopiesDiffer { at: 0 }, ErrorKind::Corrupt);
        }
        // One is enough where there is one.
        let mut fat = Fat::filled(kind);
        let used = fat.used();
        fat.put(16, &[1]);
        let gone = fat.table.1;
        let start = fat.table.0 + gone;
        fat.bytes.drain(start..start + gone);
        fat.heap -= gone;
        let sectors = (fat.bytes.len() / 512) as u32;
        if kind == Kind::Fat32 {
            fat.put(32, &sectors.to_le_bytes());
        } else {
            fat.put(19, &(sectors as u16).to_le_bytes());
        }
        assert_eq!(fat.used(), used);
    }
}

#[test]
fn fsinfo_is_not_believed() {
    let mut fat = Fat::filled(Kind::Fat32);
    let used = fat.used();
    fat.put(512, b"RRaA")
        .put(512 + 484, b"rrAa")
        .put(512 + 488, &[0xff; 8]);
    assert_eq!(fat.used(), used);
    fat.put(512 + 488, &[0; 8]);
    assert_eq!(fat.used(), used);
}

#[test]
fn marks_of_linux_and_windows_keep_everything() {
    for kind in KINDS {
        let at = if kind == Kind::Fat32 { 0x41 } else { 0x25 };
        for state in [1u16, 2, 3] {
            let mut fat = Fat::filled(kind);
            fat.put(at, &[state as u8]);
            fat.kept(Distrust::Dirty { state }, ErrorKind::Unclean);
        }
    }
    for (kind, entry) in [
        (Kind::Fat16, 0x7fff),
        (Kind::Fat16, 0xbfff),
        (Kind::Fat32, 0x07ff_ffff),
        (Kind::Fat32, 0x0bff_ffff),
    ] {
        let mut fat = Fat::filled(kind);
        fat.link(1, entry);
        fat.kept(Distrust::DirtyTable { entry }, ErrorKind::Unclean);
    }
    // FAT12 has no such marks.
    let mut fat = Fat::filled(Kind::Fat12);
    fat.link(1, 0x3ff);
    assert_eq!(fat.open().trust(), Trust::Clusters);
}

#[test]
fn the_first_entry_must_be_the_media_descriptor() {
    let mut fat = Fat::filled(Kind::Fat16);
    fat.put(21, &[0xf0]);
    let (entry, media) = (0xfff8, 0xf0);
    fat.kept(Distrust::Media { entry, media }, ErrorKind::Corrupt);
}

#[test]
fn the_number_of_clusters_tells_fat12_from_fat16() {
    // As FAT16, whose table has room for both.
    for (clusters, kind) in [(4084, Kind::Fat12), (4085, Kind::Fat16)] {
        let mut fat = Fat::new(Kind::Fat16);
        let sectors = (fat.heap / 512 + clusters) as u16;
        fat.put(19, &sectors.to_le_bytes());
        fat.kind = kind;
        fat.bytes[fat.table.0..fat.root].fill(0);
        fat.link(0, 0xfff8).link(1, 0xffff);
        assert_eq!(fat.open().info().kind, Some(kind));
        assert_eq!(fat.open().trust(), Trust::Clusters);
    }
}

#[test]
fn other_bytes_are_nothing() {
    let fat = Fat::filled(Kind::Fat16);
    for (at, byte) in [
        (510, 0),
        (11, 1),
        (12, 0),
        (13, 0),
        (13, 3),
        (16, 0),
        (21, 0xf7),
    ] {
        let mut other = fat.clone();
        other.put(at, &[byte]);
        let found = detect(&other.bytes, &Options::default()).unwrap();
        assert!(matches!(found, Detected::Nothing), "{at}: {byte}");
    }
    for length in [0, 511, 512] {
        let found = detect(vec![0; length], &Options::default()).unwrap();
        assert!(matches!(found, Detected::Nothing));
    }
}
