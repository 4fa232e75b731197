//! Whole disks: a partition table, and a filesystem in each partition.

mod doubt;
mod forms;
pub(crate) mod made;
mod odd;

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use fixtures::Qemu;
use serde_json::Value;

use crate::bench::Bench;
use made::{Made, Slot};
pub(super) use made::{count, filled};

/// What is free on a disk, as `blocks` lists it.
fn unused(bench: &Bench, name: &str) -> Vec<Range<u64>> {
    let json: Value = serde_json::from_str(
        &bench
            .run(&format!("blocks --keep-uninit --output json {name}"))
            .stdout,
    )
    .unwrap();
    let ranges = json["ranges"].as_array().unwrap().iter();
    let ranges = ranges.filter(|range| range["kind"] == "unused");
    let number = |range: &Value, key: &str| range[key].as_u64().unwrap();
    ranges
        .map(|range| number(range, "start")..number(range, "start") + number(range, "length"))
        .collect()
}

/// Asserts that the disk `name` restores to itself but for what `blocks` calls unused, which
/// lies within `free`, and that this reads as zeros.
#[track_caller]
fn nothing_is_lost(bench: &Bench, name: &str, free: &[Range<u64>]) {
    let outcome = bench.run(&format!(
        "pack --force --keep-uninit --verify {name} packed.qcow2"
    ));
    assert!(matches!(outcome.code, Some(0 | 3)), "{outcome:?}");
    bench.ok("unpack --force packed.qcow2 restored");
    let (before, after) = (bench.read(name), bench.read("restored"));
    assert_eq!(before.len(), after.len());
    let mut at = 0;
    for range in unused(bench, name) {
        let is_free = free
            .iter()
            .any(|free| free.start <= range.start && range.end <= free.end);
        assert!(is_free, "{range:?} is not free: {outcome:?}");
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        assert!(
            before[at..range.start] == after[at..range.start],
            "before {range:?}"
        );
        at = range.end;
    }
    assert!(before[at..] == after[at..]);
}

/// The names and contents of all files below `folder`.
pub(super) fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            for (below, bytes) in tree(&path) {
                found.insert(format!("{name}/{below}"), bytes);
            }
        } else {
            found.insert(name, fs::read(&path).unwrap_or_default());
        }
    }
    found
}

/// The files of the filesystem in `slot` of the disk `name`.
fn files(bench: &Bench, made: &Made, name: &str, slot: &Slot) -> BTreeMap<String, Vec<u8>> {
    let folder = bench.path(&format!("{name}.{}", slot.name));
    fs::create_dir(&folder).unwrap();
    if slot.is_fat {
        let image = format!("{}@@{}", bench.path(name).display(), slot.start);
        let copy = |command: &mut std::process::Command| {
            command.args(["-s", "-n", "-i", &image, "::/"]).arg(&folder);
        };
        made.mcopy
            .ok(|command| {
                copy(command);
                command
            })
            .unwrap();
    } else {
        let window = made.window(bench, name, slot);
        made.e2fs.copy_out(&bench.path(&window), &folder).unwrap();
        let checked = made.e2fs.fsck(&["-fn"], &bench.path(&window)).unwrap();
        assert_eq!(checked.code, Some(0), "{checked:?}");
    }
    tree(&folder)
}

#[test]
fn a_disk_of_a_machine_is_packed_part_by_part() {
    let bench = Bench::new();
    let Some(made) = Made::make(&bench, "disk") else {
        return;
    };
    let report = bench.ok("pack --verify --output json disk image.qcow2");
    let report: Value = serde_json::from_str(&report).unwrap();
    let parts = report["layout"]["parts"].as_array().unwrap();
    assert_eq!(report["layout"]["table"], "gpt");
    assert_eq!(report["content"], "used");
    for (part, slot) in parts.iter().zip(&made.slots) {
        assert_eq!(part["name"], slot.name);
        assert_eq!(
            (part["start"].as_u64(), part["bytes"].as_u64()),
            (Some(slot.start), Some(slot.bytes))
        );
        assert_eq!(part["filesystem"]["kind"], slot.kind);
        let (used, free) = (
            part["used_bytes"].as_u64().unwrap(),
            part["free_bytes"].as_u64().unwrap(),
        );
        assert!(free > 0 && used + free == slot.bytes, "{part}");
    }
    bench.ok("unpack image.qcow2 restored");
    let (before, after) = (bench.read("disk"), bench.read("restored"));
    // The table, and what lies before the first partition and past the last.
    let [first, .., last] = &made.slots[..] else {
        panic!()
    };
    let first = usize::try_from(first.start).unwrap();
    let last = usize::try_from(last.start + last.bytes).unwrap();
    assert!(before[..first] == after[..first] && before[last..] == after[last..]);
    for slot in made.slots.iter().filter(|slot| slot.kind != "swap") {
        let (ours, theirs) = (
            files(&bench, &made, "restored", slot),
            files(&bench, &made, "disk", slot),
        );
        assert!(!ours.is_empty() && ours == theirs, "{}", slot.name);
    }
    // What was deleted is gone, and so is what was there before any filesystem, but for the
    // ends of blocks and for sectors in no cluster.
    let count = |bytes: &[u8], text| made::count(bytes, text);
    assert!(count(&before, made::DELETED) > 30_000);
    assert_eq!(count(&after, made::DELETED), 0);
    let old = [&before, &after].map(|bytes| count(bytes, made::OLD));
    assert!(old[0] > 1_000_000 && old[1] < old[0] / 500, "{old:?}");
    assert!(count(&after, made::KEPT) > 8000 * 3);
    if let Some(qemu) = Qemu::require() {
        let checked = qemu.check(&bench.path("image.qcow2")).unwrap();
        assert!(checked.success(), "{checked:?}");
    }
}

