//! e2fsck finds nothing in what is shown of a filesystem that was sound, and
//! debugfs finds every inode where it was.

use std::fs;

use ext_scramble::Unindexed;
use fixtures::E2fs;

use crate::made::{Made, SECRETS, Shown, holds, metadata_bytes, scramble};

/// Scrambles `made`, which is sound, and looks at what is shown of it.
#[track_caller]
fn check(e2fs: &E2fs, made: &Made) -> Shown {
    let before = e2fs.fsck(&["-fn"], &made.image).unwrap();
    assert!(before.success(), "{}", before.brief(400));
    let disk = made.bytes();
    assert!(holds(&disk, &SECRETS));
    let shown = scramble(&disk, 1).unwrap();
    assert!(!holds(&shown.bytes, &SECRETS));
    assert_eq!(shown.shown_bytes, metadata_bytes(&disk));
    assert_eq!(shown.report.cleared, 0, "{:?}", shown.report);
    assert_eq!(shown.report.damaged_maps, 0, "{:?}", shown.report);
    assert_eq!(shown.report.disputed_blocks, 0, "{:?}", shown.report);

    let image = made.folder.path().join("shown");
    fs::write(&image, &shown.bytes).unwrap();
    let after = e2fs.fsck(&["-fn"], &image).unwrap();
    assert!(after.success(), "{}", after.brief(400));
    assert_eq!(tail(&before.stdout), tail(&after.stdout));
    for inode in ["<2>", "<12>", "<13>"] {
        let list = |image| inodes(&e2fs.ask(image, &format!("ls -p {inode}")).unwrap());
        assert_eq!(list(&made.image), list(&image), "{inode}");
    }
    shown
}

/// What e2fsck says without the label: counts of files and blocks.
fn tail(said: &str) -> String {
    let last = said.lines().last().unwrap_or_default();
    last.split_once(": ").unwrap().1.into()
}

