//! Volumes of LVM2, made by its tools.

mod families;
mod group;
mod kinds;

use std::collections::BTreeMap;
use std::process::Command;

use fixtures::{E2fs, require};
use serde_json::Value;

use super::disks::{count, filled, tree};
use crate::bench::Bench;
use group::{Attached, Disk, MIB};

/// On the disk before anything was made on it.
const OLD: &[u8] = b"<what was there before>";
/// In a volume that was removed, and in a file that was deleted.
const DELETED: &[u8] = b"<what was deleted>";
/// In a file that is there.
const KEPT: &[u8] = b"<what a file still has>";
/// In a volume that nobody knows.
const UNKNOWN: &[u8] = b"<what a volume has>";

/// Makes ext4 with files, one of which is deleted, in the file `name`.
fn ext4(bench: &Bench, e2fs: &E2fs, name: &str, bytes: u64) {
    let tree = bench.path(&format!("{name}.tree"));
    std::fs::create_dir_all(tree.join("folder")).unwrap();
    std::fs::write(tree.join("folder/kept"), filled(KEPT, 3 * MIB)).unwrap();
    std::fs::write(tree.join("gone"), filled(DELETED, 2 * MIB)).unwrap();
    let tree = tree.display().to_string();
    let options = ["-t", "ext4", "-L", name, "-b", "4096", "-d", tree.as_str()];
    e2fs.make(&bench.path(name), bytes, &options).unwrap();
    e2fs.debugfs(&bench.path(name), &["rm gone".into()])
        .unwrap();
}

/// The files of the ext4 in the file `name`, which is checked.
fn files(bench: &Bench, e2fs: &E2fs, name: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = bench.path(&format!("{name}.files"));
    std::fs::create_dir(&folder).unwrap();
    let checked = e2fs.fsck(&["-fn"], &bench.path(name)).unwrap();
    assert_eq!(checked.code, Some(0), "{checked:?}");
    e2fs.copy_out(&bench.path(name), &folder).unwrap();
    tree(&folder)
}

/// A disk with three physical volumes, and a linear, a striped and a two-segment volume with
/// ext4, FAT and swap, one that nobody knows, and one that was removed.
struct Made {
    disk: Disk,
    e2fs: E2fs,
}

const VOLUMES: [(&str, u64); 4] = [("root", 24), ("striped", 24), ("fat", 16), ("odd", 8)];

impl Made {
    fn new() -> Option<Self> {
        let e2fs = E2fs::require()?;
        let fat = require("mkfs.fat")?;
        let disk = Disk::new(3, 60)?;
        let made = Self { disk, e2fs };
        let bench = &made.disk.bench;
        let attached = made.disk.attach("disk")?;
        attached.lvm("pvcreate @1 @2 @3");
        attached.lvm("vgcreate vg @1 @2 @3");
        attached.create("-n root -L 16M vg @1");
        attached.create("-n gone -L 8M vg @1");
        attached.create("-n striped -i 2 -I 16k -L 24M vg @2 @3");
        attached.create("-n fat -L 16M vg @3");
        attached.create("-n odd -L 8M vg @2");
        bench.write("gone", filled(DELETED, 8 * MIB));
        attached.write("disk", "vg/gone", "gone");
        attached.lvm("lvremove -y vg/gone");
        // Another segment, after the place that became free.
        attached.lvm("lvextend -L 24M vg/root @2");
        ext4(bench, &made.e2fs, "root", 24 * MIB);
        ext4(bench, &made.e2fs, "striped", 24 * MIB);
        bench.write("fat", filled(OLD, 16 * MIB));
        let format = |command: &mut Command| {
            command.args(["-n", "FAT"]).arg(bench.path("fat"));
        };
        fat.ok(|command| {
            format(command);
            command
        })
        .unwrap();
        bench.write("odd", filled(UNKNOWN, 8 * MIB));
        for (name, _) in VOLUMES {
            attached.write("disk", &format!("vg/{name}"), name);
        }
        drop(attached);
        Some(made)
    }

    /// Asserts that each volume of the disk called `name` holds what it did.
    #[track_caller]
    fn holds(&self, name: &str) {
        let bench = &self.disk.bench;
        let attached = self.disk.attach(name).unwrap();
        for (volume, mib) in VOLUMES {
            let copy = format!("{name}.{volume}");
            attached.read(name, &format!("vg/{volume}"), &copy);
            let (before, after) = (bench.read(volume), bench.read(&copy));
            assert_eq!(after.len(), usize::try_from(mib * MIB).unwrap());
            match volume {
                "root" | "striped" => {
                    assert_eq!(count(&after, DELETED), 0);
                    assert_eq!(count(&after, OLD), 0);
                    let original = format!("{copy}.before");
                    bench.write(&original, before);
                    let want = files(bench, &self.e2fs, &original);
                    assert_eq!(files(bench, &self.e2fs, &copy), want);
                    assert!(count(&after, KEPT) > 0);
                }
                "fat" => {
                    assert!(count(&before, OLD) > 1000);
                    // Half a block of the storage is not given back.
                    let left = if name == "punched" {
                        2048 / OLD.len()
                    } else {
                        0
                    };
                    assert!(count(&after, OLD) <= left);
                    assert_eq!(before[..512], after[..512]);
                }
                _ => assert!(before == after),
            }
        }
    }
}

