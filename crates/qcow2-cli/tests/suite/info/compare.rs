//! `qcow2 compare`, against `qemu-img compare`.

use fixtures::{E2fs, Qemu, Tool};
use serde_json::Value;

use crate::bench::Bench;

/// How `compare` with these arguments ends, and what it says in JSON.
fn compared(bench: &Bench, arguments: &str) -> (i32, Value) {
    let outcome = bench.run(&format!("compare --output json {arguments}"));
    let said = serde_json::from_str(&outcome.stdout).unwrap_or(Value::Null);
    (outcome.code.unwrap(), said)
}

/// How `qemu-img compare` ends.
fn theirs(bench: &Bench, arguments: &str) -> i32 {
    let outcome = Tool::find("qemu-img").unwrap().run(|command| {
        let words = arguments.split_whitespace();
        command
            .arg("compare")
            .args(words)
            .current_dir(bench.folder())
    });
    outcome.unwrap().code.unwrap()
}

#[test]
fn a_difference_is_told_with_its_place() {
    let bench = Bench::new();
    let mut disk = vec![7; 3 << 20];
    bench.write("a.img", &disk);
    bench.ok("pack -q a.img a.qcow2");
    bench.ok("pack -q -c zlib --cluster-size 4K a.img c.qcow2");
    for (one, other) in [
        ("a.img", "a.qcow2"),
        ("a.qcow2", "c.qcow2"),
        ("a.img", "a.img"),
    ] {
        let said = bench.ok(&format!("compare {one} {other}"));
        assert_eq!(said, "identical: 3 MiB of disk\n", "{one} {other}");
    }
    disk[(2 << 20) + 5] = 8;
    bench.write("b.img", &disk);
    let outcome = bench.run("compare c.qcow2 b.img");
    assert_eq!(outcome.code, Some(1));
    assert_eq!(
        outcome.stdout,
        "different: byte 2097157 (0x200005) is 0x07 in A and 0x08 in B\n"
    );
    let (code, said) = compared(&bench, "b.img c.qcow2");
    assert_eq!(code, 1);
    assert_eq!(
        said["difference"],
        serde_json::json!({ "kind": "content", "offset": 2_097_157, "a": 8, "b": 7 })
    );
    assert_eq!(
        (&said["schema"], &said["identical"]),
        (&1.into(), &false.into())
    );
    assert_eq!(said["a"]["format"], "raw");
    assert_eq!(said["b"]["disk_bytes"], 3 << 20);
    let quiet = bench.run("compare -q a.img b.img");
    assert_eq!(
        (quiet.code, quiet.stdout, quiet.stderr),
        (Some(1), String::new(), String::new())
    );
}

#[test]
fn a_longer_disk_is_the_same_if_the_rest_is_zeros() {
    let bench = Bench::new();
    let mut long = vec![7; 1 << 20];
    bench.write("short.img", &long);
    long.resize(3 << 20, 0);
    bench.write("long.img", &long);
    assert_eq!(
        bench.ok("compare short.img long.img"),
        "identical: 3 MiB of disk\nnote: B is longer, by 2 MiB of zeros\n"
    );
    bench.ok("compare long.img short.img");
    let (code, said) = compared(&bench, "--strict long.img short.img");
    assert_eq!((code, &said["difference"]["kind"]), (1, &"size".into()));
    *long.last_mut().unwrap() = 1;
    bench.write("long.img", &long);
    for (sides, a, b) in [("long.img short.img", 1, 0), ("short.img long.img", 0, 1)] {
        let (code, said) = compared(&bench, sides);
        let want =
            serde_json::json!({ "kind": "content", "offset": (3 << 20) - 1, "a": a, "b": b });
        assert_eq!((code, &said["difference"]), (1, &want), "{sides}");
    }
}

