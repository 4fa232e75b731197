//! Input that is compressed as a whole, made by the tools of each format.

use std::fs;

use fixtures::SplitMix;

use crate::bench::Bench;
use crate::pipes::piped;

/// An image of 2 MiB, some of which compresses.
fn write_image(bench: &Bench) {
    let mut disk = vec![0; 3 << 20];
    disk[..600_000].copy_from_slice(&SplitMix::new(6).bytes(600_000));
    disk[1 << 20..][..1_400_000].copy_from_slice(&b"and again. ".repeat(127_273)[..1_400_000]);
    bench.write("disk", disk);
    bench.ok("pack disk image");
}

/// What a program makes of the file `image` on its standard output.
fn made(bench: &Bench, program: &str, options: &str, input: &str) -> Vec<u8> {
    let done = std::process::Command::new(program)
        .args(options.split_whitespace())
        .arg(input)
        .current_dir(bench.folder())
        .output()
        .unwrap();
    assert!(done.status.success(), "{program} {options}: {done:?}");
    done.stdout
}

/// Asserts that `bytes` restore to the disk from a pipe and from a file.
#[track_caller]
fn restores(bench: &Bench, what: &str, bytes: &[u8]) {
    bench.write("packed", bytes);
    let (said, code) = piped(
        bench,
        "unpack --force --quiet - again",
        Some("packed"),
        "nothing",
    );
    assert_eq!((said.as_str(), code), ("", 0), "{what}");
    assert!(bench.read("again") == bench.read("disk"), "{what}");
    fs::remove_file(bench.path("again")).unwrap();
    bench.ok("unpack --decompress --quiet packed again");
    assert!(bench.read("again") == bench.read("disk"), "{what}");
}

/// Asserts that `bytes` are refused with a message with all of `says`.
#[track_caller]
fn is_refused(bench: &Bench, what: &str, bytes: &[u8], says: &[&str]) {
    bench.write("packed", bytes);
    fs::remove_file(bench.path("again")).unwrap_or_default();
    let outcome = bench.run("unpack --decompress --quiet packed again");
    assert_eq!(outcome.code, Some(1), "{what}: {outcome:?}");
    for says in says {
        assert!(
            outcome.stderr.contains(says),
            "{what}: {says:?} in {outcome:?}"
        );
    }
    assert!(!bench.path("again").exists(), "{what}");
}

/// Formats: the program, its options, what the messages call it.
const FORMATS: [(&str, &[&str], &str); 4] = [
    (
        "xz",
        &[
            "-kc",
            "-9 -kc",
            "-0 -kc --check=none",
            "-kc --check=crc32",
            "-kc --check=sha256",
            "-kc --block-size=100000",
            "-T2 -kc --block-size=300000",
            "-kc --x86 --lzma2",
        ],
        "xz",
    ),
    ("gzip", &["-kc", "-1 -kc", "-9 -nkc"], "gzip"),
    (
        "zstd",
        &[
            "-qkc",
            "-19 -qkc",
            "-qkc --no-check",
            "-qkc --long=27",
            "-qkc -T2 -B100000",
        ],
        "zstd",
    ),
    ("bzip2", &["-kc", "-1 -kc"], "bzip2"),
];

#[test]
fn what_the_tools_make_is_read() {
    let bench = Bench::new();
    write_image(&bench);
    bench.write("nothing", "");
    let image = bench.read("image");
    for (program, options, name) in FORMATS {
        if fixtures::require(program).is_none() {
            continue;
        }
        for options in options {
            let whole = made(&bench, program, options, "image");
            restores(&bench, &format!("{program} {options}"), &whole);
        }
        // Streams in a row, empty ones among them.
        let options = options[0];
        bench.write("first", &image[..100_000]);
        bench.write("second", &image[100_000..]);
        let parts = ["nothing", "first", "nothing", "second", "nothing"];
        let parts = parts.map(|part| made(&bench, program, options, part));
        restores(&bench, &format!("{program} in parts"), &parts.concat());
        // Cut short.
        let whole = made(&bench, program, options, "image");
        for length in [whole.len() / 3, whole.len() - 1] {
            let says = ["packed: ", name];
            is_refused(&bench, &format!("{program} cut"), &whole[..length], &says);
        }
        // Changed.
        let mut wrong = whole;
        let middle = wrong.len() / 2;
        wrong[middle] ^= 0x10;
        is_refused(&bench, &format!("{program} changed"), &wrong, &["packed: "]);
    }
}

