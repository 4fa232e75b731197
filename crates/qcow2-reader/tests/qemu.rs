//! Images made by other programs unpack to what QEMU says is in them.
//!
//! Needs `qemu-img` and `qemu-io`, and for one test `mke2fs` and `e2image`.
//! Without them the tests are skipped, unless the variable `CI` is `true`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use blockio::{MemoryDisk, ReadAt, len_u64, tiles};
use fixtures::SplitMix;
use qcow2_reader::{Error, Image, ImageStream, OpenOptions, UnpackOptions};
use tempfile::TempDir;

/// A folder for images, or `None` where one of `programs` is missing.
fn folder(programs: &[&str]) -> Option<TempDir> {
    for program in programs {
        let there = Command::new(program).arg("-V").output().is_ok();
        if !there {
            let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!ci, "{program} is missing");
            eprintln!("SKIPPED: {program} is missing");
            return None;
        }
    }
    Some(tempfile::tempdir().unwrap())
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
}

/// Applies `qemu-io` commands to an image.
#[track_caller]
fn change(image: &str, commands: &[&str]) {
    let mut arguments = vec!["-f", "qcow2"];
    for command in commands {
        arguments.extend(["-c", command]);
    }
    arguments.push(image);
    run("qemu-io", &arguments);
}

/// Text, noise, zeros within and between clusters, and an odd number of sectors.
fn source(path: &Path) {
    let mut disk = vec![0u8; (3 << 20) + 1536];
    let mut state = 1u32;
    let mut noise = |range: std::ops::Range<usize>| {
        for byte in &mut disk[range] {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = state.to_be_bytes()[0];
        }
    };
    noise(0..300_000);
    for sector in 0..40 {
        let start = (1 << 20) + sector * 37 * 512;
        noise(start..start + 512);
    }
    noise((2 << 20)..(2 << 20) + 70_000);
    noise((3 << 20) + 800..(3 << 20) + 1536);
    fs::write(path, disk).unwrap();
}

/// Asserts that the image unpacks to what `qemu-img convert` makes of it, from a
/// file and from a pipe; says whether a pipe can bring it.
#[track_caller]
fn agrees(path: &str) -> bool {
    let raw = format!("{path}.raw");
    run(
        "qemu-img",
        &["convert", "-f", "qcow2", "-O", "raw", path, &raw],
    );
    let want = fs::read(&raw).unwrap();
    fs::remove_file(&raw).unwrap();

    let image = Image::open(fs::read(path).unwrap(), &OpenOptions::default()).unwrap();
    let extents: Vec<_> = image.extents().map(Result::unwrap).collect();
    assert!(tiles(extents, len_u64(want.len())), "{path}");
    for threads in [1, 3] {
        let options = UnpackOptions {
            threads: NonZeroUsize::new(threads).unwrap(),
            ..UnpackOptions::default()
        };
        let disk = MemoryDisk::default();
        image.unpack(&disk, &options).unwrap();
        assert!(disk.into_bytes() == want, "{path}");
    }
    let mut whole = vec![0xee; want.len()];
    image.read_at(0, &mut whole).unwrap();
    assert!(whole == want, "{path}");
    let mut random = SplitMix::new(1);
    for _ in 0..if want.is_empty() { 0 } else { 40 } {
        let start = usize::try_from(random.below(len_u64(want.len()))).unwrap();
        let length = usize::try_from(random.below(100_000)).unwrap();
        let range = start..want.len().min(start + length);
        let mut part = vec![0xee; range.len()];
        image.read_at(len_u64(range.start), &mut part).unwrap();
        assert!(part == want[range.clone()], "{path} {range:?}");
    }
    from_pipe(path, &want)
}

/// Asserts that the image in a pipe gives `want`, or that its data has passed
/// when it is needed: `false`.
#[track_caller]
fn from_pipe(path: &str, want: &[u8]) -> bool {
    let spool = MemoryDisk::default();
    let disk = MemoryDisk::default();
    let restored = ImageStream::open(
        fs::File::open(path).unwrap(),
        spool,
        &OpenOptions::default(),
    )
    .and_then(|stream| stream.unpack(&disk, &UnpackOptions::default()));
    match restored {
        Ok(_) => assert!(disk.into_bytes() == want, "{path}"),
        Err(Error::Passed { .. }) => return false,
        Err(error) => panic!("{path}: {error}"),
    }
    true
}

