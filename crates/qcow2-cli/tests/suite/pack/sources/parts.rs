//! Parts of sources and of targets.

use std::fs::File;

use fixtures::Tool;
use fixtures::require;

use super::{bench_with_disk, filled};
use crate::bench::Bench;

#[test]
fn a_part_of_a_disk_is_the_same_image_as_that_part_alone() {
    let Some(bench) = bench_with_disk() else {
        return;
    };
    let part = bench.read("disk.raw");
    for start in [1 << 20, 4711] {
        let whole = [vec![0xaa; start], part.clone(), vec![0xbb; 5000]].concat();
        bench.write("whole.raw", whole);
        bench.qemu_img("convert -f raw -O qcow2 whole.raw whole.qcow2");
        let length = part.len();
        for name in ["whole.raw", "whole.qcow2"] {
            let options = format!("--offset {start} --length {length}");
            bench.ok(&format!("pack --force --verify {options} {name} made"));
            assert!(bench.read("made") == bench.read("reference"), "{name}");
            let listed = bench.ok(&format!("blocks --output bmap {options} {name}"));
            let alone = bench.ok("blocks --output bmap disk.raw");
            let ranges = |list: &str| {
                let lines = list.lines().filter(|line| line.contains("<Range"));
                lines.map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(ranges(&listed), ranges(&alone));
        }
    }
}

#[test]
fn a_part_that_is_not_there_is_refused() {
    let bench = Bench::new();
    filled(&bench, "disk", 8192);
    for (options, why) in [
        (
            "--offset 8K",
            "--offset 8192 is not within the 8192 bytes of the source",
        ),
        (
            "--offset 1 --length 8K",
            "--length 8192 from byte 1 on passes the end of the source at 8192",
        ),
        ("--length 0", "--length 0 leaves nothing of the source"),
    ] {
        bench.fails(
            &format!("pack {options} disk made"),
            1,
            &format!("disk: {why}"),
        );
        bench.fails(
            &format!("blocks {options} disk"),
            1,
            &format!("disk: {why}"),
        );
    }
    assert_eq!(bench.names(), ["disk"]);
}

#[test]
fn a_disk_is_restored_into_a_place_and_nothing_else_is_touched() {
    let bench = Bench::new();
    bench.write(
        "disk",
        [vec![1; 5000], vec![0; 70_000], vec![2; 777]].concat(),
    );
    bench.ok("pack disk image");
    let disk = bench.read("disk");
    for (way, start) in [
        ("--in-place", 4096),
        ("--only-changed", 4097),
        ("--in-place", 0),
    ] {
        filled(&bench, "target", 100_000);
        bench.ok(&format!(
            "unpack {way} --target-offset {start} image target"
        ));
        let mut want = vec![0x55; 100_000];
        want[start..start + disk.len()].copy_from_slice(&disk);
        assert!(bench.read("target") == want, "{way} {start}");
    }
    let before = bench.read("target");
    let start = 100_000 - disk.len() + 1;
    bench.fails(
        &format!("unpack --in-place --target-offset {start} image target"),
        1,
        &format!(
            "target: it is too short: it holds 100000 bytes, and the disk has {} from byte \
             {start} on",
            disk.len()
        ),
    );
    bench.fails(
        "unpack --in-place --target-offset 0 image missing",
        1,
        "missing: there is no such file or block device to write the disk into",
    );
    bench.fails(
        "unpack --force --target-offset 0 image target",
        2,
        "--target-offset requires --in-place or --only-changed",
    );
    assert!(bench.read("target") == before);
    assert_eq!(bench.names(), ["disk", "image", "target"]);
}

#[test]
fn a_disk_grows_and_the_backup_of_its_gpt_moves_if_asked_to() {
    let Some(sgdisk) = require("sgdisk") else {
        return;
    };
    let bench = Bench::new();
    let run = |arguments: &[&str]| {
        let ran = Tool::ok(&sgdisk, |command| {
            command.args(arguments).current_dir(bench.folder())
        });
        ran.unwrap()
    };
    let disk = File::create(bench.path("disk.raw")).unwrap();
    disk.set_len(16 << 20).unwrap();
    run(&["-n", "1:0:+4M", "-t", "1:8300", "-c", "1:root", "disk.raw"]);
    bench.fails(
        "pack --grow 8M disk.raw image",
        1,
        "disk.raw: --grow 8388608 is less than the 16777216 bytes of the disk",
    );

    // Longer, and otherwise as it was.
    let told = bench.ok("pack --verify --grow 40M disk.raw image");
    let table = "table    the backup GPT header is at byte 16776704, not in the last sector\n";
    let hint = "hint     the disk is longer, and the backup of its GPT is no longer at its end; \
                --move-gpt-backup moves it\n";
    assert!(told.contains(table) && told.contains(hint), "{told}");
    bench.ok("unpack image grown");
    let grown = bench.read("grown");
    let raw = bench.read("disk.raw");
    assert!(grown.len() == 40 << 20 && grown[..raw.len()] == raw);
    assert!(grown[raw.len()..].iter().all(|&byte| byte == 0));

    // With a right backup, which sgdisk finds no fault with.
    // Sizes that are a multiple of a sector of 512 bytes, and of nothing larger.
    for size in ["40M", "16777728", "17M", "20972032", "16777216"] {
        bench.ok(&format!(
            "pack --force --verify --grow {size} --move-gpt-backup disk.raw image"
        ));
        bench.ok("unpack --force image grown");
        let said = run(&["-v", "grown"]);
        assert!(said.contains("No problems found"), "{size}: {said}");
        let listed = run(&["-p", "grown"]);
        assert!(listed.contains("root"), "{listed}");
    }
    for size in ["16777217", "16777727", "20972033"] {
        bench.fails(
            &format!("pack --grow {size} --move-gpt-backup disk.raw odd"),
            1,
            &format!(
                "disk.raw: --move-gpt-backup needs whole sectors of 512 bytes, not --grow {size}"
            ),
        );
        // Without a backup to move, a disk may end anywhere.
        bench.ok(&format!(
            "pack --force --verify --grow {size} disk.raw image"
        ));
        bench.ok("unpack --force image grown");
        assert_eq!(bench.read("grown").len().to_string(), size);
    }
    assert!(bench.read("disk.raw") == raw);

    // What is not right is not repaired.
    let mut cut = raw.clone();
    let end = cut.len();
    cut[end - 512..].fill(0);
    bench.write("cut.raw", cut);
    let refused = bench.run("pack --grow 40M --move-gpt-backup cut.raw out");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let start = "qcow2: cut.raw: --move-gpt-backup: the GPT is not quite right: ";
    assert!(refused.stderr.starts_with(start), "{refused:?}");
    bench.write("none.raw", vec![3; 1 << 20]);
    bench.fails(
        "pack --grow 40M --move-gpt-backup none.raw out",
        1,
        "none.raw: --move-gpt-backup: there is no GPT on the disk",
    );
    assert!(!bench.path("out").exists());
}
