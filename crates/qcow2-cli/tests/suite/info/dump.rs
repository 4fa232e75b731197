//! `qcow2 dump`: every byte has its structure.

use fixtures::Qemu;
use serde_json::Value;

use crate::bench::Bench;

/// What `dump` says of `image`, once its numbers are seen to add up and its ranges to tile the
/// file.
fn dumped(bench: &Bench, image: &str, code: i32) -> Value {
    let parse = |options: &str| -> Value {
        let outcome = bench.run(&format!("dump --output json {options} {image}"));
        assert_eq!(outcome.code, Some(code), "{image}: {outcome:?}");
        serde_json::from_str(&outcome.stdout).unwrap()
    };
    let said = parse("");
    let length = bench.path(image).metadata().unwrap().len();
    let number = |value: &Value, key: &str| value[key].as_u64().unwrap();
    assert_eq!(number(&said, "file_bytes"), length, "{image}");
    let structures = said["structures"].as_array().unwrap();
    let sum: u64 = structures.iter().map(|one| number(one, "bytes")).sum();
    assert_eq!(sum, length, "{image}: {said}");
    let ranges = parse("--ranges");
    let mut end = 0;
    for range in ranges["ranges"].as_array().unwrap() {
        assert_eq!(number(range, "offset"), end, "{image}");
        assert!(number(range, "length") > 0, "{image}");
        end += number(range, "length");
    }
    assert_eq!(end, length, "{image}");
    for one in structures {
        let of_kind = ranges["ranges"].as_array().unwrap().iter();
        let of_kind = of_kind.filter(|range| range["structure"] == one["structure"]);
        let (count, bytes) = of_kind.fold((0, 0), |(count, bytes), range| {
            (count + 1, bytes + number(range, "length"))
        });
        assert_eq!(
            (count, bytes),
            (number(one, "ranges"), number(one, "bytes")),
            "{one}"
        );
    }
    assert_eq!(ranges["structures"], said["structures"]);
    said
}

/// Count and bytes of a structure.
fn of(said: &Value, structure: &str) -> (u64, u64) {
    let structures = said["structures"].as_array().unwrap();
    let one = structures
        .iter()
        .find(|one| one["structure"] == structure)
        .unwrap();
    (
        one["count"].as_u64().unwrap(),
        one["bytes"].as_u64().unwrap(),
    )
}

#[test]
fn what_pack_writes_is_told_to_the_byte() {
    let bench = Bench::new();
    bench.write("disk.img", [vec![1; 100 << 10], vec![0; 3 << 20]].concat());
    bench.ok("pack -q disk.img plain.qcow2");
    let said = dumped(&bench, "plain.qcow2", 0);
    assert_eq!(of(&said, "header"), (1, 112));
    assert_eq!(of(&said, "l1-table"), (1, 8));
    assert_eq!(of(&said, "l2-tables"), (1, 65_536));
    assert_eq!(of(&said, "data"), (2, 131_072));
    assert_eq!(of(&said, "refcount-table"), (1, 65_536));
    assert_eq!(of(&said, "refcount-blocks"), (1, 65_536));
    for nothing in ["free", "leaked", "unknown", "compressed-data"] {
        assert_eq!(of(&said, nothing), (0, 0), "{nothing}");
    }
    bench.ok("pack -q -c zlib --cluster-size 4K disk.img packed.qcow2");
    let said = dumped(&bench, "packed.qcow2", 0);
    assert_eq!(of(&said, "compressed-data").0, 25);
    assert_eq!(of(&said, "leaked"), (0, 0));
    let human = bench.ok("dump plain.qcow2");
    assert!(
        human.contains("\nheader                       1         1               112\n"),
        "{human}"
    );
    assert!(
        human.ends_with("458752  448 KiB, clusters of 64 KiB\n"),
        "{human}"
    );
}

#[test]
fn all_that_qemu_img_makes_is_accounted_for() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    for (index, options) in [
        "cluster_size=512",
        "cluster_size=64k,compat=0.10",
        "cluster_size=2M,refcount_bits=64",
        "cluster_size=16k,extended_l2=on",
        "cluster_size=4k,refcount_bits=1",
        "preallocation=metadata",
        "cluster_size=4k,data_file=d,data_file_raw=on",
        "encrypt.format=luks,encrypt.key-secret=s0,encrypt.iter-time=10",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{index}.qcow2");
        bench.qemu_img(&format!(
            "create -q --object secret,id=s0,data=x -f qcow2 -o {options} {name} 5M"
        ));
        if options.contains("luks") {
            let said = dumped(&bench, &name, 0);
            assert_eq!(of(&said, "luks-header").0, 1);
            assert!(of(&said, "luks-header").1 > 1 << 20, "{said}");
            continue;
        }
        bench.qemu_io("write -P 1 100k 300k", &name);
        bench.qemu_io("write -z 200k 64k", &name);
        let said = dumped(&bench, &name, 0);
        assert_eq!(of(&said, "leaked"), (0, 0), "{options}: {said}");
        assert_eq!(of(&said, "unknown"), (0, 0), "{options}: {said}");
        let has_data = of(&said, "data").1 > 0;
        assert_eq!(
            has_data,
            !options.contains("data_file"),
            "{options}: {said}"
        );
    }
}

