//! Sources of every form: the same disk is the same image.

mod formats;
mod parts;

use std::fs::File;

use fixtures::{E2fs, Qemu, SplitMix};

use crate::bench::Bench;

/// Length of the disk in the tests.
const DISK_BYTES: u64 = 24 << 20;

/// Makes the raw disk `disk.raw` with an ext4 filesystem that has files and deleted
/// files; returns `None` if a tool is missing.
fn bench_with_disk() -> Option<Bench> {
    let (e2fs, _) = (E2fs::require()?, Qemu::require()?);
    let bench = Bench::new();
    let disk = bench.path("disk.raw");
    e2fs.make(&disk, DISK_BYTES, &["-t", "ext4", "-b", "1024"])
        .unwrap();
    bench.write("kept", SplitMix::new(1).bytes(700_000));
    bench.write("deleted", SplitMix::new(2).bytes(3_000_000));
    let commands = ["write deleted deleted", "write kept kept", "rm deleted"];
    let commands: Vec<_> = commands
        .iter()
        .map(|command| command.replace("write ", &format!("write {}/", bench.folder().display())))
        .collect();
    e2fs.debugfs(&disk, &commands).unwrap();
    bench.ok("pack disk.raw reference");
    Some(bench)
}

/// Asserts that `arguments` pack the image that the raw disk becomes.
#[track_caller]
fn is_the_same(bench: &Bench, arguments: &str) -> String {
    let report = bench.ok(&format!("pack --verify {arguments} made"));
    assert!(bench.read("made") == bench.read("reference"), "{arguments}");
    std::fs::remove_file(bench.path("made")).unwrap();
    report
}

