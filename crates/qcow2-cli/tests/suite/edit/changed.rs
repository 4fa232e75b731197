//! The commands that change an image in place, as a user runs them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use fixtures::Qemu;
use serde_json::Value;

use crate::bench::Bench;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn an_image_is_created_and_changed_and_qemu_agrees() {
    let Some(qemu) = Qemu::require() else { return };
    let bench = Bench::new();
    bench.ok("create disk.qcow2 1M --cluster-size 4K");
    bench.fails(
        "create disk.qcow2 1M",
        1,
        "disk.qcow2 already exists; --force overwrites it",
    );
    bench.qemu_io("write -P 1 0 100k", "disk.qcow2");
    bench.ok("snapshot create disk.qcow2 first");
    bench.qemu_io("write -P 2 50k 100k", "disk.qcow2");
    bench.ok("bitmap add disk.qcow2 days --granularity 64K");
    bench.ok("bitmap add disk.qcow2 weeks --disabled");
    bench.ok("bitmap merge disk.qcow2 weeks days");
    bench.ok("bitmap enable disk.qcow2 weeks");
    bench.ok("bitmap disable disk.qcow2 days");
    bench.ok("bitmap clear disk.qcow2 days");
    bench.ok("resize disk.qcow2 +512K");
    bench.fails(
        "resize disk.qcow2 -1M",
        1,
        "disk.qcow2: the disk would shrink from 1572864 to 524288 bytes; --shrink allows it",
    );
    let report = json(&bench.ok("resize disk.qcow2 --shrink -1M --output json"));
    assert_eq!(report["schema"], 1);
    assert_eq!(report["command"], "resize");
    assert_eq!(report["unfinished"], Value::Null);
    bench.ok("amend disk.qcow2 --lazy-refcounts true");
    let info = json(&bench.qemu_img("info --output=json disk.qcow2"));
    assert_eq!(info["virtual-size"], 512 << 10);
    assert_eq!(info["snapshots"][0]["name"], "first");
    let facts = &info["format-specific"]["data"];
    assert_eq!(facts["lazy-refcounts"], true);
    let bitmaps = [
        (&facts["bitmaps"][0], "days", 64 << 10, 0),
        (&facts["bitmaps"][1], "weeks", 4096, 1),
    ];
    for (found, name, granularity, flags) in bitmaps {
        assert_eq!(found["name"], name);
        assert_eq!(found["granularity"], granularity);
        assert_eq!(found["flags"].as_array().unwrap().len(), flags);
    }
    let checked = qemu.check(&bench.path("disk.qcow2")).unwrap();
    assert!(checked.success(), "{checked:?}");
    bench.ok("check disk.qcow2");
    apply_and_delete(&bench, &qemu);
}

/// Goes back to the snapshot of `disk.qcow2`, and deletes it.
fn apply_and_delete(bench: &Bench, qemu: &Qemu) {
    bench.fails(
        "snapshot apply disk.qcow2 first",
        1,
        "disk.qcow2: to apply a snapshot is not possible: the image has bitmaps, which would not \
         know what changed",
    );
    bench.ok("bitmap remove disk.qcow2 days");
    bench.ok("bitmap remove disk.qcow2 weeks");
    bench.ok("snapshot apply disk.qcow2 1");
    bench.ok("unpack disk.qcow2 disk.raw");
    let disk = bench.read("disk.raw");
    assert_eq!(disk.len(), 1 << 20);
    let data = |byte: &u8| *byte == 1;
    assert!(disk[..100 << 10].iter().all(data) && disk[100 << 10..].iter().all(|byte| *byte == 0));
    let list = json(&bench.ok("snapshot list --output json disk.qcow2"));
    assert_eq!(list["snapshots"][0]["id"], "1");
    bench.ok("snapshot delete disk.qcow2 first");
    assert_eq!(bench.ok("snapshot list disk.qcow2"), "no snapshots\n");
    assert_eq!(bench.ok("bitmap list disk.qcow2"), "no bitmaps\n");
    bench.ok("amend disk.qcow2 --compat 0.10");
    let checked = qemu.check(&bench.path("disk.qcow2")).unwrap();
    assert!(checked.success(), "{checked:?}");
    bench.fails(
        "snapshot delete disk.qcow2 first",
        1,
        "disk.qcow2: the image has no snapshot \"first\"; qcow2 snapshot list shows its snapshots",
    );
}

