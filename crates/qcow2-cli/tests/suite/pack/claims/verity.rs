//! Hashes over a filesystem that free blocks count for.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use fixtures::{E2fs, Tool, require};

use super::{MIB, disk};
use crate::bench::Bench;

/// What of the disk is kept, and what is said.
#[track_caller]
fn kept_whole(bench: &Bench, note: &str) {
    let outcome = bench.run("pack --force --verify disk image");
    assert_eq!(outcome.code, Some(3), "{note}: {outcome:?}");
    let said = format!("everything is stored: {note} also covers free blocks");
    assert!(outcome.stdout.contains(&said), "{said}: {}", outcome.stdout);
    bench.ok("unpack --force image restored");
    assert!(bench.read("restored") == bench.read("disk"), "{note}");
    let blocks = bench.run("blocks disk");
    assert_eq!(blocks.code, Some(3), "{note}: {blocks:?}");
    // Told that it is a filesystem, the program leaves its free blocks out.
    let told = bench.ok("pack --force --content ext disk other");
    assert!(!told.contains("everything"), "{told}");
}

#[track_caller]
fn not_covered(bench: &Bench) {
    let report = bench.ok("pack --force disk image");
    assert!(!report.contains("everything"), "{report}");
}

/// Runs veritysetup on the disk for both data and hashes, and gives the root hash.
fn format(tool: &Tool, bench: &Bench, options: &[&str]) -> String {
    let disk = bench.path("disk");
    let said = tool
        .ok(|command| command.arg("format").args(options).args([&disk, &disk]))
        .unwrap();
    let line = said.lines().find(|line| line.starts_with("Root hash:"));
    line.unwrap().split_whitespace().last().unwrap().into()
}

#[test]
fn a_hash_tree_of_dm_verity_covers_free_blocks() {
    let (Some(e2fs), Some(tool)) = (E2fs::require(), require("veritysetup")) else {
        return;
    };
    let end = 12 * MIB;
    for (offset, options) in [
        (end, &["--data-blocks=3072"][..]),
        (end + 4096, &["--data-blocks=3072"][..]),
        (end + MIB, &["--data-blocks=3072"][..]),
        (
            end,
            &[
                "--data-blocks=12288",
                "--data-block-size=1024",
                "--hash-block-size=1024",
            ][..],
        ),
    ] {
        let bench = disk(&e2fs, "disk", 14 * MIB);
        let place = format!("--hash-offset={offset}");
        let words = [options, &[place.as_str()]].concat();
        let root = format(&tool, &bench, &words);
        kept_whole(&bench, &format!("dm-verity (found at byte {offset:#x})"));
        let restored = bench.path("restored");
        tool.ok(|command| {
            let command = command.arg("verify").arg(&place);
            command.args([&restored, &restored]).arg(&root)
        })
        .unwrap();
    }
}

#[test]
fn a_hash_tree_without_a_superblock_is_known_by_its_shape() {
    let (Some(e2fs), Some(tool)) = (E2fs::require(), require("veritysetup")) else {
        return;
    };
    let place = format!("--hash-offset={}", 12 * MIB);
    for options in [
        &["--data-blocks=3072"][..],
        &["--data-blocks=3072", "--hash=sha512"],
        &["--data-blocks=3072", "--hash=sha1"],
        &[
            "--data-blocks=12288",
            "--data-block-size=1024",
            "--hash-block-size=1024",
        ],
    ] {
        let bench = disk(&e2fs, "disk", 14 * MIB);
        let words = [&["--no-superblock", place.as_str()][..], options].concat();
        format(&tool, &bench, &words);
        kept_whole(&bench, "dm-verity (found at byte 0xc00000)");
    }
}

#[test]
fn structures_of_android_cover_free_blocks() {
    let Some(e2fs) = E2fs::require() else { return };
    let size = 14 * MIB + 512;
    let bench = disk(&e2fs, "disk", size);
    let file = OpenOptions::new()
        .write(true)
        .open(bench.path("disk"))
        .unwrap();
    let tail = &bench.read("disk")[usize::try_from(12 * MIB).unwrap()..];
    // Old bytes past the end are no reason to keep more than those.
    not_covered(&bench);
    let cases: [(u64, &[u8], &str); 6] = [
        (
            size - 64,
            b"AVBf\0\0\0\x01\0\0\0\0",
            "Android verified boot (AVB)",
        ),
        (
            14 * MIB - 64,
            b"AVBf\0\0\0\x01\0\0\0\0",
            "Android verified boot (AVB)",
        ),
        (
            13 * MIB,
            b"AVB0\0\0\0\x01\0\0\0\0",
            "Android verified boot (AVB)",
        ),
        (
            12 * MIB,
            b"\x01\xb0\x01\xb0\0\0\0\0",
            "Android verity metadata",
        ),
        (
            12 * MIB + 32_768,
            b"\x01\xb0\x01\xb0\0\0\0\0",
            "Android verity metadata",
        ),
        (
            14 * MIB - 4096,
            b"\xfe\xec\xcf\xfe\0\0\0\0",
            "Android verity metadata",
        ),
    ];
    for (at, bytes, name) in cases {
        file.write_all_at(bytes, at).unwrap();
        kept_whole(&bench, &format!("{name} (found at byte {at:#x})"));
        file.write_all_at(tail, 12 * MIB).unwrap();
    }
    not_covered(&bench);
}

#[test]
fn verity_of_single_files_covers_no_free_block() {
    let Some(e2fs) = E2fs::require() else { return };
    let bench = Bench::new();
    bench.write("disk", vec![7; 12 << 20]);
    let options = ["-t", "ext4", "-O", "verity", "-E", "nodiscard"];
    e2fs.make(&bench.path("disk"), 12 * MIB, &options).unwrap();
    not_covered(&bench);
}
