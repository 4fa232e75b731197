//! What `pack` makes of a filesystem when it is told more: a copy of the
//! superblock, to replay the journal, to leave out what is never read.

use std::fs;

use fixtures::ext::{Filesystem, Kind};
use fixtures::{DIRTY, E2fs, SplitMix, number};

use crate::bench::Bench;

const SIZE_BYTES: u64 = 16 << 20;

/// An ext4 of two groups over old bytes, in `disk`.
fn made(e2fs: &E2fs) -> Bench {
    let bench = Bench::new();
    bench.write("disk", SplitMix::new(1).bytes(16 << 20));
    let options = ["-t", "ext4", "-b", "1024"];
    e2fs.make(&bench.path("disk"), SIZE_BYTES, &options)
        .unwrap();
    bench
}

#[test]
fn a_named_superblock_stands_in_for_one_that_is_gone() {
    let Some(e2fs) = E2fs::require() else { return };
    let bench = made(&e2fs);
    let mut disk = bench.read("disk");
    disk[1024..2048].fill(0);
    bench.write("disk", disk);

    let whole = bench.run("pack --output json disk whole");
    assert_eq!(number(&whole.stdout, "used_bytes"), Some(SIZE_BYTES));
    let options = "--superblock 8193 --block-size 1K";
    let outcome = bench.run(&format!("pack --output json {options} disk image"));
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let used = number(&outcome.stdout, "used_bytes").unwrap();
    assert!(used < SIZE_BYTES / 4, "{used}");
    bench.ok("unpack image restored");
    let backup = ["-fn", "-b", "8193", "-B", "1024"];
    let [before, after] =
        ["disk", "restored"].map(|name| e2fs.fsck(&backup, &bench.path(name)).unwrap());
    assert_eq!(after, before);
    assert!(before.stdout.contains("Pass 5"), "{before:?}");

    let outcome = bench.run("pack --superblock 8192 --block-size 1K disk other");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(
        outcome.stderr.contains("there is no ext superblock there"),
        "{outcome:?}"
    );
    assert!(!bench.path("other").exists());
}

#[test]
fn recovered_filesystems_are_clean() {
    let Some(e2fs) = E2fs::require() else { return };
    let names = ["v3", "v3 of 4096", "v1", "ext3", "revoked", "wrapped"];
    for dirty in DIRTY.iter().filter(|dirty| names.contains(&dirty.name)) {
        let bench = Bench::new();
        let whole = dirty.make(&e2fs, &bench.path("disk")).unwrap();
        let before = bench.read("disk");
        let plain = bench.run("pack disk unclean");
        assert_eq!(plain.code, Some(3), "{}: {plain:?}", dirty.name);
        let report = bench.ok("pack --recover --verify disk image");
        assert!(!report.contains("note "), "{}: {report}", dirty.name);
        assert!(!report.contains("damage "), "{}: {report}", dirty.name);
        assert!(bench.read("disk") == before, "the source was changed");
        bench.ok("unpack image restored");
        let fsck = e2fs.fsck(&["-fn"], &bench.path("restored")).unwrap();
        assert!(fsck.success(), "{}: {}", dirty.name, fsck.brief(300));
        assert!(!fsck.stdout.contains("journal"), "{fsck:?}");
        for file in whole {
            let out = bench.path("out");
            let dump = format!("dump {} {}", file.name, out.display());
            e2fs.ask(&bench.path("restored"), &dump).unwrap();
            assert!(
                fs::read(out).unwrap() == file.bytes,
                "{}: {}",
                dirty.name,
                file.name
            );
        }
    }
}

#[test]
fn what_is_never_read_is_dropped() {
    let Some(e2fs) = E2fs::require() else { return };
    let bench = made(&e2fs);
    let commands = ["write /dev/null reserved", "fallocate reserved 0 99"];
    e2fs.debugfs(&bench.path("disk"), &commands.map(String::from))
        .unwrap();
    let blocks = e2fs.ask(&bench.path("disk"), "blocks reserved").unwrap();
    let blocks: Vec<usize> = blocks
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    assert_eq!(blocks.len(), 100);
    let before = e2fs.fsck(&["-fn"], &bench.path("disk")).unwrap();
    assert!(before.success(), "{}", before.brief(300));

    // What lay there before, whatever debugfs made of it.
    let mut disk = bench.read("disk");
    for block in &blocks {
        disk[block << 10..(block + 1) << 10].fill(7);
    }
    bench.write("disk", &disk);
    let all = number(&bench.ok("pack --output json disk all"), "used_bytes").unwrap();
    for (drop, dropped) in [
        ("unwritten", 100),
        ("journal", 1023),
        ("unwritten,journal", 1123),
    ] {
        let json = bench.ok(&format!(
            "pack --force --output json --cluster-size 1K --drop {drop} disk image"
        ));
        let used = number(&json, "used_bytes").unwrap();
        assert_eq!(used, all - dropped * 1024, "{drop}");
        bench.ok("unpack --force image restored");
        let restored = bench.read("restored");
        for block in &blocks {
            let kept = if drop == "journal" { 7 } else { 0 };
            let bytes = &restored[block << 10..(block + 1) << 10];
            assert!(bytes.iter().all(|byte| *byte == kept), "{drop}: {block}");
        }
        let after = e2fs.fsck(&["-fn"], &bench.path("restored")).unwrap();
        assert_eq!(after, before, "{drop}");
        let out = bench.path("out").display().to_string();
        let dump = format!("dump reserved {out}");
        e2fs.ask(&bench.path("restored"), &dump).unwrap();
        assert!(bench.read("out").iter().all(|byte| *byte == 0), "{drop}");
    }
}

#[test]
fn orphans_are_left_and_told() {
    let bench = Bench::new();
    let mut made = Filesystem::new(Kind::Ext4);
    bench.write("disk", &made.bytes);
    bench.ok("pack --recover disk clean");
    // s_last_orphan.
    made.put(1024 + 0xe8, &[12, 0, 0, 0]);
    made.seal();
    bench.write("disk", &made.bytes);
    let outcome = bench.run("pack --recover disk image");
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let note =
        "note     inodes that were deleted while open are left to the next mount or e2fsck\n";
    assert!(outcome.stdout.contains(note), "{outcome:?}");
}
