//! Backing files and external data files.

use fixtures::{Qemu, SplitMix};

use crate::bench::Bench;

/// A folder with the raw `base`, `mid` over it in a folder of its own, `top` over
/// that, and `disk`, what QEMU says is in `top`.
fn bench() -> Option<Bench> {
    Qemu::require()?;
    let bench = Bench::new();
    std::fs::create_dir(bench.path("sub")).unwrap();
    bench.write("sub/base", SplitMix::new(1).bytes(1_234_567));
    bench.qemu_img("create -q -f qcow2 -o cluster_size=4k,compat=0.10 -b base -F raw sub/mid 3M");
    bench.qemu_io("write -P 1 10k 100k", "sub/mid");
    bench.qemu_img("create -q -f qcow2 -o extended_l2=on -b sub/mid -F qcow2 top 4M");
    bench.qemu_io("write -P 2 60k 2k", "top");
    bench.qemu_io("write -z 1M 100k", "top");
    bench.qemu_io("write -P 3 3500k 1k", "top");
    bench.qemu_img("convert -f qcow2 -O raw top disk");
    Some(bench)
}

const REMEDY: &str = "--references beside or any allows it, --backing FILE replaces it";

#[test]
fn backing_files_are_read_where_that_is_allowed() {
    let Some(bench) = bench() else { return };
    let refusal = |image: &str, why: &str| {
        format!("{image}: the image needs the backing file \"sub/mid\": {why}; {REMEDY}")
    };
    let closed = refusal(
        "top",
        "files that an image names are opened only if that is allowed",
    );
    bench.fails("unpack top out", 1, &closed);
    assert!(!bench.path("out").exists());
    let disk = bench.read("disk");
    for options in [
        "--references beside",
        "--references any --threads 1",
        "--backing sub/mid --backing sub/base",
        "--backing sub/mid --references beside",
    ] {
        bench.ok(&format!("unpack --force {options} top out"));
        assert!(bench.read("out") == disk, "{options}");
    }
    bench.fails(
        "unpack --force --references beside --backing sub/mid --backing sub/base --backing disk top out",
        1,
        "top: no layer of it uses --backing disk",
    );
    bench.fails(
        "unpack --references beside --data-file disk top out2",
        1,
        "top: --data-file was given, but the image has no external data file",
    );
    // No layer is overwritten.
    let outcome = bench.run("unpack --force --references beside top sub/base");
    assert!(
        outcome.stderr.contains("is the source itself"),
        "{outcome:?}"
    );
    let piped = bench.run("unpack --references beside - out");
    assert_eq!(piped.code, Some(2));
}

#[test]
fn links_out_of_the_folder_are_refused() {
    let Some(bench) = bench() else { return };
    std::fs::rename(bench.path("sub"), bench.path("elsewhere")).unwrap();
    std::fs::create_dir(bench.path("inner")).unwrap();
    std::fs::rename(bench.path("top"), bench.path("inner/top")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", bench.path("inner/sub")).unwrap();
    let outside = "it does not lie beneath the folder of the image";
    bench.fails(
        "unpack --references beside inner/top out",
        1,
        &format!(
            "inner/top: the image needs the backing file \"sub/mid\": {outside}; \
             --references any allows it, --backing FILE replaces it"
        ),
    );
    bench.ok("unpack --references any inner/top out");
    assert!(bench.read("out") == bench.read("disk"));
}

#[test]
fn the_chain_is_told_as_by_qemu_img() {
    let Some(bench) = bench() else { return };
    let parse = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
    for (image, chain) in [
        ("top", ""),
        ("top", "--backing-chain"),
        ("sub/mid", "--backing-chain"),
    ] {
        let theirs = bench.qemu_img(&format!("info --output=json {chain} {image}"));
        let ours = bench.ok(&format!(
            "info --output json --references beside {chain} {image}"
        ));
        assert_eq!(parse(&ours), parse(&theirs), "{chain} {image}");
    }
    let human = bench.ok("info --backing-chain --references beside top");
    assert_eq!(human.matches("virtual size: ").count(), 3, "{human}");
    assert!(human.contains("backing file: sub/mid\n"), "{human}");
    let closed = bench.run("info --backing-chain top");
    assert_eq!(closed.code, Some(1));
    assert!(
        closed.stderr.ends_with(&format!("{REMEDY}\n")),
        "{closed:?}"
    );
    bench.fails(
        "info --data-file disk top",
        2,
        "info opens no external data file",
    );
}

#[test]
fn external_data_files_are_read_where_that_is_allowed() {
    if Qemu::require().is_none() {
        return;
    }
    for options in ["", ",data_file_raw=on", ",extended_l2=on"] {
        let bench = Bench::new();
        bench.qemu_img(&format!(
            "create -q -f qcow2 -o data_file=data{options} i 3M"
        ));
        bench.qemu_io("write -P 1 0 1M", "i");
        bench.qemu_io("write -P 2 2500k 5k", "i");
        bench.qemu_io("write -z 60k 100k", "i");
        bench.qemu_img("convert -f qcow2 -O raw i disk");
        let refused = bench.run("unpack i out");
        assert!(
            refused.stderr.ends_with("--data-file FILE replaces it\n"),
            "{refused:?}"
        );
        for options in ["--references beside", "--data-file data"] {
            bench.ok(&format!("unpack --force {options} i out"));
            assert!(bench.read("out") == bench.read("disk"), "{options}");
        }
        bench.ok("info i");
    }
}