#[test]
fn an_overlay_does_not_show_what_its_backing_file_has_past_its_end() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    bench.write("base.raw", [7; 100 << 10]);
    bench.ok("create --backing base.raw --backing-format raw over.qcow2");
    bench.ok("resize --shrink over.qcow2 10000");
    bench.fails(
        "resize over.qcow2 200K",
        1,
        "over.qcow2: the image needs the backing file \"base.raw\": files that an image names are \
         opened only if that is allowed; --references beside or any allows it, --backing FILE \
         replaces it",
    );
    bench.ok("resize --references beside over.qcow2 200K");
    bench.ok("check over.qcow2");
    bench.qemu_img("convert -f qcow2 -O raw over.qcow2 over.raw");
    let disk = bench.read("over.raw");
    assert_eq!(disk.len(), 200 << 10);
    assert!(disk[..10_000].iter().all(|byte| *byte == 7));
    assert!(disk[10_000..].iter().all(|byte| *byte == 0));
    bench.ok("amend over.qcow2 --no-backing");
    bench.qemu_img("convert -f qcow2 -O raw over.qcow2 alone.raw");
    let alone = bench.read("alone.raw");
    assert!(
        alone[..10_000].iter().all(|byte| *byte == 7),
        "its cluster was copied"
    );
}

#[test]
fn an_image_that_qemu_uses_is_refused() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    bench.ok("create disk.qcow2 1M");
    let mut io = Command::new("qemu-io")
        .args(["-f", "qcow2", "disk.qcow2"])
        .current_dir(bench.folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // What it answers, it has opened.
    io.stdin.as_mut().unwrap().write_all(b"length\n").unwrap();
    let mut said = BufReader::new(io.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("MiB") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "qemu-io has ended");
    }
    let refused = bench.run("snapshot create disk.qcow2 one");
    drop(io.stdin.take());
    io.wait().unwrap();
    let message = "qcow2: disk.qcow2 is in use: QEMU has it open for writing; stop the virtual \
                   machine first\n";
    assert_eq!(refused.stderr, message);
    assert_eq!(refused.code, Some(1));
}

#[test]
fn repairs_say_what_they_did() {
    let bench = Bench::new();
    bench.ok("create disk.qcow2 1M --cluster-size 4K");
    bench.write("data", [9; 8192]);
    bench.ok("pack --cluster-size 4K data packed.qcow2");
    let mut image = bench.read("packed.qcow2");
    // The second cluster of the disk lies on the first: header, L1 table, L2 table, data.
    let (l1, host) = (4096, 3 * 4096u64);
    let l2 = usize::from(image[l1 + 6]) << 8;
    image[l2 + 8..l2 + 16].copy_from_slice(&host.to_be_bytes());
    bench.write("crossed.qcow2", &image);

    let check = bench.run("check crossed.qcow2");
    assert_eq!(check.code, Some(2), "{check:?}");
    let dry = bench.run("check --repair all --dry-run crossed.qcow2");
    assert_eq!(dry.code, Some(2), "{dry:?}");
    assert!(
        dry.stdout.contains("dry run: nothing was changed"),
        "{dry:?}"
    );
    let leaks = bench.run("check --repair leaks crossed.qcow2");
    assert_eq!(leaks.code, Some(2), "{leaks:?}");
    assert_eq!(bench.read("crossed.qcow2"), image);

    let repaired = bench.run("check --repair all --output json crossed.qcow2");
    assert_eq!(repaired.code, Some(0), "{repaired:?}");
    let report = json(&repaired.stdout);
    assert!(report["corruptions-fixed"].as_u64() > Some(0), "{report}");
    let doubtful = report["doubtful"].as_array().unwrap();
    let ranges = doubtful.iter().map(|doubt| {
        let number = |key: &str| doubt["guest"][key].as_u64().unwrap();
        (number("start"), number("length"))
    });
    assert_eq!(ranges.collect::<Vec<_>>(), [(0, 4096), (4096, 4096)]);
    bench.ok("check crossed.qcow2");
    bench.ok("unpack crossed.qcow2 again");
    assert_eq!(bench.read("again"), [9; 8192]);
}
