//! Data that moves between images of a chain: `commit` and `rebase`.

use std::fs;

use fixtures::{SplitMix, require};

use crate::bench::Bench;

/// Options of a base and of the overlay; a base without options is raw.
const PAIRS: [(&str, &str); 7] = [
    ("cluster_size=64k", "cluster_size=64k"),
    ("cluster_size=4k,compat=0.10", "cluster_size=64k"),
    ("cluster_size=2M", "cluster_size=512,compat=0.10"),
    (
        "cluster_size=64k,extended_l2=on",
        "cluster_size=16k,extended_l2=on",
    ),
    ("cluster_size=512", "cluster_size=64k,extended_l2=on"),
    ("", "cluster_size=64k"),
    ("", "cluster_size=4k,lazy_refcounts=on"),
];

/// Sizes of the base and of the overlay, in bytes.
const SIZES: [(u64, u64); 3] = [
    (3 << 20, 3 << 20),
    (1_500_160, 3_000_320),
    (3_000_320, 1_500_160),
];

/// Writes at random places of `name`, of `size` bytes.
fn scribble(bench: &Bench, name: &str, format: &str, size: u64, random: &mut SplitMix) {
    let mut arguments = vec!["-f".to_owned(), format.to_owned()];
    for _ in 0..6 {
        let start = random.below(size / 512) * 512;
        let most = (size - start).min(1 << (10 + random.below(9)));
        let length = (random.below(most / 512) + 1) * 512;
        let byte = random.below(255) + 1;
        let command = match random.below(4) {
            0 => format!("write -z {start} {length}"),
            _ => format!("write -P {byte} {start} {length}"),
        };
        arguments.extend(["-c".to_owned(), command]);
    }
    arguments.push(bench.path(name).display().to_string());
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    bench.qemu("qemu-io", &arguments);
}

/// Makes a disk called `name` with data, and returns its format.
fn base(
    bench: &Bench,
    name: &str,
    options: &str,
    size: u64,
    random: &mut SplitMix,
) -> &'static str {
    let format = if options.is_empty() { "raw" } else { "qcow2" };
    match options {
        "" => bench.qemu_img(&format!("create -q -f raw {name} {size}")),
        _ => bench.qemu_img(&format!("create -q -f qcow2 -o {options} {name} {size}")),
    };
    scribble(bench, name, format, size, random);
    format
}

/// What QEMU reads of an image.
fn content(bench: &Bench, name: &str, format: &str) -> Vec<u8> {
    let raw = format!("{name}.content");
    bench.qemu_img(&format!("convert -f {format} -O raw {name} {raw}"));
    let bytes = bench.read(&raw);
    fs::remove_file(bench.path(&raw)).unwrap();
    bytes
}

/// Asserts that an image is in order.
#[track_caller]
fn sound(bench: &Bench, name: &str) {
    bench.qemu_img(&format!("check -q -f qcow2 {name}"));
    bench.ok(&format!("check {name}"));
}

#[test]
fn a_base_has_what_was_committed_and_the_overlay_nothing() {
    if require("qemu-img").is_none() || require("qemu-io").is_none() {
        return;
    }
    let mut random = SplitMix::new(15);
    for (options, above) in PAIRS {
        for (size, top_size) in SIZES {
            let name = format!("{options:?} under {above}, {size} and {top_size} bytes");
            let bench = Bench::new();
            let format = base(&bench, "base", options, size, &mut random);
            bench.qemu_img(&format!(
                "create -q -f qcow2 -o {above} -b base -F {format} top {top_size}"
            ));
            scribble(&bench, "top", "qcow2", top_size, &mut random);
            let mut want = content(&bench, "top", "qcow2");
            let base_before = content(&bench, "base", format);
            bench.ok("commit --keep --references beside top");
            assert!(content(&bench, "top", "qcow2") == want, "{name}");
            let report = bench.ok("commit --references beside top");
            assert!(report.contains("committed to"), "{name}: {report}");
            assert!(content(&bench, "top", "qcow2") == want, "{name}");
            sound(&bench, "top");
            let map = bench.qemu_img("map --output=json -f qcow2 top");
            assert!(
                !map.contains("\"depth\": 0, \"present\": true"),
                "{name}: {map}"
            );
            // A longer base keeps its end.
            want.extend(base_before.iter().skip(want.len()));
            assert!(content(&bench, "base", format) == want, "{name}");
            if format == "qcow2" {
                sound(&bench, "base");
            }
        }
    }
}

