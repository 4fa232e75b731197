//! Images through pipes.

mod compressed;
mod errors;
mod from_pipes;
mod report;
mod standard_files;

use std::fs::File;
use std::io::Write;
use std::process::Stdio;

use fixtures::SplitMix;

use crate::bench::Bench;

/// A disk with holes, zeros, and bytes that compress and that do not.
fn write_disk(bench: &Bench) {
    let mut disk = vec![0; 3 << 20];
    disk[300_000..900_000].copy_from_slice(&b"say it again. ".repeat(42_858)[..600_000]);
    disk[1 << 20..][..100_000].copy_from_slice(&SplitMix::new(3).bytes(100_000));
    disk[2_000_000..2_600_000].copy_from_slice(&b"and so on ".repeat(60_000));
    bench.write("disk", disk);
}

/// Runs the program with the file `input`, if there is one, as its standard
/// input and `output` as its standard output; gives what it said and its code.
pub(crate) fn piped(
    bench: &Bench,
    arguments: &str,
    input: Option<&str>,
    output: &str,
) -> (String, i32) {
    let mut command = bench.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().unwrap();
    let feeder = input.map(|name| {
        let bytes = bench.read(name);
        let mut stdin = child.stdin.take().unwrap();
        // A program that refuses the image leaves without reading all of it.
        std::thread::spawn(move || drop(stdin.write_all(&bytes)))
    });
    let done = child.wait_with_output().unwrap();
    if let Some(feeder) = feeder {
        feeder.join().unwrap();
    }
    bench.write(output, done.stdout);
    let said = String::from_utf8(done.stderr).unwrap();
    (said, done.status.code().unwrap())
}

#[test]
fn an_image_through_a_pipe_is_the_same() {
    let bench = Bench::new();
    write_disk(&bench);
    for options in ["", "-c zlib", "-c zstd --cluster-size 4K", "--compat 0.10"] {
        bench.ok(&format!("pack --force {options} disk image"));
        let (said, code) = piped(&bench, &format!("pack {options} disk -"), None, "piped");
        assert_eq!(code, 0, "{said}");
        assert!(
            said.contains("stored"),
            "the report is not on stderr: {said}"
        );
        assert!(bench.read("piped") == bench.read("image"), "{options}");

        let (said, code) = piped(&bench, "unpack --force - again", Some("image"), "nothing");
        assert_eq!(code, 0, "{said}");
        assert!(bench.read("again") == bench.read("disk"), "{options}");
        let (said, code) = piped(&bench, "unpack --quiet - -", Some("image"), "again");
        assert_eq!((said.as_str(), code), ("", 0));
        assert!(bench.read("again") == bench.read("disk"), "{options}");
    }
}

#[test]
fn a_cut_image_is_an_error_and_leaves_no_disk() {
    let bench = Bench::new();
    write_disk(&bench);
    for options in ["", "-c zlib"] {
        bench.ok(&format!("pack --force {options} disk image"));
        let whole = bench.read("image");
        for length in [0, 100, 70_000, 300_000, 450_000] {
            bench.write("cut", &whole[..length.min(whole.len() / 2)]);
            let (said, code) = piped(&bench, "unpack - again", Some("cut"), "nothing");
            assert_eq!(code, 1, "{length}: {said}");
            let last = said.lines().last().unwrap();
            assert!(last.starts_with("qcow2: standard input: "), "{said}");
            assert!(!bench.path("again").exists());
        }
    }
}

#[test]
fn a_reader_that_leaves_is_an_error() {
    let bench = Bench::new();
    bench.write("disk", SplitMix::new(9).bytes(4 << 20));
    let mut child = bench
        .command("pack disk -")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn the_last_bytes_of_a_disk_are_not_lost_without_a_word() {
    let bench = Bench::new();
    // As short as a buffer that is flushed on the way out, and without a newline.
    bench.write("disk", [7; 512]);
    bench.ok("pack disk image");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let done = bench
        .command("unpack image -")
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.starts_with("qcow2: standard output: "), "{said}");
}

#[test]
fn what_an_image_from_a_pipe_restores_to_is_bounded() {
    let bench = Bench::new();
    bench.write(
        "disk",
        [vec![1; 4096], vec![0; 61_440], vec![2; 4096]].concat(),
    );
    bench.ok("pack --cluster-size 4K disk image");
    let unpack = |max: &str| {
        let arguments = format!("unpack --max-output {max} - again");
        piped(&bench, &arguments, Some("image"), "nothing")
    };
    let message =
        "qcow2: standard input: it restores to more than the 8191 bytes that --max-output allows\n";
    assert_eq!(unpack("8191"), (message.into(), 1));
    assert!(!bench.names().contains(&"again".into()));
    assert_eq!(unpack("8K").1, 0);
    assert!(bench.read("again") == bench.read("disk"));
}
