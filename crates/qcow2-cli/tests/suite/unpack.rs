//! `qcow2 unpack` and `qcow2 info`, as a user runs them.

mod chain;
mod damaged;
mod encrypted;
mod flips;
mod put_back;
mod small_over_large;
mod target_limits;

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use crate::bench::Bench;
use fixtures::qcow2::{Version, minimal};
use fixtures::{Qemu, number};

/// A folder with the image `image`, and the disk it restores to.
fn bench_with_image(version: Version, cluster_bits: u32) -> (Bench, Vec<u8>) {
    let bench = Bench::new();
    let made = minimal(version, cluster_bits);
    bench.write("image", &made.bytes);
    (bench, made.disk)
}

#[test]
fn hand_made_images_are_restored() {
    for version in [Version::V2, Version::V3] {
        for cluster_bits in [9, 12, 16, 21] {
            let (bench, disk) = bench_with_image(version, cluster_bits);
            bench.ok("unpack image disk");
            assert!(bench.read("disk") == disk, "{version:?} {cluster_bits}");
            let stored = fs::metadata(bench.path("disk")).unwrap().blocks() * 512;
            assert!(
                stored <= (1 << cluster_bits) + 8192,
                "holes must stay holes"
            );
        }
    }
}

#[test]
fn the_standard_output_takes_the_disk_alone() {
    let (bench, disk) = bench_with_image(Version::V3, 16);
    let output = bench.command("unpack image -").output().unwrap();
    assert!(output.stdout == disk);
    assert!(
        String::from_utf8(output.stderr).unwrap().contains("327680") || output.status.success()
    );
    bench.fails(
        "unpack --force image -",
        2,
        "--force and --in-place make no sense with the standard output",
    );
}

#[test]
fn an_existing_target_becomes_exactly_the_disk() {
    for option in ["--force", "--in-place"] {
        for length in [100, 1_000_000] {
            let (bench, disk) = bench_with_image(Version::V3, 16);
            bench.write("target", vec![0xff; length]);
            bench.fails(
                "unpack image target",
                1,
                "target already exists; --force overwrites it",
            );
            assert!(bench.read("target") == vec![0xff; length]);
            let inode = fs::metadata(bench.path("target")).unwrap().ino();
            let report = bench.ok(&format!("unpack {option} image target"));
            assert!(bench.read("target") == disk, "{option} {length}");
            let in_place = option == "--in-place";
            assert_eq!(
                fs::metadata(bench.path("target")).unwrap().ino() == inode,
                in_place
            );
            assert_eq!(report.contains("not atomic"), in_place);
        }
    }
}

#[test]
fn only_what_differs_is_written() {
    let (bench, disk) = bench_with_image(Version::V3, 16);
    let differs = |target: &[u8]| {
        let blocks = disk.chunks(4096).zip(target[..disk.len()].chunks(4096));
        let differing = blocks.filter(|(ours, theirs)| ours != theirs);
        differing.map(|(block, _)| block.len()).sum::<usize>()
    };
    let mut nearly = disk.clone();
    nearly[3 * 65536 + 5] = 1;
    nearly[2 * 65536 + 9000] ^= 1;
    for old in [
        &nearly[..],
        &disk,
        &disk[..100],
        &[0xff; 1_000_000],
        &[&disk[..], &[0; 5000]].concat(),
        &[],
    ] {
        bench.write("target", old);
        let inode = fs::metadata(bench.path("target")).unwrap().ino();
        let json = bench.ok("unpack --only-changed --output json image target");
        assert!(bench.read("target") == disk, "{}", old.len());
        assert_eq!(fs::metadata(bench.path("target")).unwrap().ino(), inode);
        let changed =
            number(&json, "written_bytes").unwrap() + number(&json, "zeroed_bytes").unwrap();
        if old.len() >= disk.len() {
            assert_eq!(changed, u64::try_from(differs(old)).unwrap(), "{json}");
        }
        let again = bench.ok("unpack --only-changed image target");
        assert!(again.contains("0 B of it written"), "{again}");
        assert!(again.contains("zeroed   0 B;"), "{again}");
    }
    fs::remove_file(bench.path("target")).unwrap();
    bench.ok("unpack --only-changed image target");
    assert!(bench.read("target") == disk);
    bench.fails(
        "unpack --only-changed image -",
        2,
        "--only-changed and --only-allocated make no sense with the standard output",
    );
    bench.fails(
        "unpack --only-changed --reflink auto image target",
        2,
        "--reflink excludes --only-changed and --only-allocated",
    );
}

