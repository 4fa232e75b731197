//! Directory trees that contradict the FAT.

use fat_blocks::{ClusterFault, Distrust, ErrorKind, Kind};

use crate::image::{DIRECTORY, END, Fat, KINDS};

#[track_caller]
fn cluster(fat: &Fat, first: u32, cluster: u32, fault: ClusterFault) {
    let distrust = Distrust::Cluster {
        first,
        cluster,
        fault,
    };
    fat.kept(distrust, ErrorKind::Corrupt);
}

#[test]
fn a_chain_that_needs_what_is_free_distrusts_the_whole() {
    for kind in KINDS {
        let mut fat = Fat::filled(kind);
        fat.file(5, 90, 100);
        cluster(&fat, 90, 90, ClusterFault::Free);
        let mut fat = Fat::filled(kind);
        fat.link(14, 90);
        cluster(&fat, 10, 90, ClusterFault::Free);
        // A directory, deep within.
        let mut fat = Fat::filled(kind);
        let inner = fat.at(30);
        fat.entry(inner, 1, b"D          ", DIRECTORY, 90, 0);
        cluster(&fat, 90, 90, ClusterFault::Free);
    }
}

#[test]
fn what_comes_after_the_end_of_a_directory_distrusts_the_whole() {
    for kind in KINDS {
        let mut fat = Fat::filled(kind);
        // Slot 6 ends the directory; Linux reads on.
        fat.file(8, 90, 100);
        let (directory, entry) = (0, 8);
        fat.kept(Distrust::AfterEnd { directory, entry }, ErrorKind::Corrupt);
    }
}

#[test]
fn a_chain_that_is_too_short_distrusts_the_whole() {
    for kind in KINDS {
        let mut fat = Fat::filled(kind);
        fat.file(0, 10, 4 * 512 + 1);
        let (first, found, needed) = (10, 4, 5);
        fat.kept(
            Distrust::Short {
                first,
                found,
                needed,
            },
            ErrorKind::Corrupt,
        );
        // A longer one is a reserve.
        fat.file(0, 10, 0);
        fat.used();
        fat.file(5, 0, 1);
        let (first, found, needed) = (0, 0, 1);
        fat.kept(
            Distrust::Short {
                first,
                found,
                needed,
            },
            ErrorKind::Corrupt,
        );
        let mut fat = Fat::filled(kind);
        let inner = fat.at(30);
        fat.entry(inner, 1, b"D          ", DIRECTORY, 0, 0);
        let (directory, entry) = (20, 17);
        fat.kept(Distrust::NoCluster { directory, entry }, ErrorKind::Corrupt);
    }
}

#[test]
fn clusters_in_use_twice_distrust_the_whole() {
    for kind in KINDS {
        // Two files, a loop in a chain, and a directory within itself.
        let mut fat = Fat::filled(kind);
        fat.file(5, 12, 1);
        cluster(&fat, 12, 12, ClusterFault::Shared);
        let mut fat = Fat::filled(kind);
        fat.link(12, 11);
        cluster(&fat, 10, 11, ClusterFault::Shared);
        let mut fat = Fat::filled(kind);
        let inner = fat.at(30);
        fat.entry(inner, 1, b"D          ", DIRECTORY, 20, 0);
        cluster(&fat, 20, 20, ClusterFault::Shared);
    }
}

#[test]
fn clusters_that_cannot_be_distrust_the_whole() {
    for kind in KINDS {
        let outside = Fat::new(kind).clusters + 2;
        for number in [1, outside, 0xfe0] {
            if number == 0xfe0 && kind == Kind::Fat16 {
                continue;
            }
            let mut fat = Fat::filled(kind);
            fat.file(5, number, 1);
            cluster(&fat, number, number, ClusterFault::Outside);
        }
        let mut fat = Fat::filled(kind);
        fat.link(14, outside);
        cluster(&fat, 10, outside, ClusterFault::Outside);
        for (entry, fault) in [
            (0x0fff_fff7, ClusterFault::Bad),
            (1, ClusterFault::Reserved),
        ] {
            let mut fat = Fat::filled(kind);
            fat.link(14, entry);
            cluster(&fat, 10, 14, fault);
        }
    }
    let mut fat = Fat::filled(Kind::Fat32);
    fat.put(44, &[0, 0, 0, 0]);
    cluster(&fat, 0, 0, ClusterFault::Outside);
    fat.put(44, &[90]);
    cluster(&fat, 90, 90, ClusterFault::Free);
}

#[test]
fn ends_of_chains_have_many_values() {
    for kind in KINDS {
        for end in 0x0fff_fff8..=END {
            let mut fat = Fat::filled(kind);
            fat.link(12, end);
            fat.used();
        }
    }
    // The upper bits of FAT32 entries do not count.
    let mut fat = Fat::filled(Kind::Fat32);
    fat.link(10, 0xf000_000b).link(12, 0x5fff_ffff);
    fat.used();
}

#[test]
fn the_upper_half_of_a_first_cluster_is_that_of_fat32_alone() {
    for kind in KINDS {
        let mut fat = Fat::filled(kind);
        fat.file(0, 10 | 5 << 16, 512);
        if kind == Kind::Fat32 {
            let number = 10 | 5 << 16;
            cluster(&fat, number, number, ClusterFault::Outside);
        } else {
            fat.used();
        }
    }
}

#[test]
fn a_directory_longer_than_directories_are_distrusts_the_whole() {
    // 4099 clusters of 16 entries are more than 65,536.
    let mut fat = Fat::new(Kind::Fat16);
    let clusters: Vec<u32> = (2..fat.clusters + 2).collect();
    let heap = fat.heap;
    fat.bytes[heap..].fill(0xe5);
    fat.entry(fat.root, 0, b"DIR        ", DIRECTORY, 2, 0)
        .chain(&clusters);
    let (directory, limit) = (2, 1 << 16);
    fat.kept(
        Distrust::LongDirectory { directory, limit },
        ErrorKind::Corrupt,
    );
    // Deleted entries count, and what comes after the end does not.
    let end = fat.at(4097);
    fat.put(end, &[0; 512]);
    assert_eq!(fat.used(), clusters);
}