struct Folder(TempDir);

impl Folder {
    fn path(&self, name: &str) -> String {
        let path: PathBuf = self.0.path().join(name);
        path.to_str().unwrap().to_owned()
    }
}

#[test]
fn all_cluster_sizes_versions_and_refcount_widths() {
    let Some(folder) = folder(&["qemu-img"]).map(Folder) else {
        return;
    };
    let raw = folder.path("source.raw");
    source(Path::new(&raw));
    let mut options: Vec<String> = (9..=21)
        .flat_map(|bits| {
            ["0.10", "1.1"].map(|compat| format!("compat={compat},cluster_size={}", 1u32 << bits))
        })
        .collect();
    options.extend((0..=6).map(|order| format!("refcount_bits={}", 1u32 << order)));
    for (number, options) in options.iter().enumerate() {
        let image = folder.path(&format!("{number}.qcow2"));
        run(
            "qemu-img",
            &[
                "convert", "-f", "raw", "-O", "qcow2", "-o", options, &raw, &image,
            ],
        );
        agrees(&image);
        fs::remove_file(&image).unwrap();
    }
}

#[test]
fn compressed_images_of_all_cluster_sizes() {
    let Some(folder) = folder(&["qemu-img"]).map(Folder) else {
        return;
    };
    let (raw, image) = (folder.path("source.raw"), folder.path("image.qcow2"));
    source(Path::new(&raw));
    for bits in 9..=21 {
        for method in ["zlib", "zstd"] {
            let options = format!("cluster_size={},compression_type={method}", 1u32 << bits);
            let mut convert = vec!["convert", "-c", "-f", "raw", "-O", "qcow2", "-o", &options];
            if bits % 2 == 0 {
                convert.push("-W");
            }
            convert.extend([raw.as_str(), &image]);
            run("qemu-img", &convert);
            let one_table = bits > 12;
            assert_eq!(agrees(&image), one_table);
            fs::remove_file(&image).unwrap();
        }
    }
}

#[test]
fn compressed_clusters_among_others() {
    let Some(folder) = folder(&["qemu-img", "qemu-io"]).map(Folder) else {
        return;
    };
    let (raw, image) = (folder.path("source.raw"), folder.path("image.qcow2"));
    source(Path::new(&raw));
    for options in ["compat=0.10", "cluster_size=4k", "compression_type=zstd"] {
        run(
            "qemu-img",
            &[
                "convert", "-c", "-f", "raw", "-O", "qcow2", "-o", options, &raw, &image,
            ],
        );
        run("qemu-img", &["snapshot", "-c", "first", &image]);
        change(
            &image,
            &[
                "write -P 1 10k 100k",
                "write -P 2 1M 64k",
                "discard 256k 64k",
            ],
        );
        agrees(&image);
        fs::remove_file(&image).unwrap();
    }
}

#[test]
fn zero_clusters_snapshots_preallocation_and_other_sizes() {
    let Some(folder) = folder(&["qemu-img", "qemu-io"]).map(Folder) else {
        return;
    };
    let image = folder.path("image.qcow2");
    for options in [
        "cluster_size=512",
        "cluster_size=4k,lazy_refcounts=on",
        "cluster_size=64k",
        "cluster_size=2M",
        "compat=0.10,cluster_size=4k",
        "preallocation=metadata,cluster_size=4k",
        "preallocation=falloc",
        "preallocation=full,cluster_size=1k",
    ] {
        run(
            "qemu-img",
            &["create", "-f", "qcow2", "-o", options, &image, "5000k"],
        );
        agrees(&image);
        change(
            &image,
            &[
                "write -P 1 0 300k",
                "write -z 64k 100k",
                "write -z -u 200k 64k",
                "write -P 2 4999k 1k",
                "discard 280k 16k",
            ],
        );
        agrees(&image);
        run("qemu-img", &["snapshot", "-c", "first", &image]);
        change(
            &image,
            &["write -P 3 100k 90k", "write -P 4 2M 70k", "write -z 0 8k"],
        );
        agrees(&image);
        // A version 2 image with snapshots keeps its size.
        if !options.starts_with("compat") {
            run("qemu-img", &["resize", "-f", "qcow2", &image, "9M"]);
            change(&image, &["write -P 5 8M 1M"]);
            agrees(&image);
        }
        fs::remove_file(&image).unwrap();
    }
}

