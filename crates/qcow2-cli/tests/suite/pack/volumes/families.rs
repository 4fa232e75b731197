//! Volumes with filesystems other than ext.

use std::fs;

use fixtures::{Family, FsTools, require};
use serde_json::Value;

use super::group::{Disk, MIB};
use super::{DELETED, KEPT, OLD, filled, tree};
use crate::bench::Bench;
use crate::pack::disks::count;

/// A volume, its length, how it is made, and its filesystem.
struct Slot {
    name: &'static str,
    bytes: u64,
    /// What `lvcreate` is told of its stripes, and of the partitions it is on.
    stripes: &'static str,
    devices: &'static str,
    family: Family,
    options: &'static [&'static str],
}

const SLOTS: [Slot; 3] = [
    Slot {
        name: "xfs",
        bytes: 48 * MIB,
        stripes: "-i 2 -I 64k",
        devices: "@1 @2",
        family: Family::Xfs,
        options: &[],
    },
    Slot {
        name: "btrfs",
        bytes: 120 * MIB,
        stripes: "",
        devices: "@1 @2",
        family: Family::Btrfs,
        options: &["-m", "dup"],
    },
    Slot {
        name: "ntfs",
        bytes: 16 * MIB,
        stripes: "",
        devices: "@2",
        family: Family::Ntfs,
        options: &[],
    },
];

/// Makes the filesystem of a volume in a file, with one file that is kept and one that
/// is deleted.
fn fill(bench: &Bench, slot: &Slot, tools: &FsTools) {
    let (image, folder) = (bench.path(slot.name), bench.path("mounted"));
    bench.write(slot.name, filled(OLD, slot.bytes));
    tools.make(&image, slot.bytes, slot.options).unwrap();
    let mount = tools.mount(&image, &folder, "rw").unwrap();
    fs::create_dir(folder.join("folder")).unwrap();
    fs::write(folder.join("folder/kept"), filled(KEPT, 3 * MIB)).unwrap();
    fs::write(folder.join("gone"), filled(DELETED, 2 * MIB)).unwrap();
    mount.end().unwrap();
    let mount = tools.mount(&image, &folder, "rw").unwrap();
    fs::remove_file(folder.join("gone")).unwrap();
    mount.end().unwrap();
}

#[test]
fn filesystems_of_each_family_are_known_in_volumes() {
    let tools = SLOTS.iter().map(|slot| match slot.family {
        Family::Ntfs => require("ntfs-3g").and_then(|_| FsTools::find(slot.family)),
        family => FsTools::find(family),
    });
    let Some(tools) = tools.collect::<Option<Vec<_>>>() else {
        eprintln!("SKIPPED: volumes of each family: programs are missing");
        return;
    };
    let Some(disk) = Disk::new(2, 120) else {
        return;
    };
    let bench = &disk.bench;
    let Some(attached) = disk.attach("disk") else {
        return;
    };
    attached.lvm("pvcreate @1 @2");
    attached.lvm("vgcreate vg @1 @2");
    for (slot, tools) in SLOTS.iter().zip(&tools) {
        let (name, bytes) = (slot.name, slot.bytes);
        let (stripes, devices) = (slot.stripes, slot.devices);
        attached.create(&format!("-n {name} -L {bytes}b {stripes} vg {devices}"));
        fill(bench, slot, tools);
        attached.write("disk", &format!("vg/{name}"), name);
    }
    drop(attached);
    let before = bench.read("disk");
    assert!(count(&before, OLD) > 0 && count(&before, DELETED) > 0);

    let report = bench.ok("pack --verify --output json disk image.qcow2");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["notes"], serde_json::json!([]), "{report}");
    bench.ok("unpack image.qcow2 restored");
    let attached = disk.attach("restored").unwrap();
    for (slot, tools) in SLOTS.iter().zip(&tools) {
        let copy = format!("{}.restored", slot.name);
        attached.read("restored", &format!("vg/{}", slot.name), &copy);
        let bytes = bench.read(&copy);
        assert_eq!(count(&bytes, DELETED), 0, "{}", slot.name);
        // Sectors that a block of the filesystem has in reserve.
        assert!(
            count(&bytes, OLD) < count(&before, OLD) / 100,
            "{}",
            slot.name
        );
        let [before, after] =
            [slot.name, &copy].map(|name| tools.check(&bench.path(name)).unwrap());
        assert_eq!(after, before, "{}", slot.name);
        let [before, after] = [slot.name, &copy].map(|name| {
            let folder = bench.path("mounted");
            let mount = tools.mount(&bench.path(name), &folder, "ro").unwrap();
            let files = tree(&folder);
            mount.end().unwrap();
            files
        });
        assert!(before == after, "{}", slot.name);
        assert_eq!(after["folder/kept"], filled(KEPT, 3 * MIB));
    }
}
