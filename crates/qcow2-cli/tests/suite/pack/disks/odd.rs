//! Tables of other kinds, moved, and damaged: nothing that a sound reading needs is lost.

use std::fs::{self, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use fixtures::{E2fs, Tool, require};

use super::made::{self, MIB, OLD, free_of_ext, put};
use super::{nothing_is_lost, unused};
use crate::bench::Bench;

/// Sectors of 512 bytes of the disk.
const DISK_BYTES: u64 = 32 * MIB;

/// A disk with an ext4 of 4 MiB at each of `places`, and old bytes between; no table.
fn disk(e2fs: &E2fs, bench: &Bench, places: &[u64]) -> Vec<Range<u64>> {
    bench.write("disk", made::filled(OLD, DISK_BYTES));
    let file = OpenOptions::new()
        .write(true)
        .open(bench.path("disk"))
        .unwrap();
    for at in [0, DISK_BYTES - MIB] {
        file.write_all_at(&vec![0; 1 << 20], at).unwrap();
    }
    bench.write("ext", made::filled(OLD, 4 * MIB));
    let options = ["-t", "ext4", "-b", "1024", "-E", "nodiscard"];
    e2fs.make(&bench.path("ext"), 4 * MIB, &options).unwrap();
    let own = free_of_ext(e2fs, bench, "ext");
    let mut free = Vec::new();
    for at in places {
        put(bench, "ext", "disk", *at);
        free.extend(own.iter().map(|own| own.start + at..own.end + at));
    }
    free
}

fn sfdisk(tool: &Tool, bench: &Bench, options: &str, script: &str) {
    bench.write("script", script);
    let shell = Tool::find("sh").unwrap();
    let line =
        format!("\"$0\" -q --no-tell-kernel --no-reread --wipe never {options} disk < script");
    shell
        .ok(|command| {
            command
                .args(["-c", &line])
                .arg(tool.path())
                .current_dir(bench.folder())
        })
        .unwrap();
}

/// Asserts that exactly `free` is free.
#[track_caller]
fn all_is_found(bench: &Bench, free: &[Range<u64>]) {
    nothing_is_lost(bench, "disk", free);
    let count = |ranges: &[Range<u64>]| ranges.iter().map(|one| one.end - one.start).sum::<u64>();
    assert_eq!(count(&unused(bench, "disk")), count(free));
}

#[test]
fn logical_partitions() {
    let (Some(e2fs), Some(tool)) = (E2fs::require(), require("sfdisk")) else {
        return;
    };
    let bench = Bench::new();
    let free = disk(&e2fs, &bench, &[MIB, 7 * MIB, 13 * MIB]);
    let script = "label: dos\nstart=2048,size=8192,type=83\nstart=10240,size=40960,type=5\n\
        start=14336,size=8192,type=83\nstart=26624,size=8192,type=83\n";
    sfdisk(&tool, &bench, "", script);
    all_is_found(&bench, &free);
    let report = bench.ok("pack --force disk image");
    assert!(report.contains("an MBR with 4 partitions"), "{report}");
    assert!(
        report.contains("part 2   extended partition: 20 MiB, logical partitions\n"),
        "{report}"
    );
    // The chain is broken: what is in the extended partition may be anything.
    let file = OpenOptions::new()
        .write(true)
        .open(bench.path("disk"))
        .unwrap();
    file.write_all_at(&[0, 0], 10_240 * 512 + 510).unwrap();
    let outcome = bench.run("pack --force disk image");
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let first: Vec<_> = free
        .iter()
        .filter(|one| one.end <= 5 * MIB)
        .cloned()
        .collect();
    all_is_found(&bench, &first);
}

#[test]
fn a_gpt_for_large_sectors() {
    let (Some(e2fs), Some(tool)) = (E2fs::require(), require("sfdisk")) else {
        return;
    };
    let bench = Bench::new();
    let free = disk(&e2fs, &bench, &[MIB, 8 * MIB]);
    let script = "label: gpt\nsector-size: 4096\nstart=256,size=1024\nstart=2048,size=1024\n";
    sfdisk(&tool, &bench, "", script);
    if bench.read("disk")[4096..].starts_with(b"EFI PART") {
        all_is_found(&bench, &free);
        let report = bench.ok("info disk");
        assert!(report.contains("sectors of 4 KiB"), "{report}");
    } else {
        eprintln!("SKIPPED: this sfdisk makes no table for sectors of 4096 bytes");
    }
}

#[test]
fn a_gpt_hybrid_and_grown() {
    let (Some(e2fs), Some(sgdisk)) = (E2fs::require(), require("sgdisk")) else {
        return;
    };
    let bench = Bench::new();
    let free = disk(&e2fs, &bench, &[MIB, 8 * MIB]);
    let run = |words: &str| {
        sgdisk
            .ok(|command| {
                command
                    .args(words.split_whitespace())
                    .arg(bench.path("disk"))
            })
            .unwrap();
    };
    run("-n 1:2048:10239 -n 2:16384:24575");
    all_is_found(&bench, &free);
    run("-h 1:2");
    all_is_found(&bench, &free);
    // The backup is inside the disk then, which is told and no damage.
    let file = OpenOptions::new()
        .write(true)
        .open(bench.path("disk"))
        .unwrap();
    file.set_len(DISK_BYTES + 8 * MIB).unwrap();
    all_is_found(&bench, &free);
    let report = bench.ok("pack --force disk image");
    let note = "table    the backup GPT header is at byte 33553920, not in the last sector\n";
    assert!(report.contains(note), "{report}");
}

#[test]
fn damaged_tables() {
    let (Some(e2fs), Some(sgdisk)) = (E2fs::require(), require("sgdisk")) else {
        return;
    };
    let bench = Bench::new();
    let free = disk(&e2fs, &bench, &[MIB, 8 * MIB]);
    sgdisk
        .ok(|command| {
            command
                .args(["-n", "1:2048:10239", "-n", "2:16384:24575"])
                .arg(bench.path("disk"))
        })
        .unwrap();
    let sound = bench.read("disk");
    let size = usize::try_from(DISK_BYTES).unwrap();
    // Where, and whether the other end of the table is enough.
    let damage: [(&str, Range<usize>, bool); 7] = [
        ("boot record", 0..512, false),
        ("primary header", 512..1024, false),
        ("primary array", 1024..1280, true),
        ("backup header", size - 512..size, true),
        ("backup array", size - 33 * 512..size - 32 * 512, true),
        ("both headers", 512..1024, false),
        ("all of it", 0..34 * 512, false),
    ];
    for (what, range, is_enough) in damage {
        let mut disk = sound.clone();
        disk[range].fill(0);
        if what == "both headers" {
            disk[size - 512..].fill(0);
        }
        bench.write("disk", disk);
        let outcome = bench.run("pack --force disk image");
        let found = unused(&bench, "disk");
        assert_eq!(outcome.code, Some(3), "{what}: {outcome:?}");
        assert_eq!(found.is_empty(), !is_enough, "{what}: {outcome:?}");
        nothing_is_lost(&bench, "disk", &free);
    }
    fs::remove_file(bench.path("disk")).unwrap();
}
