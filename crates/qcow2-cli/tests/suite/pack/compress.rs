//! Compression and shared blocks, as a user asks for them.

use fixtures::{Qemu, SplitMix, number};

use crate::bench::Bench;

/// Bytes that compress well, and some that do not, in four clusters of 64 KiB
/// and a part of a fifth.
fn disk() -> Vec<u8> {
    let mut disk = b"forty-two bytes that say the same, always\n".repeat(6_300);
    disk[70_000..140_000].copy_from_slice(&SplitMix::new(1).bytes(70_000));
    disk.truncate(262_144 + 1024);
    disk
}

#[test]
fn compressed_images_are_smaller_and_restore_the_same() {
    let bench = Bench::new();
    bench.write("disk", disk());
    for (option, name, codec) in [
        ("zlib", "zlib", ""),
        ("zlib:9 --deflate-window 4k", "zlib", "4 KiB window"),
        ("zstd", "zstd", "zstd 1."),
        ("zstd:19 --refcount-bits 1", "zstd", "level 19"),
        ("zlib --compat 0.10 --cluster-size 512", "zlib", ""),
    ] {
        let arguments =
            format!("pack --force --verify --digest --output json -c {option} disk image");
        let json = bench.ok(&arguments);
        assert!(
            json.contains(&format!("\"compression\": \"{name}\"")),
            "{json}"
        );
        assert!(json.contains(codec), "{option}: {json}");
        assert!(number(&json, "compressed_clusters") >= Some(3), "{json}");
        let image_bytes = number(&json, "image_bytes").unwrap();
        assert_eq!(image_bytes, bench.path("image").metadata().unwrap().len());

        bench.ok("unpack --force image again");
        assert!(bench.read("again") == disk(), "{option}");
        let info = bench.ok("info --output json image");
        let compression_type = format!("\"compression-type\": \"{name}\"");
        assert!(info.contains(&compression_type), "{info}");
        if let Some(qemu) = Qemu::require() {
            let check = qemu.check(&bench.path("image")).unwrap();
            assert!(check.success(), "{option}: {check:?}");
            qemu.unpack(&bench.path("image"), &bench.path("theirs"))
                .unwrap();
            assert!(bench.read("theirs") == disk(), "{option}");
        }
    }
}

#[test]
fn options_that_exclude_each_other_are_wrong_usage() {
    let bench = Bench::new();
    bench.write("disk", disk());
    for (arguments, message) in [
        (
            "pack -c zstd --compat 0.10 disk image",
            "--compress zstd needs --compat 1.1: qcow2 v2 knows zlib only",
        ),
        (
            "pack -c zstd:23 disk image",
            "--compress zstd:23: the levels of zstd are 1 to 22",
        ),
        (
            "pack -c zlib:10 --deflate-window 4k disk image",
            "--compress zlib:10: the levels of zlib are 1 to 9 with --deflate-window 4k",
        ),
        (
            "pack -c zstd --deflate-window 4k disk image",
            "--deflate-window needs --compress zlib",
        ),
        (
            "pack -c zlib --reflink always disk image",
            "--reflink and --compress exclude each other: compressed clusters are not those of the source",
        ),
        (
            "pack --verify disk -",
            "--verify and --digest read the image again, which the standard output cannot",
        ),
        (
            "pack --reflink auto disk -",
            "--reflink makes no sense with the standard output",
        ),
        (
            "pack --force disk -",
            "--force makes no sense with the standard output",
        ),
        (
            "unpack --reflink auto - out",
            "--reflink makes no sense with the standard input and output",
        ),
    ] {
        bench.fails(arguments, 2, message);
    }
    // What clap refuses.
    for arguments in [
        "pack -c lz4 disk image",
        "pack -c zlib: disk image",
        "pack --compress",
    ] {
        assert_eq!(bench.run(arguments).code, Some(2), "{arguments}");
    }
    assert_eq!(bench.names(), ["disk"]);
}

#[test]
fn blocks_are_shared_where_that_can_be() {
    let bench = Bench::new();
    bench.write("disk", disk());
    // Whatever the filesystem here can do, the bytes are those of the disk.
    for (reflink, may_fail) in [("auto", false), ("always", true)] {
        let packed = bench.run(&format!("pack --force --reflink {reflink} disk image"));
        if packed.code != Some(0) {
            assert!(may_fail, "{packed:?}");
            assert!(packed.stderr.contains("cannot share"), "{packed:?}");
            continue;
        }
        let unpacked = bench.run(&format!("unpack --force --reflink {reflink} image again"));
        assert!(unpacked.success(), "{unpacked:?}");
        assert!(bench.read("again") == disk());
    }
}