/// What the tools say of the physical volumes and the group.
fn said(attached: &Attached<'_>) -> Vec<String> {
    let mut said: Vec<_> = (1..=attached.loops.len())
        .map(|part| attached.lvm(&format!("pvck --dump headers @{part}")))
        .collect();
    said.push(attached.lvm("pvck --dump metadata_all @1"));
    said.push(attached.lvm("vgck vg"));
    let lists = [
        "vgs -o all",
        "pvs -o pv_uuid,pe_start,pv_pe_count,pv_pe_alloc_count",
    ];
    said.extend(lists.map(|list| attached.lvm(list)));
    said.push(attached.lvm("lvs -a -o lv_uuid,lv_name,seg_start,seg_size,segtype"));
    said
}

#[test]
fn volumes_are_packed_by_what_they_hold() {
    let Some(made) = Made::new() else {
        return;
    };
    let bench = &made.disk.bench;
    let report = bench.ok("pack --verify --output json disk image.qcow2");
    let report: Value = serde_json::from_str(&report).unwrap();
    let parts = report["layout"]["parts"].as_array().unwrap();
    let mut found = Vec::new();
    for part in parts {
        assert_eq!(part["physical_volume"]["volume_group"], "vg");
        let volumes = part["physical_volume"]["volumes"].as_array().unwrap();
        found.extend(volumes.iter().map(|volume| {
            let text = |key: &str| volume[key].as_str().unwrap().to_owned();
            let number = |key: &str| volume[key].as_u64().unwrap();
            let (used, free) = (number("used_bytes"), number("free_bytes"));
            assert_eq!(used + free, number("bytes"));
            let kind = volume["filesystem"]["kind"].as_str().unwrap_or("");
            (text("name"), text("type"), kind.to_owned(), free > 0)
        }));
    }
    let want = [
        ("vg/root", "linear", "ext4", true),
        ("vg/striped", "striped", "ext4", true),
        ("vg/odd", "linear", "", false),
        ("vg/fat", "linear", "FAT16", true),
    ];
    let want = want.map(|(name, kind, fs, free)| (name.into(), kind.into(), fs.into(), free));
    assert_eq!(found, want);
    bench.ok("unpack image.qcow2 restored");
    let before = said(&made.disk.attach("disk").unwrap());
    // The devices may have other names.
    let plain = |said: Vec<String>| -> Vec<String> {
        let words = |text: &String| {
            let words = text
                .split_whitespace()
                .filter(|word| !word.starts_with("/dev/"));
            words.collect::<Vec<_>>().join(" ")
        };
        said.iter().map(words).collect()
    };
    let after = said(&made.disk.attach("restored").unwrap());
    assert_eq!(plain(after), plain(before));
    made.holds("restored");
    let restored = bench.read("restored");
    assert!(count(&bench.read("disk"), DELETED) > 0);
    assert_eq!(
        (count(&restored, DELETED), count(&restored, UNKNOWN) > 0),
        (0, true)
    );
    let human = bench.ok("info disk");
    assert!(human.contains("  ext4 \"root\" (vg/root)\n"), "{human}");
}

#[test]
fn punch_and_increments_know_volumes() {
    let Some(made) = Made::new() else {
        return;
    };
    let bench = &made.disk.bench;
    bench.ok("pack disk base.qcow2");
    std::fs::copy(bench.path("disk"), bench.path("punched")).unwrap();
    let report = bench.ok("punch --verify --output json punched");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["nothing_free"], Value::Null);
    assert!(
        report["punched_bytes"].as_u64().unwrap() > 60 * MIB,
        "{report}"
    );
    made.holds("punched");
    assert_eq!(count(&bench.read("punched"), DELETED), 0);
    // One volume changes.
    let changed = filled(b"<what is new>", 8 * MIB);
    bench.write("odd", changed);
    let attached = made.disk.attach("disk").unwrap();
    attached.write("disk", "vg/odd", "odd");
    drop(attached);
    bench.ok("pack --base base.qcow2 disk next.qcow2");
    let bytes = |name: &str| std::fs::metadata(bench.path(name)).unwrap().len();
    assert!(bytes("next.qcow2") < 10 * MIB);
    bench.ok("unpack --references beside next.qcow2 restored");
    made.holds("restored");
}

#[test]
fn one_volume_is_a_source() {
    let Some(made) = Made::new() else {
        return;
    };
    let bench = &made.disk.bench;
    let ranges = |arguments: &str| {
        let json: Value =
            serde_json::from_str(&bench.ok(&format!("blocks --output json {arguments}"))).unwrap();
        json["ranges"].clone()
    };
    for volume in ["root", "striped", "fat"] {
        let want = ranges(volume);
        assert_eq!(ranges(&format!("--partition vg/{volume} disk")), want);
        bench.ok(&format!(
            "pack --verify --partition vg/{volume} disk one.qcow2"
        ));
        bench.ok(&format!("pack {volume} same.qcow2"));
        bench.ok("unpack one.qcow2 one");
        bench.ok("unpack same.qcow2 same");
        assert!(bench.read("one") == bench.read("same"), "{volume}");
        for name in ["one.qcow2", "same.qcow2", "one", "same"] {
            std::fs::remove_file(bench.path(name)).unwrap();
        }
    }
    // By the label of its filesystem, and without the contents of files.
    bench.ok("pack --content metadata --partition striped disk metadata.qcow2");
    bench.ok("pack --content metadata striped same.qcow2");
    assert!(bench.read("metadata.qcow2") == bench.read("same.qcow2"));
    let outcome = bench.run("pack --content metadata disk no.qcow2");
    let list = "this needs one filesystem, and the disk has a partition table; --partition names \
                one of 1, 2, 3, vg/root, vg/striped, vg/fat, vg/odd";
    assert!(outcome.stderr.contains(list), "{outcome:?}");
}
