//! Disks that look like an ext4 and may be something else, of which pack must keep
//! every byte.

mod made;
mod table;
mod verity;

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use fixtures::{E2fs, SplitMix, Tool, require};

use crate::bench::Bench;

const MIB: u64 = 1 << 20;

/// No multiple of a sector, and so far from all larger units.
const ODD_BYTES: u64 = 12 * MIB + 70_000 + 77;

/// An ext4 of two groups in `disk` and what was there before in its free blocks,
/// and past its end.
fn disk(e2fs: &E2fs, name: &str, bytes: u64) -> Bench {
    let bench = Bench::new();
    let old = SplitMix::new(bytes).bytes(usize::try_from(bytes).unwrap());
    bench.write(name, old);
    let options = ["-t", "ext4", "-b", "1024", "-E", "nodiscard"];
    let file = bench.path(name);
    e2fs.make(&file, 12 * MIB, &options).unwrap();
    let tail = SplitMix::new(1).bytes(usize::try_from(bytes - 12 * MIB).unwrap());
    let disk = OpenOptions::new().write(true).open(&file).unwrap();
    disk.write_all_at(&tail, 12 * MIB).unwrap();
    bench
}

/// What `blkid -p` finds in `name`: a type, or that there is more than one.
fn blkid(tool: &Tool, bench: &Bench, name: &str) -> String {
    let path = bench.path(name);
    let outcome = tool.run(|command| command.arg("-p").arg(path)).unwrap();
    format!("{} {}", outcome.stdout, outcome.stderr)
}

/// Each signature alone makes the whole disk kept, and is named; without it the
/// disk is an ext4 with free blocks.
#[track_caller]
fn all_are_kept(section: &str) {
    let (Some(e2fs), Some(tool)) = (E2fs::require(), require("blkid")) else {
        return;
    };
    let bench = disk(&e2fs, "disk", ODD_BYTES);
    let report = bench.ok("pack --force disk image");
    assert!(!report.contains("everything"), "{report}");
    let clean = bench.read("disk");
    let file = OpenOptions::new()
        .write(true)
        .open(bench.path("disk"))
        .unwrap();
    // Other versions check more or less.
    let version = tool.run(|command| command.arg("-V")).unwrap();
    let is_known = format!("{version:?}").contains("util-linux 2.38.");
    let mut named = HashSet::new();
    for row in table::rows(section, ODD_BYTES) {
        let at = row.at;
        file.write_all_at(&row.bytes, at).unwrap();
        let what = format!("{row:?} at {at:#x}");
        let outcome = bench.run("pack --force disk image");
        assert_eq!(outcome.code, Some(3), "{what}: {outcome:?}");
        let note = format!(
            "everything is stored: the disk is also claimed by {} (signature at byte {:#x})",
            row.name,
            at + row.magic
        );
        assert!(outcome.stdout.contains(&note), "{what}: {}", outcome.stdout);
        if named.insert(row.name) {
            bench.ok("unpack --force image restored");
            assert!(bench.read("restored") == bench.read("disk"), "{what}");
        }
        let found = blkid(&tool, &bench, "disk");
        let types = [row.blkid, "ext4"].map(|name| format!("TYPE=\"{name}\""));
        let agrees = match row.blkid.strip_prefix('-') {
            Some(_) => found.contains(&types[1]) && !found.contains("PTTYPE"),
            None if row.blkid == table::AMBIVALENT => found.contains(table::AMBIVALENT),
            None => found.contains(&types[0]),
        };
        assert!(agrees || !is_known, "{what}: {found}");
        let from = usize::try_from(at).unwrap();
        file.write_all_at(&clean[from..from + row.bytes.len()], at)
            .unwrap();
    }
}

#[test]
fn partition_tables_claim_their_disk() {
    all_are_kept("partition tables");
}

#[test]
fn volumes_claim_their_disk() {
    all_are_kept("volumes");
}

#[test]
fn raids_claim_their_disk() {
    all_are_kept("raids");
}

#[test]
fn filesystems_claim_their_disk() {
    all_are_kept("filesystems");
}

/// The members of a pool keep their first 8 KiB, and so the ext4 that was there.
/// Nothing may be left of the pool's labels but those at the end.
#[test]
fn a_pool_of_zfs_over_an_ext4_is_kept_whole() {
    let Some(e2fs) = E2fs::require() else { return };
    for labels in [&[0, 1, 2, 3][..], &[2, 3], &[3]] {
        let bench = disk(&e2fs, "disk", ODD_BYTES);
        let file = OpenOptions::new()
            .write(true)
            .open(bench.path("disk"))
            .unwrap();
        let label = 256 << 10;
        let end = ODD_BYTES / label * label;
        for &number in labels {
            let at = [0, label, end - 2 * label, end - label][number];
            for slot in 0..8 {
                let words = [0x00ba_b10c, 5000, 100 + slot, 42, 1_700_000_000];
                let uberblock = words.map(u64::to_be_bytes).concat();
                file.write_all_at(&uberblock, at + (128 << 10) + slot * 1024)
                    .unwrap();
            }
        }
        let outcome = bench.run("pack --force --verify disk image");
        assert_eq!(outcome.code, Some(3), "{outcome:?}");
        assert!(outcome.stdout.contains("claimed by ZFS"), "{outcome:?}");
        bench.ok("unpack image restored");
        assert!(bench.read("restored") == bench.read("disk"));
    }
}

/// The kernel cuts the last partition of a disk that was cut, and skips one of
/// type 0: the table is one all the same, and what lies in its partitions is kept.
#[test]
fn a_table_with_one_odd_entry_over_an_ext4_is_kept_whole() {
    let Some(e2fs) = E2fs::require() else { return };
    // Status, type, first sector, sectors: the disk has 24,713.
    let tables: [[(u8, u8, u32, u32); 2]; 4] = [
        [(0, 0x83, 2048, 8192), (0, 0x83, 10_240, 1 << 20)],
        [(0x80, 0x83, 2048, 8192), (0, 0x83, 1 << 24, 2048)],
        [(0, 0x83, 2048, 20_000), (0, 0, 2048, 20_000)],
        [(0, 0x83, 2048, 20_000), (0x80, 0x83, 0, 0)],
    ];
    for table in tables {
        let bench = disk(&e2fs, "disk", ODD_BYTES);
        let mut bytes = bench.read("disk");
        bytes[440..510].fill(0);
        bytes[510..512].copy_from_slice(b"\x55\xaa");
        for (entry, (status, kind, start, length)) in table.into_iter().enumerate() {
            let at = 446 + 16 * entry;
            (bytes[at], bytes[at + 4]) = (status, kind);
            bytes[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
            bytes[at + 12..at + 16].copy_from_slice(&length.to_le_bytes());
        }
        bench.write("disk", &bytes);
        let outcome = bench.run("pack --force disk image");
        assert_eq!(outcome.code, Some(3), "{table:?}: {outcome:?}");
        bench.ok("unpack image restored");
        assert!(bench.read("restored") == bytes, "{table:?}");
    }
}