#[test]
fn a_disk_in_every_form_is_the_same_image() {
    let Some(bench) = bench_with_disk() else {
        return;
    };
    for (name, options) in [
        ("plain", ""),
        ("old", "-o compat=0.10"),
        ("small", "-o cluster_size=4096"),
        ("zlib", "-c"),
        ("zstd", "-c -o compression_type=zstd"),
        ("subclusters", "-o extended_l2=on"),
        ("preallocated", "-o preallocation=metadata"),
    ] {
        bench.qemu_img(&format!(
            "convert -f raw -O qcow2 {options} disk.raw {name}.qcow2"
        ));
        let report = is_the_same(&bench, &format!("{name}.qcow2"));
        assert!(report.contains("\nformat   qcow2, "), "{report}");
    }
    bench.qemu_img("convert -f raw -O qcow2 -o data_file=data,data_file_raw=on disk.raw d.qcow2");
    is_the_same(&bench, "--references beside d.qcow2");
    is_the_same(&bench, "--data-file data d.qcow2");

    // A chain of three layers, of which the lowest is the raw disk.
    bench.qemu_img("create -q -f qcow2 -b disk.raw -F raw middle.qcow2");
    bench.qemu_img("create -q -f qcow2 -b middle.qcow2 -F qcow2 top.qcow2");
    let report = is_the_same(&bench, "--references beside top.qcow2");
    assert!(report.contains("\nformat   qcow2, 3 layers, "), "{report}");
    is_the_same(
        &bench,
        "--backing middle.qcow2 --backing disk.raw top.qcow2",
    );

    // A snapshot, with something else on the disk meanwhile.
    bench.qemu_img("snapshot -c before plain.qcow2");
    let left_out = |report: &str| {
        let lines = report.lines().filter(|line| line.starts_with("left out "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let report = bench.ok("pack --force plain.qcow2 other");
    assert_eq!(
        left_out(&report),
        ["left out 1 snapshot, which --snapshot packs"]
    );
    bench.qemu_img("snapshot -c again plain.qcow2");
    bench.qemu_img("bitmap --add plain.qcow2 b");
    let report = bench.ok("pack --force plain.qcow2 other");
    let both = [
        "left out 2 snapshots; --snapshot packs one of them",
        "left out 1 bitmap",
    ];
    assert_eq!(left_out(&report), both);
    let report = bench.ok("pack --force --output json plain.qcow2 other");
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["source_image"]["snapshots_left_out"], 2);
    assert_eq!(report["source_image"]["bitmaps_left_out"], 1);
    bench.qemu_io("write -P 7 0 5M", "plain.qcow2");
    let report = is_the_same(&bench, "--snapshot before plain.qcow2");
    assert_eq!(left_out(&report), ["left out 1 bitmap"]);
    assert!(
        report.contains("format   qcow2, snapshot before, "),
        "{report}"
    );
}

#[test]
fn what_an_image_holds_of_another_disk_is_what_qemu_reads() {
    let Some(bench) = bench_with_disk() else {
        return;
    };
    bench.qemu_img("convert -f raw -O qcow2 -c disk.raw base.qcow2");
    bench.qemu_img("create -q -f qcow2 -b base.qcow2 -F qcow2 top.qcow2");
    bench.qemu_io("write -P 9 10M 300k", "top.qcow2");
    bench.qemu_io("write -z 11M 300k", "top.qcow2");
    bench.qemu_img("convert -f qcow2 -O raw top.qcow2 want.raw");
    bench.ok("pack --content all want.raw want");
    bench.ok("pack --content all --references beside --verify top.qcow2 made");
    assert!(bench.read("made") == bench.read("want"));
    bench.ok("unpack made disk");
    assert!(bench.read("disk") == bench.read("want.raw"));
}

#[test]
fn a_disk_from_a_pipe_is_the_same_image() {
    let Some(bench) = bench_with_disk() else {
        return;
    };
    bench.qemu_img("convert -f raw -O qcow2 -c disk.raw zlib.qcow2");
    for (name, format) in [("disk.raw", "auto"), ("zlib.qcow2", "qcow2")] {
        let mut command = std::process::Command::new("sh");
        let program = env!("CARGO_BIN_EXE_qcow2");
        let line = format!("cat {name} | {program} pack --force --source-format {format} - made");
        let status = command.args(["-c", &line]).current_dir(bench.folder());
        assert!(status.output().unwrap().status.success(), "{line}");
        assert!(bench.read("made") == bench.read("reference"), "{name}");
    }
}

#[test]
fn what_a_source_depends_on_is_no_target() {
    let Some(bench) = bench_with_disk() else {
        return;
    };
    bench.qemu_img("create -q -f qcow2 -b disk.raw -F raw top.qcow2");
    let refused = "is the source itself, or a file or device that the source depends on";
    for target in ["disk.raw", "top.qcow2"] {
        let before = bench.read(target);
        bench.fails(
            &format!("pack --force --references beside top.qcow2 {target}"),
            1,
            &format!("{target} {refused}"),
        );
        assert!(bench.read(target) == before);
    }
    bench.fails(
        "pack --references beside --reflink auto top.qcow2 made",
        1,
        "top.qcow2: --reflink shares blocks with a raw disk, and this is an image",
    );
    assert!(!bench.path("made").exists());
}

#[test]
fn blocks_and_reports_say_what_an_image_is() {
    let Some(bench) = bench_with_disk() else {
        return;
    };
    bench.qemu_img("convert -f raw -O qcow2 disk.raw v.qcow2");
    let ranges = |name: &str| {
        let list = bench.ok(&format!("blocks --output json {name}"));
        let mut list: serde_json::Value = serde_json::from_str(&list).unwrap();
        (list["source_format"].take(), list["ranges"].take())
    };
    let (raw, want) = ranges("disk.raw");
    let (qcow2, found) = ranges("v.qcow2");
    assert_eq!((raw, qcow2), ("raw".into(), "qcow2".into()));
    assert_eq!(found, want);
    let report = bench.ok("pack --output json v.qcow2 made");
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["source_format"], "qcow2");
    assert_eq!(report["source_image"]["layers"], 1);
    let unallocated = report["source_image"]["unallocated_bytes"].as_u64();
    assert!(unallocated.is_some_and(|bytes| (1 << 20..DISK_BYTES).contains(&bytes)));
}

/// Makes a file of `size` bytes that are all 0x55.
fn filled(bench: &Bench, name: &str, size: usize) {
    drop(File::create(bench.path(name)).unwrap());
    bench.write(name, vec![0x55; size]);
}