/// The inodes and modes in what `ls -p` says, sorted.
fn inodes(said: &str) -> Vec<String> {
    let mut lines: Vec<String> = said
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let fields: Vec<&str> = line.split('/').collect();
            format!("{} {}", fields[1], fields[2])
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn ext4_of_both_block_sizes() {
    let Some(e2fs) = E2fs::require() else { return };
    for block in ["1024", "4096"] {
        let made = Made::with_tree(&e2fs, &["-t", "ext4", "-b", block], 900);
        let report = check(&e2fs, &made).report;
        assert_eq!((report.sorted_directories, report.links), (1, 2));
        assert_eq!(report.directories, 19);
        assert_eq!(report.unindexed, []);
        assert!(report.names > 900);
    }
}

#[test]
fn an_index_of_two_levels() {
    let Some(e2fs) = E2fs::require() else { return };
    let options = ["-t", "ext4", "-b", "1024", "-N", "9000"];
    let made = Made::with_tree(&e2fs, &options, 8000);
    let dump = e2fs.ask(&made.image, "htree_dump <12>").unwrap();
    assert!(dump.contains("Indirect levels: 1"), "{dump:.400}");
    assert_eq!(check(&e2fs, &made).report.sorted_directories, 1);
}

#[test]
fn without_checksums_or_with_others() {
    let Some(e2fs) = E2fs::require() else { return };
    for options in [
        &["-t", "ext2"][..],
        &["-t", "ext3", "-I", "128"],
        &["-t", "ext4", "-O", "^metadata_csum,uninit_bg"],
        &["-t", "ext4", "-O", "metadata_csum_seed,64bit"],
        &["-t", "ext4", "-O", "^64bit,meta_bg,^resize_inode"],
        &["-t", "ext4", "-O", "bigalloc", "-C", "16384"],
        &["-t", "ext4", "-O", "mmp,quota,orphan_file"],
    ] {
        let made = Made::with_tree(&e2fs, options, 300);
        check(&e2fs, &made);
    }
}

#[test]
fn all_hashes() {
    let Some(e2fs) = E2fs::require() else { return };
    for hash in ["legacy", "tea", "half_md4"] {
        let made = Made::with_tree(&e2fs, &["-t", "ext4", "-b", "1024"], 0);
        // Of a filesystem with as many as that, mke2fs cannot choose.
        e2fs.debugfs(&made.image, &[format!("ssv def_hash_version {hash}")])
            .unwrap();
        let write = |n| format!("write /dev/null /secret-many-files/secret-{n}");
        let commands: Vec<String> = (0..300).map(write).collect();
        made.change(&e2fs, &commands);
        assert_eq!(check(&e2fs, &made).report.sorted_directories, 1);
    }
}

#[test]
fn inline_data() {
    let Some(e2fs) = E2fs::require() else { return };
    for inode_bytes in ["256", "512"] {
        let options = ["-t", "ext4", "-O", "inline_data", "-I", inode_bytes];
        let made = Made::with_tree(&e2fs, &options, 300);
        let content = made.file("content", b"a secret in a file");
        made.change(&e2fs, &[format!("write {content} /secret-content")]);
        check(&e2fs, &made);
    }
}

#[test]
fn values_in_inodes_of_their_own() {
    let Some(e2fs) = E2fs::require() else { return };
    for features in ["ea_inode", "ea_inode,^metadata_csum"] {
        let made = Made::with_tree(&e2fs, &["-t", "ext4", "-b", "1024", "-O", features], 10);
        let value = made.file("value", &b"secret value ".repeat(300));
        let set = |name| format!("ea_set -f {value} /secret-folder-2 user.secret-{name}");
        made.change(&e2fs, &["one", "two"].map(set));
        check(&e2fs, &made);
    }
}

#[test]
fn blocks_of_64_kib() {
    let Some(e2fs) = E2fs::require() else { return };
    let made = Made::with_tree(&e2fs, &["-t", "ext4", "-b", "65536", "-N", "9000"], 4000);
    assert_eq!(check(&e2fs, &made).report.sorted_directories, 1);
}

/// A directory that ignores case, with files of these names.
fn ignoring_case(e2fs: &E2fs, encoding: &str, names: &[&str]) -> Made {
    let options = ["-t", "ext4", "-b", "1024", "-O", "casefold", "-E", encoding];
    let made = Made::with_tree(e2fs, &options, 300);
    let write = |name: &&str| format!("write /dev/null /secret-many-files/{name}");
    let mut commands: Vec<String> = names.iter().map(write).collect();
    commands.push("sif /secret-many-files flags 0x40080000".into());
    made.change(e2fs, &commands);
    made
}

#[test]
fn directories_that_ignore_case() {
    let Some(e2fs) = E2fs::require() else { return };
    let made = ignoring_case(&e2fs, "encoding=utf8", &["SECRET-UPPER", "a", "B", "cC"]);
    let report = check(&e2fs, &made).report;
    assert_eq!((report.sorted_directories, report.unindexed_total), (1, 0));

    let names = ["SECRET-größe", "é", "Ä", "日本"];
    let made = ignoring_case(&e2fs, "encoding=utf8", &names);
    let report = check(&e2fs, &made).report;
    assert_eq!(report.unindexed, [(12, Unindexed::Casefold)]);
    assert!(!report.strict_encoding_dropped);

    let strict = "encoding=utf8,encoding_flags=strict";
    let made = ignoring_case(&e2fs, strict, &names);
    assert!(check(&e2fs, &made).report.strict_encoding_dropped);
}

#[test]
fn the_key_decides_and_nothing_else() {
    let Some(e2fs) = E2fs::require() else { return };
    let made = Made::with_tree(&e2fs, &["-t", "ext4"], 50);
    let disk = made.bytes();
    let scramble = |key| scramble(&disk, key).unwrap().bytes;
    assert!(scramble(1) == scramble(1));
    assert!(scramble(1) != scramble(2));
}
