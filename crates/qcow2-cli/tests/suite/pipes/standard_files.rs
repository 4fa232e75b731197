//! The standard input and output where they are files.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use fixtures::{Qemu, SplitMix};

use crate::bench::Bench;

/// Runs the program with these files as its standard input and output.
#[track_caller]
fn run(bench: &Bench, arguments: &str, input: Option<File>, output: File) -> (String, i32) {
    let mut command = bench.command(arguments);
    if let Some(input) = input {
        command.stdin(input);
    }
    let done = command
        .stdout(output)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    (said, done.status.code().unwrap())
}

fn create(bench: &Bench, name: &str) -> File {
    File::create(bench.path(name)).unwrap()
}

/// 40 MiB with a little data.
fn write_disk(bench: &Bench) {
    let mut disk = vec![0; 40 << 20];
    disk[10 << 20..][..100_000].copy_from_slice(&SplitMix::new(4).bytes(100_000));
    bench.write("disk", disk);
    bench.ok("pack disk image");
}

#[test]
fn a_file_on_the_standard_input_is_opened_like_a_file() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    bench.qemu_img("create -q -f qcow2 image 600M");
    bench.qemu_io("write -q -P 7 550M 3M", "image");
    bench.qemu_io("write -q -P 8 1M 3M", "image");
    bench.qemu_img("convert -O raw image disk");
    let input = || Some(File::open(bench.path("image")).unwrap());
    let nowhere = "unpack --spool missing --no-sync - again";
    let (said, code) = run(&bench, nowhere, input(), create(&bench, "report"));
    assert_eq!((said.as_str(), code), ("", 0), "nothing was spooled");
    assert!(bench.read("again") == bench.read("disk"));
    let info = run(&bench, "info -", input(), create(&bench, "report"));
    assert_eq!(info, (String::new(), 0));
    // It must not become its own target.
    let same = "unpack --quiet --in-place - image";
    let (said, code) = run(&bench, same, input(), create(&bench, "report"));
    assert_eq!(code, 1, "{said}");
    bench.ok("unpack --force image again");
    assert!(
        bench.read("again") == bench.read("disk"),
        "the image is what it was"
    );
    let input = Some(File::open(bench.path("disk")).unwrap());
    let (said, code) = run(
        &bench,
        "pack --quiet --spool missing - packed",
        input,
        create(&bench, "report"),
    );
    assert_eq!((said.as_str(), code), ("", 0));
}

#[test]
fn a_file_that_is_not_at_its_start_is_read_from_there() {
    let bench = Bench::new();
    write_disk(&bench);
    bench.write("both", [vec![9; 1000], bench.read("image")].concat());
    let mut input = File::open(bench.path("both")).unwrap();
    input.seek(SeekFrom::Start(1000)).unwrap();
    let arguments = "unpack --quiet - again";
    let done = run(&bench, arguments, Some(input), create(&bench, "report"));
    assert_eq!(done, (String::new(), 0));
    assert!(bench.read("again") == bench.read("disk"));
}

#[test]
fn a_new_file_on_the_standard_output_has_holes() {
    let bench = Bench::new();
    write_disk(&bench);
    let mut output = create(&bench, "again");
    let done = run(
        &bench,
        "unpack --quiet image -",
        None,
        output.try_clone().unwrap(),
    );
    assert_eq!(done, (String::new(), 0));
    assert!(bench.read("again") == bench.read("disk"));
    let blocks = bench.path("again").metadata().unwrap().blocks();
    assert!(blocks * 512 < 1 << 20, "{blocks} blocks");
    // What is written to it next comes after the disk.
    output.write_all(b"next").unwrap();
    assert!(bench.read("again") == [bench.read("disk"), b"next".to_vec()].concat());
    let done = run(
        &bench,
        "pack --quiet disk -",
        None,
        create(&bench, "packed"),
    );
    assert_eq!(done, (String::new(), 0));
    assert!(bench.read("packed") == bench.read("image"));
}

#[test]
fn a_file_that_was_there_is_written_in_full() {
    let bench = Bench::new();
    write_disk(&bench);
    let disk = bench.read("disk");
    // At its start, with content beneath: `1<>`.
    bench.write("old", vec![7; 41 << 20]);
    let output = File::options().write(true).open(bench.path("old")).unwrap();
    assert_eq!(run(&bench, "unpack --quiet image -", None, output).1, 0);
    let old = bench.read("old");
    assert!(old[..40 << 20] == disk && old[40 << 20..] == vec![7; 1 << 20]);
    // Appended: `>>`, to something and to nothing.
    for before in [&b"before"[..], b""] {
        bench.write("old", before);
        let output = File::options()
            .append(true)
            .open(bench.path("old"))
            .unwrap();
        assert_eq!(run(&bench, "unpack --quiet image -", None, output).1, 0);
        assert!(bench.read("old") == [before, &disk].concat());
    }
    // Behind something that was written to it.
    let mut output = create(&bench, "old");
    output.write_all(b"before").unwrap();
    assert_eq!(run(&bench, "unpack --quiet image -", None, output).1, 0);
    assert!(bench.read("old") == [b"before", &disk[..]].concat());
}
