//! Parts of sources and of targets.

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
