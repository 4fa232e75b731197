//! Clean filesystems whose bitmaps call blocks of files free.

use std::fs;

use fixtures::{E2fs, Outcome, SplitMix};

use crate::bench::Bench;

const SIZE_BYTES: u64 = 32 << 20;

/// Without checksums, with those of descriptors, with all.
const FEATURES: [&str; 3] = [
    "^metadata_csum,^uninit_bg",
    "^metadata_csum,uninit_bg",
    "metadata_csum",
];

/// A file of three pieces whose bits debugfs has exchanged with one that is free,
/// in `disk`, and the block that it calls free.
fn wrong(e2fs: &E2fs, features: &str) -> (Bench, Vec<u8>, u64) {
    let bench = Bench::new();
    let disk = bench.path("disk");
    let options = ["-t", "ext4", "-b", "4096", "-O", features];
    e2fs.make(&disk, SIZE_BYTES, &options).unwrap();
    let bytes = SplitMix::new(3).bytes(3 << 20);
    bench.write("file", &bytes);
    let write = |name: &str| format!("write {} {name}", bench.path("file").display());
    e2fs.debugfs(&disk, &[write("other"), write("file")])
        .unwrap();
    let list = e2fs.ask(&disk, "blocks /file").unwrap();
    let block: u64 = list.split_whitespace().nth(5).unwrap().parse().unwrap();
    let usage = e2fs.usage(&disk).unwrap().unwrap();
    let free = (usage.free.last().unwrap().end - 1) / 4096;
    let swap = [format!("freeb {block}"), format!("setb {free}")];
    e2fs.debugfs(&disk, &swap).unwrap();
    (bench, bytes, block)
}

/// What `/file` of the restored `image` holds.
fn restored(e2fs: &E2fs, bench: &Bench, image: &str) -> Vec<u8> {
    bench.ok(&format!("unpack --force {image} restored"));
    let out = bench.path("out");
    let dump = format!("dump /file {}", out.display());
    e2fs.ask(&bench.path("restored"), &dump).unwrap();
    fs::read(out).unwrap()
}

/// Asserts that `outcome` is that of a pack that kept `block`.
#[track_caller]
fn tells(outcome: &Outcome, block: u64) {
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let damage = format!(
        "damage   inode 13 refers to block {block}, marked as free in the block bitmap: the blocks it refers to are kept\n"
    );
    assert!(outcome.stdout.contains(&damage), "{outcome:?}");
    let verified = "verified every used byte against the source, all that files refer to among them, and zero elsewhere\n";
    assert!(outcome.stdout.contains(verified), "{outcome:?}");
}

#[test]
fn a_live_block_is_kept_and_told() {
    let Some(e2fs) = E2fs::require() else { return };
    for features in FEATURES {
        let (bench, bytes, block) = wrong(&e2fs, features);
        tells(&bench.run("pack --verify disk image"), block);
        assert!(restored(&e2fs, &bench, "image") == bytes, "{features}");
        let outcome = bench.run("pack --verify --threads 1 -c zlib disk small");
        tells(&outcome, block);
        assert!(restored(&e2fs, &bench, "small") == bytes, "{features}");
        let outcome = bench.run("blocks --output json disk");
        assert_eq!(outcome.code, Some(3), "{outcome:?}");
        assert!(
            outcome.stdout.contains("\"evidence\": \"inodes\""),
            "{outcome:?}"
        );
        // Metadata are found by themselves.
        bench.ok("pack --content metadata disk metadata");
    }
}

#[test]
fn bitmaps_are_trusted_where_they_have_checksums_and_that_was_asked_for() {
    let Some(e2fs) = E2fs::require() else { return };
    for features in FEATURES {
        let (bench, bytes, block) = wrong(&e2fs, features);
        let outcome = bench.run("pack --trust bitmaps --verify disk image");
        let same = restored(&e2fs, &bench, "image") == bytes;
        if features == "metadata_csum" {
            assert_eq!(outcome.code, Some(0), "{outcome:?}");
            let verified = "verified every byte that the block bitmaps call used against the source, and zero elsewhere\n";
            assert!(outcome.stdout.contains(verified), "{outcome:?}");
            assert!(!same);
        } else {
            tells(&outcome, block);
            assert!(same, "{features}");
        }
    }
}

#[test]
fn where_an_inode_cannot_tell_everything_is_kept() {
    let Some(e2fs) = E2fs::require() else { return };
    let (bench, _, _) = wrong(&e2fs, "^metadata_csum,^uninit_bg,^extents,^64bit");
    let harm = "set_inode_field /file block[3] 99999999";
    e2fs.debugfs(&bench.path("disk"), &[harm.into()]).unwrap();
    let outcome = bench.run("pack --verify disk image");
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let note = "note     everything is stored: the blocks in use cannot be determined: inode 13: it has 1 blocks from block 99999999, outside the filesystem\n";
    assert!(outcome.stdout.contains(note), "{outcome:?}");
    assert!(
        outcome
            .stdout
            .contains("verified every byte against the source\n")
    );
    bench.ok("unpack image restored");
    assert!(bench.read("restored") == bench.read("disk"));
}