#[test]
fn snapshots_bitmaps_and_a_backing_name_have_their_bytes() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    bench.qemu_img("create -q -f qcow2 base.qcow2 4M");
    bench.qemu_img("create -q -f qcow2 -b base.qcow2 -F qcow2 -o cluster_size=4k i.qcow2");
    bench.qemu_io("write -P 1 0 64k", "i.qcow2");
    bench.qemu_img("snapshot -c first i.qcow2");
    bench.qemu_io("write -P 2 0 32k", "i.qcow2");
    bench.qemu_img("bitmap --add i.qcow2 b");
    let said = dumped(&bench, "i.qcow2", 0);
    assert_eq!(of(&said, "backing-file-name"), (1, 10));
    assert_eq!(of(&said, "data"), (16, 64 << 10));
    assert_eq!(of(&said, "snapshot-data").1, 32 << 10);
    assert_eq!(of(&said, "snapshot-l1-tables"), (1, 16));
    assert_eq!(of(&said, "snapshot-l2-tables"), (1, 4096));
    assert_eq!(of(&said, "snapshot-table").0, 1);
    assert_eq!(of(&said, "bitmap-directory").0, 1);
    assert_eq!(of(&said, "bitmap-tables").0, 1);
    assert_eq!(of(&said, "leaked"), (0, 0));
}

#[test]
fn one_structure_is_shown_with_what_it_says() {
    let bench = Bench::new();
    bench.write("disk.img", vec![1; 100 << 10]);
    bench.ok("pack -q disk.img i.qcow2");
    let header = bench.ok("dump --hex header i.qcow2");
    let lines: Vec<_> = header.lines().collect();
    assert_eq!(
        lines[0],
        "0x0000  magic                   51 46 49 fb              1363560955 (0x514649fb)"
    );
    assert!(
        lines[4].contains("cluster_bits            00 00 00 10              16 (0x10)"),
        "{header}"
    );
    assert_eq!(
        bench.ok("dump --hex l1-table i.qcow2"),
        "l1-table at 0x10000, 8 bytes\n         0  8000000000020000  L2 table at 0x20000, copied\n"
    );
    assert_eq!(
        bench.ok("dump --hex l2-table:0 i.qcow2"),
        "l2-tables at 0x20000, 65536 bytes\n\
         \u{20}        0  8000000000030000  cluster at 0x30000, copied\n\
         \u{20}        1  8000000000040000  cluster at 0x40000, copied\n"
    );
    let block = bench.ok("dump --hex refcount-block:0 i.qcow2");
    assert_eq!(block.lines().count(), 8, "{block}");
    assert!(block.contains("cluster at 0x60000, 1"), "{block}");
    let json = bench.ok("dump --output json --hex l2-table:0 i.qcow2");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["entries"][1]["says"], "cluster at 0x40000, copied");
    let fields = bench.ok("dump --output json --hex header i.qcow2");
    let fields: Value = serde_json::from_str(&fields).unwrap();
    assert_eq!(fields["fields"][5]["value"], 100 << 10);
    bench.fails(
        "dump --hex l2-table:1 i.qcow2",
        1,
        "i.qcow2: the image has no such structure",
    );
    assert_eq!(bench.run("dump --hex nothing i.qcow2").code, Some(2));
}

#[test]
fn damage_is_counted_and_the_rest_adds_up() {
    let bench = Bench::new();
    bench.write("disk.img", vec![1; 300 << 10]);
    bench.ok("pack -q --cluster-size 4K disk.img i.qcow2");
    let whole = bench.read("i.qcow2");
    // An L2 entry that leads past the end of the file: its cluster is leaked.
    let mut image = whole.clone();
    image[0x2008..0x2010].copy_from_slice(&0x8000_0000_7000_0000u64.to_be_bytes());
    bench.write("i.qcow2", &image);
    let said = dumped(&bench, "i.qcow2", 3);
    assert_eq!(said["wrong_entries"], 1);
    assert_eq!(of(&said, "leaked").1, 4096);
    // A file that was cut.
    bench.write("i.qcow2", &whole[..whole.len() / 2]);
    dumped(&bench, "i.qcow2", 3);
    // A header that cannot be one is shown all the same.
    let mut image = whole;
    image[20..24].fill(0xff);
    bench.write("i.qcow2", &image);
    assert!(
        bench
            .ok("dump --hex header i.qcow2")
            .contains("cluster_bits            ff ff ff ff")
    );
    assert_eq!(bench.run("dump i.qcow2").code, Some(1));
}