#[test]
fn subclusters() {
    let Some(folder) = folder(&["qemu-img", "qemu-io"]).map(Folder) else {
        return;
    };
    let (raw, image) = (folder.path("source.raw"), folder.path("image.qcow2"));
    source(Path::new(&raw));
    for options in [
        "cluster_size=16k",
        "cluster_size=64k",
        "cluster_size=128k,compression_type=zstd",
        "cluster_size=2M",
        "preallocation=metadata",
    ] {
        let options = format!("extended_l2=on,{options}");
        let create = ["create", "-f", "qcow2", "-o", &options, &image, "9000k"];
        run("qemu-img", &create);
        assert!(agrees(&image));
        change(
            &image,
            &[
                "write -P 1 3k 1k",
                "write -P 2 61k 70k",
                "write -z 66k 4k",
                "write -z -u 128k 5M",
                "write -P 3 2M 512",
                "write -P 4 8999k 1k",
                "discard 62k 6k",
            ],
        );
        agrees(&image);
        // What is allocated takes no compressed cluster.
        if !options.contains("preallocation") {
            change(&image, &["write -c -P 5 6M 2M"]);
            agrees(&image);
        }
        run("qemu-img", &["snapshot", "-c", "first", &image]);
        change(&image, &["write -P 6 62k 3k", "write -z 2M 4M"]);
        agrees(&image);
        fs::remove_file(&image).unwrap();

        if !options.contains("preallocation") {
            let convert = ["convert", "-f", "raw", "-O", "qcow2", "-o", &options];
            run("qemu-img", &[&convert[..], &[&raw, &image]].concat());
            agrees(&image);
            run("qemu-img", &[&convert[..], &["-c", &raw, &image]].concat());
            agrees(&image);
            fs::remove_file(&image).unwrap();
        }
    }
}

#[test]
fn fresh_images_end_within_their_last_table() {
    let Some(folder) = folder(&["qemu-img", "qemu-io"]).map(Folder) else {
        return;
    };
    let image = folder.path("image.qcow2");
    for size in ["0", "512", "64M", "64T"] {
        run("qemu-img", &["create", "-f", "qcow2", &image, size]);
        let opened = Image::open(fs::read(&image).unwrap(), &OpenOptions::default()).unwrap();
        assert!(
            tiles(opened.extents().map(Result::unwrap), opened.size()),
            "{size}"
        );
        if size == "64M" {
            assert_eq!(fs::metadata(&image).unwrap().len(), 196_616);
        }
        if size != "64T" {
            agrees(&image);
        }
    }
    run("qemu-img", &["create", "-f", "qcow2", &image, "1536"]);
    change(&image, &["write -P 7 1024 512"]);
    agrees(&image);
}

#[test]
fn images_of_e2image() {
    let Some(folder) = folder(&["qemu-img", "mke2fs", "e2image"]).map(Folder) else {
        return;
    };
    let (disk, image) = (folder.path("fs.raw"), folder.path("fs.qcow2"));
    let files = folder.path("files");
    fs::create_dir(&files).unwrap();
    source(&Path::new(&files).join("a"));
    for block in ["1024", "4096"] {
        run(
            "mke2fs",
            &[
                "-q", "-F", "-t", "ext4", "-b", block, "-d", &files, &disk, "20M",
            ],
        );
        for mode in ["-Q", "-Qa"] {
            run("e2image", &[mode, &disk, &image]);
            agrees(&image);
            fs::remove_file(&image).unwrap();
        }
        fs::remove_file(&disk).unwrap();
    }
}