#[test]
fn what_others_call_used_is_kept() {
    let bench = Bench::new();
    let Some(made) = Made::make(&bench, "disk") else {
        return;
    };
    let free = made.free(&bench, "disk");
    nothing_is_lost(&bench, "disk", &free);
    let count: u64 = unused(&bench, "disk")
        .iter()
        .map(|range| range.end - range.start)
        .sum();
    let theirs: u64 = free.iter().map(|range| range.end - range.start).sum();
    assert_eq!(count, theirs);
}

#[test]
fn one_partition_is_the_disk_if_asked_for() {
    let bench = Bench::new();
    let Some(made) = Made::make(&bench, "disk") else {
        return;
    };
    for (wanted, index) in [("1", 0), ("root", 2), ("BOOTFS", 1)] {
        let slot = &made.slots[index];
        bench.ok(&format!(
            "pack --force --verify --partition {wanted} disk part.qcow2"
        ));
        bench.ok("unpack --force part.qcow2 part");
        let window = made.window(&bench, "disk", slot);
        assert_eq!(bench.read("part").len(), bench.read(&window).len());
        bench.ok(&format!("pack --force {window} alone.qcow2"));
        assert!(
            bench.read("alone.qcow2") == bench.read("part.qcow2"),
            "{wanted}"
        );
        let ours = bench.ok(&format!("blocks --partition {wanted} disk"));
        let alone = bench.ok(&format!("blocks {window}"));
        assert!(ours.lines().skip(1).eq(alone.lines().skip(1)), "{wanted}");
    }
    let there = "1 \"esp\", 2 \"boot\", 3 \"root\", 4 \"swap\"";
    bench.fails(
        "pack --partition 9 disk x",
        1,
        &format!("disk: no partition is called \"9\"; there are {there}"),
    );
    let needs = format!(
        "disk: this needs one filesystem, and the disk has a partition table; --partition names \
         one of {there}"
    );
    bench.fails("pack --content metadata disk x", 2, &needs);
    bench.fails("pack --recover disk x", 2, &needs);
    bench.fails("blocks --superblock 1 --block-size 1K disk", 2, &needs);
    bench.ok("pack --recover --partition root disk x");
}

#[test]
fn info_shows_what_is_on_a_disk() {
    let bench = Bench::new();
    let Some(made) = Made::make(&bench, "disk") else {
        return;
    };
    let disk: Value = serde_json::from_str(&bench.ok("info --output json disk")).unwrap();
    assert_eq!(disk["format"], "raw");
    let parts = disk["disk"]["layout"]["parts"].as_array().unwrap();
    assert_eq!(parts.len(), made.slots.len());
    let text = bench.ok("info disk");
    assert!(
        text.contains("disk layout: a GPT with 4 partitions, sectors of 512 B"),
        "{text}"
    );
    assert!(text.contains("swap \"swap-label\" (swap)"), "{text}");
    bench.ok("pack disk image.qcow2");
    let image: Value = serde_json::from_str(&bench.ok("info --output json image.qcow2")).unwrap();
    assert!(image.get("disk").is_none());
    let image = bench.ok("info --layout --output json image.qcow2");
    let image: Value = serde_json::from_str(&image).unwrap();
    assert_eq!(image["disk"]["layout"], disk["disk"]["layout"]);
    assert_eq!(image["format"], "qcow2");
}
