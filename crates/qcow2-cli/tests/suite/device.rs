//! Block devices as source, image and target. Needs root and loop devices.

use std::fs;

use fixtures::ext::{DISK_BYTES, Filesystem, Kind};
use fixtures::{Qemu, SplitMix, number};

use crate::bench::Bench;
use crate::mounts::Loop;

#[test]
fn a_device_is_packed_and_its_file_is_not() {
    let bench = Bench::new();
    bench.write("disk", Filesystem::new(Kind::Ext4).bytes);
    let Some(source) = Loop::over(&bench.path("disk")) else {
        return;
    };
    bench.ok(&format!("pack --verify {} one", source.device));
    let name = source.device.trim_start_matches("/dev/");
    bench.fails(
        "pack disk two",
        1,
        &format!(
            "disk: loop device {name} is backed by it; a snapshot is better, --allow-mounted packs all of it anyway"
        ),
    );
    drop(source);
    bench.ok("pack disk two");
    assert!(bench.read("one") == bench.read("two"));
}

#[test]
fn a_disk_goes_back_onto_a_device_and_no_further() {
    let bench = Bench::new();
    let disk = SplitMix::new(6).bytes(1 << 20);
    bench.write("disk", [disk.clone(), vec![0; 1 << 20]].concat());
    bench.ok("pack disk image");
    bench.write("storage", vec![0xff; 3 << 20]);
    let Some(target) = Loop::over(&bench.path("storage")) else {
        return;
    };
    let exists = format!("{} already exists; --force overwrites it", target.device);
    bench.fails(&format!("unpack image {}", target.device), 1, &exists);
    bench.ok(&format!("unpack --force image {}", target.device));
    drop(target);
    let expected = [disk, vec![0; 1 << 20], vec![0xff; 1 << 20]].concat();
    assert!(bench.read("storage") == expected);

    bench.write("storage", vec![0xff; 1 << 20]);
    let Some(target) = Loop::over(&bench.path("storage")) else {
        return;
    };
    let device = &target.device;
    bench.fails(
        &format!("unpack --force image {device}"),
        1,
        &format!(
            "{device}: making the disk 2097152 bytes long: {device} is too small: it holds 1048576 bytes, but 2097152 are needed"
        ),
    );
    drop(target);
    assert!(bench.read("storage") == vec![0xff; 1 << 20]);
}

#[test]
fn only_what_differs_is_written_to_a_device() {
    let bench = Bench::new();
    let mut disk = [SplitMix::new(7).bytes(1 << 20), vec![0; 1 << 20]].concat();
    bench.write("disk", &disk);
    bench.ok("pack disk image");
    let mut old = disk.clone();
    old[5000] ^= 1;
    old[(1 << 20) + 70_000] = 1;
    bench.write("storage", [&old[..], &[0xff; 4096]].concat());
    let Some(target) = Loop::over(&bench.path("storage")) else {
        return;
    };
    let unpack = format!(
        "unpack --only-changed --output json image {}",
        target.device
    );
    let json = bench.ok(&unpack);
    assert_eq!(number(&json, "written_bytes"), Some(4096));
    assert_eq!(number(&json, "zeroed_bytes"), Some(4096));
    let json = bench.ok(&unpack);
    assert_eq!(number(&json, "written_bytes"), Some(0));
    assert_eq!(number(&json, "zeroed_bytes"), Some(0));
    drop(target);
    disk.extend([0xff; 4096]);
    assert!(bench.read("storage") == disk);
}

#[test]
fn metadata_goes_back_onto_a_device() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    bench.qemu_img("create -q -f qcow2 -o cluster_size=4k image 1M");
    bench.qemu_io("write -P 1 400k 8k", "image");
    bench.qemu_io("write -z 404k 4k", "image");
    let mut image = bench.read("image");
    let marker = [0x5132_414c_0000_0008, 0x0000_0001_0000_1000, 0u64];
    let marker: Vec<u8> = marker.iter().flat_map(|word| word.to_be_bytes()).collect();
    image[112..136].copy_from_slice(&marker);
    bench.write("image", image);
    let mut want = SplitMix::new(3).bytes((1 << 20) + 4096);
    bench.write("storage", &want);
    let Some(target) = Loop::over(&bench.path("storage")) else {
        return;
    };
    bench.ok(&format!("unpack --only-allocated image {}", target.device));
    drop(target);
    want[400 << 10..404 << 10].fill(1);
    want[404 << 10..408 << 10].fill(0);
    assert!(bench.read("storage") == want);
}

#[test]
fn an_image_on_a_device_is_the_same_image() {
    let bench = Bench::new();
    bench.write("disk", Filesystem::new(Kind::Ext4).bytes);
    bench.ok("pack disk image");
    bench.write("storage", vec![0xff; 2 << 20]);
    let Some(target) = Loop::over(&bench.path("storage")) else {
        return;
    };
    bench.ok(&format!("pack --force --verify disk {}", target.device));
    bench.ok(&format!("unpack {} restored", target.device));
    drop(target);
    let image = bench.read("image");
    assert!(bench.read("storage")[..image.len()] == image);
    assert_eq!(
        fs::metadata(bench.path("restored")).unwrap().len(),
        DISK_BYTES
    );
    if let Some(qemu) = Qemu::require() {
        assert!(qemu.check(&bench.path("storage")).unwrap().success());
    }
}
