//! A job that is done, of which nobody can be told.

use std::fs::File;
use std::process::{Output, Stdio};

use fixtures::SplitMix;
use fixtures::qcow2::{Version, minimal};

use crate::bench::Bench;

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// A pipe whose reader has left.
fn closed() -> std::io::PipeWriter {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer
}

fn run(bench: &Bench, arguments: &str, stdout: impl Into<Stdio>) -> Output {
    let mut command = bench.command(arguments);
    command.stdout(stdout).output().unwrap()
}

fn said(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

const WARNING: &str = "qcow2: warning: all is done, but the report cannot be written: No space left on device (os error 28)\n";

/// A folder with a disk, an image, and a damaged image.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("disk", SplitMix::new(3).bytes(300_000));
    bench.ok("pack --no-sync disk image");
    let image = bench.read("image");
    bench.write("cut", &image[..image.len() / 2]);
    let mut corrupt = image;
    corrupt[79] = 2;
    bench.write("corrupt", corrupt);
    bench
}

#[test]
fn what_is_done_is_done_though_the_report_is_lost() {
    let bench = bench();
    for (arguments, code) in [
        ("pack disk out", 0),
        ("pack --verify --digest --output json disk out", 0),
        ("pack --salvage --lost map disk out", 0),
        ("unpack image out", 0),
        ("unpack --output json image out", 0),
        ("unpack --salvage corrupt out", 3),
        ("unpack --salvage --lost map cut out", 4),
    ] {
        bench.ok("pack --no-sync --force disk whole");
        let output = run(&bench, arguments, full());
        assert_eq!(output.status.code(), Some(code), "{arguments}");
        assert_eq!(said(&output), WARNING, "{arguments}");
        let done = bench.read("out");
        std::fs::remove_file(bench.path("out")).unwrap();
        let _ = std::fs::remove_file(bench.path("map"));

        let output = run(&bench, arguments, closed());
        assert_eq!(output.status.code(), Some(code), "{arguments}");
        assert_eq!(said(&output), "", "{arguments}");
        assert!(bench.read("out") == done, "{arguments}");
        std::fs::remove_file(bench.path("out")).unwrap();
        let _ = std::fs::remove_file(bench.path("map"));
    }
}

#[test]
fn where_the_report_is_the_job_it_fails_with_it() {
    let bench = bench();
    let message = "qcow2: standard output: No space left on device (os error 28)\n";
    for arguments in [
        "info image",
        "info --output json image",
        "info --backing-chain image",
        "blocks disk",
        "blocks --output json disk",
        "blocks --output bmap disk",
    ] {
        let output = run(&bench, arguments, full());
        assert_eq!(output.status.code(), Some(1), "{arguments}");
        assert_eq!(said(&output), message, "{arguments}");
        let output = run(&bench, arguments, closed());
        assert_eq!(output.status.code(), Some(0), "{arguments}");
        assert_eq!(said(&output), "", "{arguments}");
    }
}

#[test]
fn an_error_output_that_is_full_changes_no_exit_code() {
    let bench = bench();
    for (arguments, code) in [
        ("pack disk /missing/folder/out", 1),
        ("pack --progress disk out", 0),
        ("unpack cut out2", 1),
        ("unpack --force --salvage cut out2", 4),
        ("unpack --max-output 1 image out3", 1),
        ("info disk", 1),
    ] {
        let mut command = bench.command(arguments);
        let command = command.stdout(full()).stderr(full());
        assert_eq!(command.status().unwrap().code(), Some(code), "{arguments}");
    }
    // The report goes there if the data has the standard output.
    for arguments in ["pack disk -", "unpack image -"] {
        let mut command = bench.command(arguments);
        let command = command.stdout(Stdio::null()).stderr(full());
        assert_eq!(command.status().unwrap().code(), Some(0), "{arguments}");
    }
}

#[test]
fn a_map_that_cannot_be_written_leaves_no_disk() {
    // A file for the map is begun, and its folder is gone when it is needed.
    let bench = Bench::new();
    let image = minimal(Version::V3, 16).bytes;
    bench.write("image", &image[..image.len() - 40_000]);
    for command in [
        "unpack --salvage --lost /dev/full image out",
        "unpack --salvage --lost missing/map image out",
    ] {
        let failed = bench.run(command);
        assert_eq!(failed.code, Some(1), "{failed:?}");
        assert_eq!(bench.names(), ["image"]);
    }
}
