//! Disks with a partition table, FAT, and swap.

use std::fs;

use fixtures::number;
use serde_json::Value;

use super::{allocated, blocks, nothing_is_punched, only_free_bytes_differ};
use crate::bench::Bench;
use crate::pack::disks::made::{Made, Slot, put};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_disk_is_punched_partition_by_partition() {
    let bench = Bench::new();
    let Some(made) = Made::make(&bench, "disk") else {
        return;
    };
    fs::File::open(bench.path("disk"))
        .unwrap()
        .sync_all()
        .unwrap();
    let (list, before) = (blocks(&bench, "disk"), bench.read("disk"));
    let packed = json(&bench.ok("pack --output json disk image-before"));
    let text = bench.ok("punch --dry-run disk");
    assert!(
        text.starts_with(
            "source   disk: 110 MiB, a GPT with 4 partitions\npart 1   esp: 40 MiB, FAT32 \"ESP"
        ),
        "{text}"
    );
    assert!(
        text.contains("\npart 4   swap: 16 MiB, swap \"swap-label\", 4 KiB used, "),
        "{text}"
    );
    let report = bench.ok("punch --verify --output json disk");
    assert_eq!(json(&report)["layout"], packed["layout"]);
    assert!(json(&report).get("partition").is_none());
    let free = list["totals"]["unused"].as_u64();
    assert_eq!(number(&report, "free_bytes"), free);
    let differ = only_free_bytes_differ(&list, &before, &bench.read("disk"));
    assert!(differ > 40 << 20, "{differ}");
    assert_eq!(blocks(&bench, "disk"), list);
    bench.ok("pack disk image-after");
    assert!(bench.read("image-before") == bench.read("image-after"));
    assert_eq!(made.slots.len(), 4);
}

#[test]
fn one_partition_is_punched_and_no_other() {
    let bench = Bench::new();
    let Some(made) = Made::make(&bench, "disk") else {
        return;
    };
    let list = blocks(&bench, "disk");
    let sound = bench.read("disk");
    for (wanted, index) in [("1", 0), ("BOOTFS", 1), ("root", 2), ("swap-label", 3)] {
        let Slot { start, bytes, .. } = made.slots[index];
        bench.write("disk", &sound);
        let dry = bench.ok(&format!("punch --dry-run --partition {wanted} disk"));
        let line = format!(
            "\nonly     partition {}: all others stay as they are\n",
            index + 1
        );
        assert!(dry.contains(&line), "{dry}");
        assert!(bench.read("disk") == sound);
        let report = bench.ok(&format!(
            "punch --verify --output json --partition {wanted} disk"
        ));
        let part = &json(&report)["layout"]["parts"][index];
        assert_eq!(json(&report)["partition"], index + 1);
        assert_eq!(
            number(&report, "free_bytes"),
            part["free_bytes"].as_u64(),
            "{wanted}"
        );
        assert_eq!(json(&report)["filesystem"], part["filesystem"]);
        let after = bench.read("disk");
        assert!(
            only_free_bytes_differ(&list, &sound, &after) > 1 << 20,
            "{wanted}"
        );
        let [start, end] = [start, start + bytes].map(|at| usize::try_from(at).unwrap());
        assert!(
            after[..start] == sound[..start] && after[end..] == sound[end..],
            "{wanted}"
        );
    }
    bench.fails(
        "punch --partition 9 disk",
        1,
        "disk: no partition is called \"9\"; there are 1 \"esp\", 2 \"boot\", 3 \"root\", 4 \"swap\"",
    );
    for options in ["--content ext", "--superblock 1 --block-size 1K"] {
        let refused = bench.run(&format!("punch --partition 1 {options} disk"));
        assert_eq!(refused.code, Some(2), "{refused:?}");
    }
}

#[test]
fn fat_and_swap_are_punched_and_damage_names_what_repairs_it() {
    let bench = Bench::new();
    let Some(made) = Made::make(&bench, "machine") else {
        return;
    };
    let [esp, .., swap] = &made.slots[..] else {
        panic!()
    };
    for (slot, kind) in [(esp, "FAT32"), (swap, "swap")] {
        let window = made.window(&bench, "machine", slot);
        fs::File::open(bench.path(&window))
            .unwrap()
            .sync_all()
            .unwrap();
        let (list, before) = (blocks(&bench, &window), bench.read(&window));
        let allocated_before = allocated(&bench.path(&window));
        let report = bench.ok(&format!("punch --verify --output json {window}"));
        assert_eq!(json(&report)["filesystem"]["kind"], kind);
        assert!(only_free_bytes_differ(&list, &before, &bench.read(&window)) > 8 << 20);
        assert!(allocated(&bench.path(&window)) < allocated_before - (8 << 20));
        if kind == "swap" {
            // All but the first page.
            let mut want = before;
            want[4096..].fill(0);
            assert!(bench.read(&window) == want);
        }
    }
    // A cluster in use that no file has, in both FATs of the EFI partition.
    let window = made.window(&bench, "machine", esp);
    let mut fat = bench.read(&window);
    let field = |at: usize, width: usize| {
        let bytes = &fat[at..at + width];
        bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let (first, length) = (field(14, 2) * 512, field(36, 4) * 512);
    for table in [first, first + length] {
        fat[table + 4 * 60_000..][..4].copy_from_slice(&[0xff, 0xff, 0xff, 0x0f]);
    }
    bench.write("disk", &fat);
    nothing_is_punched(&bench, "", "the filesystem is damaged; fsck.fat repairs it");
    bench.write("disk", bench.read("machine"));
    bench.write(&window, &fat);
    put(&bench, &window, "disk", esp.start);
    let why = "the filesystem is damaged; fsck.fat repairs it";
    nothing_is_punched(
        &bench,
        "",
        &format!("partition 1: {why}; --partition gives back the free blocks of another"),
    );
    nothing_is_punched(&bench, " --partition 1", why);
    let report = bench.ok("punch --verify --output json --partition swap disk");
    assert_eq!(number(&report, "free_bytes"), Some(swap.bytes - 4096));

    // A physical volume of LVM2 whose label is damaged.
    let mut label = vec![0; usize::try_from(swap.bytes).unwrap()];
    label[512..528].copy_from_slice(b"LABELONE\x01\0\0\0\0\0\0\0");
    label[532..544].copy_from_slice(b" \0\0\0LVM2 001");
    bench.write("disk", bench.read("machine"));
    bench.write("label", &label);
    put(&bench, "label", "disk", swap.start);
    let why = "label at byte 0x200: its checksum is 0x0, that of its bytes 0x28a8ac73";
    nothing_is_punched(
        &bench,
        "",
        &format!("partition 4: {why}; --partition gives back the free blocks of another"),
    );
}