#[test]
fn what_follows_the_last_stream_is_as_for_the_tools() {
    let bench = Bench::new();
    write_image(&bench);
    for (program, tail, is_read) in [
        ("gzip", &b"garbage"[..], true),
        ("gzip", &[0; 5000], true),
        ("bzip2", b"garbage", true),
        ("xz", &[0; 8], true),
        ("xz", &[0; 7], false),
        ("xz", b"garbage", false),
        ("zstd", b"garbage", false),
        // A frame to be skipped.
        ("zstd", b"\x50\x2a\x4d\x18\x03\0\0\0abc", true),
    ] {
        if fixtures::require(program).is_none() {
            continue;
        }
        let whole = made(&bench, program, "-kcq", "image");
        let bytes = [&whole[..], tail].concat();
        let what = format!("{program} and {} bytes", tail.len());
        if is_read {
            restores(&bench, &what, &bytes);
        } else {
            is_refused(&bench, &what, &bytes, &[program]);
        }
    }
}

#[test]
fn compressed_files_are_named_and_read_when_that_is_asked_for() {
    let bench = Bench::new();
    write_image(&bench);
    for (program, options, name) in FORMATS {
        if fixtures::require(program).is_none() {
            continue;
        }
        bench.write("packed", made(&bench, program, options[0], "image"));
        let message =
            format!("packed: not a qcow2 image: it looks like {name}; --decompress reads it");
        bench.fails("unpack packed again", 1, &message);
        bench.fails("info packed", 1, &message);
        bench.ok("info --decompress packed");
        bench.write("packed", made(&bench, program, options[0], "disk"));
        let (said, code) = piped(&bench, "pack --quiet - other", Some("packed"), "nothing");
        let message = format!(
            "qcow2: standard input: it is compressed with {name}; --decompress reads the disk in it\n"
        );
        assert_eq!((said, code), (message, 1));
        let (said, code) = piped(
            &bench,
            "pack --quiet --force --decompress - other",
            Some("packed"),
            "nothing",
        );
        assert_eq!((said.as_str(), code), ("", 0));
        assert!(bench.read("other") == bench.read("image"));
        fs::remove_file(bench.path("other")).unwrap();
    }
    bench.fails(
        "unpack --decompress image again",
        1,
        "image: not compressed with xz, gzip, zstd or bzip2, as --decompress requires",
    );
}

#[test]
fn memory_for_a_dictionary_is_bounded() {
    let bench = Bench::new();
    write_image(&bench);
    if fixtures::require("xz").is_some() {
        let whole = made(&bench, "xz", "-kc --lzma2=dict=512MiB", "image");
        let says = "xz: decompressing it takes more than 256 MiB of memory";
        is_refused(&bench, "xz", &whole, &[says]);
    }
    if fixtures::require("zstd").is_some() {
        // The window of one segment is what it holds, so this is written by hand.
        let mut frame = b"\x28\xb5\x2f\xfd\x00\xa8".to_vec();
        frame.extend([1, 0, 0]);
        is_refused(&bench, "zstd", &frame, &["zstd: "]);
    }
}

#[test]
fn a_file_that_is_decompressed_does_not_become_its_own_target() {
    if fixtures::require("gzip").is_none() {
        return;
    }
    let bench = Bench::new();
    write_image(&bench);
    for (command, input) in [("unpack", "image"), ("pack", "disk")] {
        let packed = made(&bench, "gzip", "-kc", input);
        bench.write("packed", &packed);
        let arguments = format!("{command} --quiet --decompress --force packed packed");
        let outcome = bench.run(&arguments);
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert!(bench.read("packed") == packed);
    }
}

#[test]
fn a_bomb_fills_no_more_than_is_allowed() {
    if fixtures::require("gzip").is_none() {
        return;
    }
    let bench = Bench::new();
    bench.write("disk", vec![1; 30 << 20]);
    bench.ok("pack disk image");
    bench.write("packed", made(&bench, "gzip", "-kc", "image"));
    assert!(bench.read("packed").len() < 100_000);
    bench.fails(
        "unpack --decompress --quiet --max-output 1M packed again",
        1,
        "packed: it restores to more than the 1048576 bytes that --max-output allows",
    );
    assert!(!bench.path("again").exists());
}