#[test]
fn an_image_that_disagrees_with_itself_leaves_no_target() {
    let made = minimal(Version::V3, 16);
    let bench = Bench::new();
    let mut wrong = made.bytes.clone();
    wrong[2 * 65536 + 5 * 2 + 1] = 0;
    bench.write("image", &wrong);
    bench.fails(
        "unpack image disk",
        1,
        "image: data of guest offset 0x20000 at host offset 0x50000: used 1 times, but its refcount is 0; --salvage restores what can be read",
    );
    assert_eq!(bench.names(), ["image"]);
    // Not closed properly: the refcounts may be stale.
    wrong[79] = 1;
    bench.write("image", &wrong);
    let report = bench.ok("unpack image disk");
    assert!(report.contains("was not closed properly"), "{report}");
    assert!(bench.read("disk") == made.disk);
}

#[test]
fn a_truncated_image_leaves_no_target() {
    let made = minimal(Version::V3, 12);
    for length in (0..made.bytes.len()).step_by(1000) {
        let bench = Bench::new();
        bench.write("image", &made.bytes[..length]);
        let outcome = bench.run("unpack image disk");
        assert_eq!(outcome.code, Some(1), "{length}: {outcome:?}");
        assert!(outcome.stderr.starts_with("qcow2: image: "), "{outcome:?}");
        assert_eq!(bench.names(), ["image"]);
    }
}

#[test]
fn a_sparse_petabyte_is_restored_in_no_time() {
    let Some(qemu) = Qemu::require() else { return };
    let bench = Bench::new();
    let create = "create -q -f qcow2 -o cluster_size=2M image 1P";
    qemu.tool()
        .ok(|command| {
            command
                .args(create.split_whitespace())
                .current_dir(bench.folder())
        })
        .unwrap();
    // Not every file system holds files that long.
    if File::create(bench.path("probe"))
        .unwrap()
        .set_len(1 << 50)
        .is_err()
    {
        eprintln!("SKIPPED: the file system holds no file of 1 PiB");
        return;
    }
    let json = bench.ok("unpack --output json image disk");
    assert_eq!(number(&json, "disk_bytes"), Some(1 << 50));
    assert_eq!(number(&json, "written_bytes"), Some(0));
}

#[test]
fn info_says_what_a_marked_image_is_about() {
    let (bench, _) = bench_with_image(Version::V3, 12);
    let plain = bench.ok("info image");
    assert!(!plain.contains("content"), "{plain}");
    let mut image = bench.read("image");
    let header_length = u32::from_be_bytes(image[100..104].try_into().unwrap());
    let extensions = usize::try_from(header_length).unwrap();
    let mark = b"\x51\x32\x41\x4c\0\0\0\x08\0\0\0\x01\0\0\x10\0\0\0\0\0\0\0\0\0";
    image[extensions..][..mark.len()].copy_from_slice(mark);
    bench.write("marked", &image);
    let marked = bench.ok("info marked");
    let line = "\ncontent: metadata-only, blocks of 4 KiB\n";
    assert!(marked.contains(line), "{marked}");
    let json: serde_json::Value =
        serde_json::from_str(&bench.ok("info --output json marked")).unwrap();
    let want = serde_json::json!({ "kind": "metadata-only", "block-size": 4096 });
    assert_eq!(json["content"], want);
}
