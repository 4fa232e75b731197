//! `qcow2 map`, against `qemu-img map`.

use fixtures::Qemu;
use serde_json::Value;

use crate::bench::Bench;

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Ours and theirs of `name` agree, with `options` for ours. That zeros have storage in
/// reserve is theirs alone to tell.
fn agree(bench: &Bench, name: &str, options: &str) {
    let theirs = bench.qemu_img(&format!("map -f qcow2 --output=json {name}"));
    let format = "--source-format qcow2 --output json";
    let ours = bench.ok(&format!("map {format} {options} {name}"));
    assert_eq!(parsed(&ours), without_reserve(&parsed(&theirs)), "{name}");
}

/// The same map without the places of zeros, whose entries become one where they are alike.
fn without_reserve(map: &Value) -> Value {
    let mut whole: Vec<Value> = Vec::new();
    for entry in map.as_array().unwrap() {
        let mut entry = entry.clone();
        if entry["data"] == true || entry["depth"] != 0 {
            whole.push(entry);
            continue;
        }
        entry.as_object_mut().unwrap().remove("offset");
        match whole.last_mut() {
            Some(last) if last["zero"] == true && last["present"] == entry["present"] => {
                let length = |entry: &Value| entry["length"].as_u64().unwrap();
                last["length"] = (length(last) + length(&entry)).into();
            }
            _ => whole.push(entry),
        }
    }
    whole.into()
}

#[test]
fn maps_are_those_of_qemu_img() {
    if Qemu::require().is_none() {
        return;
    }
    for options in [
        "cluster_size=4k",
        "cluster_size=64k,compat=0.10",
        "cluster_size=512",
        "cluster_size=16k,extended_l2=on",
        "cluster_size=64k,data_file=d,data_file_raw=off",
    ] {
        let bench = Bench::new();
        bench.qemu_img(&format!("create -q -f qcow2 -o {options} i 1M"));
        for command in [
            "write -P 1 4k 100k",
            "write -P 2 300k 64k",
            "write -P 3 200k 1k",
            "discard 320k 16k",
        ] {
            bench.qemu_io(command, "i");
        }
        agree(&bench, "i", "--references beside");
    }
}

#[test]
fn streams_zeros_chains_and_snapshots_are_mapped() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    bench.write("raw", vec![7; 100 << 10]);
    // The raw file ends before the others do.
    bench.qemu_img("create -q -f qcow2 -b raw -F raw mid 1M");
    bench.qemu_io("write -P 1 0 4k", "mid");
    bench.qemu_img("create -q -f qcow2 -b mid -F qcow2 top 1M");
    bench.qemu_io("write -P 2 512k 64k", "top");
    bench.qemu_io("write -z 640k 64k", "top");
    agree(&bench, "top", "--references beside");

    bench.qemu_img("convert -c -O qcow2 top packed");
    agree(&bench, "packed", "");
    let human = bench.ok("map --source-format qcow2 packed");
    assert_eq!(
        human,
        "Offset          Length          Mapped to       File\n\
         0x0             0x20000         compressed      packed\n\
         0x80000         0x10000         compressed      packed\n"
    );

    bench.qemu_img("create -q -f qcow2 s 128k");
    bench.qemu_io("write -P 1 0 64k", "s");
    bench.qemu_img("snapshot -c before s");
    bench.qemu_io("write -P 2 0 128k", "s");
    let of = |options: &str| {
        let map = bench.ok(&format!("map --source-format qcow2 {options} s"));
        map.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = of("--snapshot before");
    let [line] = before.as_slice() else {
        panic!("{before:?}");
    };
    assert!(
        line.starts_with("0x0             0x10000         0x"),
        "{line}"
    );
    assert_ne!(of(""), before);
}

#[test]
fn a_part_is_mapped_and_a_raw_disk_too() {
    let bench = Bench::new();
    bench.write("disk.img", vec![7; 4096]);
    let entry = |start: u64, length: u64| {
        serde_json::json!([{
            "start": start, "length": length, "depth": 0, "present": true, "zero": false,
            "data": true, "compressed": false, "offset": start
        }])
    };
    let map = |options: &str| parsed(&bench.ok(&format!("map --output json {options} disk.img")));
    assert_eq!(map(""), entry(0, 4096));
    assert_eq!(map("-s 1K -l 2K"), entry(1024, 2048));
    assert_eq!(map("--start-offset 4K"), serde_json::json!([]));
    assert_eq!(
        bench.ok("map --max-length 512 disk.img"),
        "Offset          Length          Mapped to       File\n\
         0x0             0x200           0x0             disk.img\n"
    );
    bench.fails(
        "map -s 4097 disk.img",
        2,
        "--start-offset 4097 is past the end of the disk at 4096",
    );
    bench.fails(
        "map --snapshot x disk.img",
        1,
        "disk.img: it is read as a raw disk, without --snapshot",
    );
}
