//! `qcow2 measure`, against `pack` and `qemu-img measure`.

use fixtures::{E2fs, Qemu};
use serde_json::Value;

use crate::bench::Bench;

fn measured(bench: &Bench, arguments: &str) -> Value {
    let json = bench.ok(&format!("measure --output json {arguments}"));
    serde_json::from_str(&json).unwrap()
}

/// Length of the image that `pack` makes of `source`.
fn packed(bench: &Bench, options: &str, source: &str) -> u64 {
    let outcome = bench.run(&format!("pack -q --force {options} {source} packed.qcow2"));
    assert!(
        matches!(outcome.code, Some(0 | 3)),
        "{options} {source}: {outcome:?}"
    );
    let bytes = bench.path("packed.qcow2").metadata().unwrap().len();
    bench.ok("info packed.qcow2");
    bytes
}

/// Bytes of many kinds: zeros, text, and what nothing compresses.
fn mixed(bytes: usize, mut state: u64) -> Vec<u8> {
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state >> 33
    };
    let mut disk = Vec::new();
    while disk.len() < bytes {
        let (kind, length) = (next() % 3, 10_000 + next() % 300_000);
        disk.extend((0..length).map(|at| match kind {
            0 => 0,
            1 => (next() % 256).to_le_bytes()[0],
            _ => (at / 7 % 90 + next() % 3).to_le_bytes()[0],
        }));
    }
    disk.truncate(bytes);
    disk
}

#[test]
fn it_is_the_length_of_what_pack_writes() {
    let bench = Bench::new();
    bench.write("mixed.img", mixed(1_500_500, 5));
    bench.write("empty.img", vec![0; 1 << 20]);
    bench.write("one.img", [1]);
    let mut sources = vec!["mixed.img", "empty.img", "one.img"];
    if let Some(tools) = E2fs::require() {
        tools
            .make(&bench.path("fs.img"), 8 << 20, &["-t", "ext4"])
            .unwrap();
        sources.push("fs.img");
        sources.push("--content all fs.img");
        sources.push("--content metadata fs.img");
    }
    bench.ok("pack -q -c zlib mixed.img in.qcow2");
    sources.push("in.qcow2");
    sources.push("--offset 4K --length 1M in.qcow2");
    for source in sources {
        for options in [
            "",
            "--cluster-size 512 --compat 0.10",
            "--cluster-size 2M --refcount-bits 64",
            "-c zlib",
            "-c zstd:3 --cluster-size 4K",
            "-c zlib:9 --deflate-window 4k --refcount-bits 1",
        ] {
            let metadata = source.contains("metadata");
            if metadata && (options.contains("cluster") || options.contains("0.10")) {
                continue;
            }
            let said = measured(&bench, &format!("{options} {source}"));
            let truth = packed(&bench, options, source);
            assert_eq!(said["required"], truth, "{options} {source}");
            assert_eq!(said["estimate-error"], Value::Null, "{options} {source}");
        }
    }
}

#[test]
fn an_estimate_holds_the_truth() {
    let bench = Bench::new();
    bench.write("mixed.img", mixed(24 << 20, 7));
    for options in ["-c zlib --cluster-size 4K", "-c zstd:1 --cluster-size 16K"] {
        let said = measured(&bench, &format!("--sample 1M {options} mixed.img"));
        let number = |key: &str| said[key].as_u64().unwrap();
        let truth = packed(&bench, options, "mixed.img");
        let (required, error) = (number("required"), number("estimate-error"));
        assert!(number("sampled") <= 4 << 20, "{options}: {said}");
        assert!(
            truth.abs_diff(required) <= error,
            "{options}: {truth}, {said}"
        );
        assert!(error < truth / 2, "{options}: {truth}, {said}");
    }
    let human = bench.ok("measure --sample 1M -c zlib --cluster-size 4K mixed.img");
    assert!(
        human.contains("\nestimate: ") && human.contains(" more or less, from 1 MiB"),
        "{human}"
    );
}

#[test]
fn keys_and_types_are_those_of_qemu_img() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    bench.write("mixed.img", mixed(3 << 20, 3));
    for (ours, theirs) in [
        ("mixed.img", "-f raw -O qcow2 mixed.img"),
        ("-O raw mixed.img", "-f raw -O raw mixed.img"),
        ("--size 1G", "-O qcow2 --size 1G"),
        ("-O raw --size 1G", "--size 1G"),
    ] {
        let said = measured(&bench, ours);
        let json = bench.qemu_img(&format!("measure --output=json {theirs}"));
        let qemu: Value = serde_json::from_str(&json).unwrap();
        let keys = |value: &Value| {
            let keys = value.as_object().unwrap().iter();
            keys.map(|(key, value)| (key.clone(), value.is_u64()))
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(&said), keys(&qemu), "{ours}");
        if ours.contains("raw") {
            assert_eq!(said, qemu, "{ours}");
        } else {
            // Theirs is what is enough for any order of writes.
            assert!(
                said["required"].as_u64() <= qemu["required"].as_u64(),
                "{ours}: {said} {qemu}"
            );
        }
    }
    let human = bench.ok("measure --size 1M");
    assert_eq!(
        human,
        "required size: 262144\nfully allocated size: 1376256\n"
    );
    bench.qemu_img("convert -f raw -O qcow2 mixed.img m.qcow2");
    assert_eq!(
        measured(&bench, "m.qcow2")["required"],
        packed(&bench, "", "m.qcow2")
    );
    bench.fails(
        "measure -c zlib:99 mixed.img",
        2,
        "--compress zlib:99: the levels of zlib are 1 to 12",
    );
    assert_eq!(bench.run("measure").code, Some(2));
}