#[test]
fn codes_and_verdicts_are_those_of_qemu_img() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    bench.write("raw.img", [vec![1; 200 << 10], vec![0; 824 << 10]].concat());
    bench.qemu_img("convert -f raw -O qcow2 raw.img plain.qcow2");
    bench.qemu_img("convert -f raw -c -O qcow2 raw.img packed.qcow2");
    bench.qemu_img("create -q -f qcow2 -b plain.qcow2 -F qcow2 over.qcow2");
    bench.qemu_img("create -q -f qcow2 zeros.qcow2 1M");
    bench.qemu_img("create -q -f qcow2 -o cluster_size=512 small.qcow2 2M");
    bench.qemu_io("write -P 1 0 200k", "small.qcow2");
    bench.qemu_io("write -z 600k 8k", "zeros.qcow2");
    bench.qemu_img("create -q -f qcow2 -o data_file=data,cluster_size=4k ext.qcow2 1M");
    bench.qemu_io("write -P 1 0 200k", "ext.qcow2");
    let names = [
        "raw.img",
        "plain.qcow2",
        "packed.qcow2",
        "over.qcow2",
        "zeros.qcow2",
        "small.qcow2",
        "ext.qcow2",
    ];
    for one in names {
        for other in names {
            let ours = compared(&bench, &format!("--references beside {one} {other}")).0;
            let format = |name: &str| {
                if name.ends_with("img") {
                    "raw"
                } else {
                    "qcow2"
                }
            };
            let sides = format!("-f {} -F {} {one} {other}", format(one), format(other));
            assert_eq!(ours, theirs(&bench, &sides), "{sides}");
        }
    }
    // Where data lies: the same as their verdict, for images.
    for (one, other) in [
        ("plain.qcow2", "packed.qcow2"),
        ("plain.qcow2", "plain.qcow2"),
        ("over.qcow2", "plain.qcow2"),
    ] {
        let sides = format!("{one} {other}");
        let ours = compared(&bench, &format!("-s --references beside {sides}")).0;
        assert_eq!(ours, theirs(&bench, &format!("-s {sides}")), "{sides}");
    }
    // The order of clusters in the file is theirs alone to tell.
    for (name, second) in [("front.qcow2", "512k"), ("halves.qcow2", "0")] {
        bench.qemu_img(&format!("create -q -f qcow2 {name} 1M"));
        let first = if second == "0" { "512k" } else { "0" };
        bench.qemu_io(&format!("write -P 1 {first} 512k"), name);
        bench.qemu_io(&format!("write -P 1 {second} 512k"), name);
    }
    bench.ok("compare --strict front.qcow2 halves.qcow2");
    assert_eq!(theirs(&bench, "-s front.qcow2 halves.qcow2"), 1);
    bench.qemu_io("write -z 0 64k", "halves.qcow2");
    let said = compared(&bench, "-s front.qcow2 halves.qcow2");
    let want = serde_json::json!({ "kind": "allocation", "offset": 0 });
    assert_eq!((said.0, &said.1["difference"]), (1, &want));
    assert_eq!(theirs(&bench, "nothing plain.qcow2"), 2);
    let missing = bench.run("compare nothing plain.qcow2");
    assert_eq!(missing.code, Some(2), "{missing:?}");
    bench.fails(
        "compare - -",
        2,
        "only one of the two can be the standard input",
    );
}

#[test]
fn snapshots_and_secrets_are_those_of_each_side() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    bench.qemu_img("create -q -f qcow2 s.qcow2 1M");
    bench.qemu_io("write -P 1 0 64k", "s.qcow2");
    bench.qemu_img("snapshot -c before s.qcow2");
    bench.qemu_img("convert -O qcow2 s.qcow2 copy.qcow2");
    bench.qemu_io("write -P 2 64k 64k", "s.qcow2");
    bench.ok("compare --snapshot-a before s.qcow2 copy.qcow2");
    bench.ok("compare --snapshot-b before copy.qcow2 s.qcow2");
    let (code, said) = compared(&bench, "s.qcow2 copy.qcow2");
    assert_eq!((code, &said["difference"]["offset"]), (1, &65_536.into()));
    let refused = bench.run("compare --snapshot-b before copy.qcow2 copy.qcow2");
    assert_eq!(refused.code, Some(2), "{refused:?}");

    bench.write("key", "x");
    bench.qemu_img(
        "convert --object secret,id=s0,data=x -O qcow2 -o \
         encrypt.format=luks,encrypt.key-secret=s0,encrypt.iter-time=10 copy.qcow2 luks.qcow2",
    );
    bench.ok("compare --secret-file-b key copy.qcow2 luks.qcow2");
}

#[test]
fn what_a_filesystem_does_not_need_need_not_be_the_same() {
    let Some(tools) = E2fs::require() else {
        return;
    };
    let bench = Bench::new();
    tools
        .make(&bench.path("fs.img"), 8 << 20, &["-t", "ext4"])
        .unwrap();
    bench.ok("pack -q fs.img packed.qcow2");
    let mut disk = bench.read("fs.img");
    let free = disk.len() - 4096;
    disk[free..].fill(9);
    bench.write("stale.img", &disk);
    let (code, said) = compared(&bench, "--used-only stale.img packed.qcow2");
    assert_eq!(code, 0, "{said}");
    assert_eq!(said["content"], "used");
    assert_eq!(compared(&bench, "--used-only packed.qcow2 stale.img").0, 0);
    let (code, said) = compared(&bench, "stale.img packed.qcow2");
    assert_eq!((code, &said["difference"]["offset"]), (1, &free.into()));
    // A byte in use, of the superblock.
    disk[1024 + 0x78] ^= 1;
    bench.write("other.img", &disk);
    let (code, said) = compared(&bench, "--used-only packed.qcow2 other.img");
    assert_eq!((code, &said["difference"]["offset"]), (1, &1144.into()));
    // Without a filesystem, everything counts.
    bench.write("x.img", [1; 4096]);
    bench.write("y.img", [2; 4096]);
    assert_eq!(compared(&bench, "--used-only x.img y.img").0, 1);
}
