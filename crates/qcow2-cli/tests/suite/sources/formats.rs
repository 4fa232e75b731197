//! Raw disks and qcow2 images, told apart.

use fixtures::Qemu;
use fixtures::qcow2::{Version, minimal};

use super::bench_with_disk;
use crate::bench::Bench;

const BOTH: &str = "it looks like a qcow2 image, and its name does not say so: \
                    --source-format qcow2 reads the disk in the image, --source-format raw \
                    uses the file itself as the disk";

#[test]
fn a_name_and_bytes_that_disagree_are_an_error() {
    let bench = Bench::new();
    let image = minimal(Version::V3, 12);
    for name in ["i.img", "i.raw", "i", "i.qcow2.bak", "qcow2"] {
        bench.write(name, &image.bytes);
        for command in ["pack", "blocks"] {
            let target = if command == "pack" { " made" } else { "" };
            bench.fails(
                &format!("{command} {name}{target}"),
                1,
                &format!("{name}: {BOTH}"),
            );
        }
        assert!(!bench.path("made").exists());
    }
    for name in ["i.qcow2", "i.QCOW2", "i.qcow2c", "i.qcow"] {
        bench.write(name, &image.bytes);
        bench.ok(&format!("pack --force {name} made"));
        bench.ok("unpack --force made disk");
        assert!(bench.read("disk") == image.disk, "{name}");
    }
    bench.write("raw.qcow2", vec![5; 9000]);
    bench.fails(
        "pack raw.qcow2 out",
        1,
        "raw.qcow2: its name is that of a qcow2 image, and its bytes are not; \
         --source-format raw uses the file itself as the disk",
    );
    bench.ok("pack --source-format raw raw.qcow2 out");
    bench.ok("unpack --force out disk");
    assert!(bench.read("disk") == vec![5; 9000]);
    let refused = bench.run("pack --source-format qcow2 disk out2");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused
            .stderr
            .starts_with("qcow2: disk: not a qcow2 image: "),
        "{refused:?}"
    );
    bench.fails(
        "pack --source-format raw --snapshot x disk out2",
        1,
        "disk: it is read as a raw disk, without --snapshot",
    );
    assert!(!bench.path("out2").exists());
}

#[test]
fn a_header_that_a_guest_wrote_opens_nothing() {
    let Some(bench) = bench_with_disk() else {
        return;
    };
    // The guest's disk begins with an image whose backing file is the host's.
    bench.write("secret", vec![0x5e; 1 << 20]);
    bench.qemu_img("create -q -f qcow2 -b secret -F raw evil.qcow2");
    let mut disk = bench.read("disk.raw");
    let header = bench.read("evil.qcow2");
    disk[..1024].copy_from_slice(&header[..1024]);
    for name in ["guest.raw", "guest.img"] {
        bench.write(name, &disk);
        for options in [
            "",
            "--references any ",
            "--references beside --content all ",
        ] {
            bench.fails(
                &format!("pack {options}{name} made"),
                1,
                &format!("{name}: {BOTH}"),
            );
        }
        assert!(!bench.path("made").exists());
        bench.ok(&format!("pack --force --source-format raw {name} meant"));
        bench.ok("unpack --force meant back");
        // The deleted file is not there any more, but all that is used is.
        assert!(bench.read("back")[..1024] == disk[..1024]);
    }
    // As a raw backing file, it is what the image above calls it.
    bench.qemu_img("create -q -f qcow2 -b guest.raw -F raw top.qcow2");
    bench.ok("pack --content all --references beside top.qcow2 flat");
    bench.ok("unpack --force flat back");
    assert!(bench.read("back") == disk);
}

#[test]
fn an_image_within_longer_storage_is_read() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    let image = minimal(Version::V3, 12);
    // What a device that is longer than the image has after it.
    bench.write("device", [image.bytes, vec![0xee; 100_000]].concat());
    bench.ok("pack --source-format qcow2 device made");
    bench.ok("unpack made disk");
    assert!(bench.read("disk") == image.disk);
}
