//! `qcow2 check`: what is found in images with one thing wrong, and that what `qemu-img
//! check` finds is found.

mod damage;
mod recipes;

use fixtures::{Outcome, Qemu, Tool};
use serde_json::Value;

use crate::bench::Bench;

/// What the program says of the image `i`, as JSON.
fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[test]
fn a_sound_image_is_clean() {
    let bench = Bench::new();
    let image = fixtures::qcow2::minimal(fixtures::qcow2::Version::V3, 16);
    bench.write("i", &image.bytes);
    let outcome = bench.run("check --data i");
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(
        outcome.stdout,
        "image    i\n\
         clusters 1 of 6 allocated (16.6 %), 0 fragmented, 0 compressed\n\
         used     384 KiB of the file\n\
         clean    the metadata and all compressed clusters agree\n"
    );
}

#[test]
fn exit_codes_are_those_of_qemu_img() {
    let bench = Bench::new();
    bench.write("raw", [7; 4096]);
    bench.write("empty", []);
    bench.write("newer", b"QFI\xfb\0\0\0\x04");
    for (arguments, code) in [
        ("check raw", 63),
        ("check empty", 63),
        ("check missing", 1),
        ("check newer", 1),
        ("check --no-such-option raw", 1),
        ("check", 1),
        ("check --help", 0),
    ] {
        let outcome = bench.run(arguments);
        assert_eq!(outcome.code, Some(code), "{arguments}: {outcome:?}");
    }
}

/// Our keys that qemu-img does not have.
const OURS: [&str; 2] = ["findings", "totals"];

#[test]
fn the_keys_are_those_of_qemu_img() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    for options in ["", "-o cluster_size=512", "-o extended_l2=on"] {
        bench.qemu_img(&format!("create -q -f qcow2 {options} i 1M"));
        bench.qemu_io("write -P 7 100k 300k", "i");
        if options.is_empty() {
            // Compressed, and a leak: a cluster that is counted twice.
            bench.write("raw", b"words ".repeat(100_000));
            bench.qemu_img("convert -c -f raw -O qcow2 raw i");
            let mut bytes = bench.read("i");
            bytes.resize(bytes.len().next_multiple_of(0x1_0000), 0);
            bytes[0x2_0000 + 2 * 7 + 1] = 1;
            bytes.resize(0x8_0000, 0);
            bench.write("i", bytes);
        }
        let theirs = Tool::find("qemu-img").unwrap().run(|command| {
            command
                .args(["check", "--output=json", "i"])
                .current_dir(bench.folder())
        });
        let theirs = theirs.unwrap();
        let ours = bench.run("check --output json i");
        assert_eq!(ours.code, theirs.code, "{options}: {ours:?}");
        let mut said = json(&ours);
        for key in OURS {
            assert!(said.as_object_mut().unwrap().remove(key).is_some());
        }
        assert_eq!(said, json(&theirs), "{options}");
    }
}