#[test]
fn a_disk_stays_what_it_is_on_another_base() {
    if require("qemu-img").is_none() || require("qemu-io").is_none() {
        return;
    }
    let mut random = SplitMix::new(16);
    for (options, above) in PAIRS {
        for (size, top_size) in SIZES {
            let name = format!("{options:?} under {above}, {size} and {top_size} bytes");
            let bench = Bench::new();
            let format = base(&bench, "base", options, size, &mut random);
            bench.qemu_img(&format!(
                "create -q -f qcow2 -o {above} -b base -F {format} top {top_size}"
            ));
            scribble(&bench, "top", "qcow2", top_size, &mut random);
            // The other one has the same beginning.
            let other = base(&bench, "other", options, top_size, &mut random);
            let want = content(&bench, "top", "qcow2");
            bench.ok(&format!(
                "rebase --references beside --onto other --onto-format {other} top"
            ));
            assert!(content(&bench, "top", "qcow2") == want, "{name}");
            sound(&bench, "top");
            let info = bench.qemu_img("info --output=json -f qcow2 top");
            assert!(
                info.contains("\"backing-filename\": \"other\""),
                "{name}: {info}"
            );

            bench.ok("rebase --flatten --references beside top");
            fs::remove_file(bench.path("other")).unwrap();
            assert!(content(&bench, "top", "qcow2") == want, "{name}");
            sound(&bench, "top");
        }
    }
}

#[test]
fn what_is_the_same_on_both_bases_is_not_stored() {
    if require("qemu-img").is_none() || require("qemu-io").is_none() {
        return;
    }
    let mut random = SplitMix::new(17);
    let bench = Bench::new();
    base(&bench, "base", "cluster_size=64k", 3 << 20, &mut random);
    bench.qemu_img("create -q -f qcow2 -b base -F qcow2 top");
    bench.qemu_img("convert -f qcow2 -O qcow2 base other");
    bench.ok("rebase --references beside --onto other --onto-format qcow2 top");
    let map = bench.qemu_img("map --output=json -f qcow2 top");
    assert!(!map.contains("\"depth\": 0, \"present\": true"), "{map}");
}

#[test]
fn what_would_lose_data_is_refused() {
    if require("qemu-img").is_none() || require("qemu-io").is_none() {
        return;
    }
    let bench = Bench::new();
    bench.qemu_img("create -q -f qcow2 alone 1M");
    bench.fails(
        "commit --references beside alone",
        1,
        "alone: it has no backing file to commit to",
    );
    bench.qemu_img("create -q -f qcow2 -b alone -F qcow2 top");
    bench.fails(
        "commit top",
        1,
        "top: the image needs the backing file \"alone\": files that an image names are opened \
         only if that is allowed; --references beside or any allows it, --backing FILE replaces it",
    );
    bench.fails(
        "rebase --references beside --onto top --onto-format qcow2 top",
        1,
        "top: it cannot be its own backing file",
    );
    bench.qemu_img("snapshot -c one top");
    bench.fails(
        "commit --references beside top",
        1,
        "top: it has snapshots, which would show what the backing file has then",
    );
    bench.fails(
        "rebase --references beside --flatten top",
        1,
        "top: to write what the disk holds is not possible: the image has snapshots, which would \
         show the new backing file",
    );
    bench.ok("rebase --flatten --unchecked top");
}
