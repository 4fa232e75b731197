//! Disks in use, and block devices. Needs root and loop devices.

use std::fs;

use fixtures::ext::{Filesystem, Kind};
use fixtures::{number, require};

use super::{allocated, blocks, only_free_bytes_differ};
use crate::bench::Bench;
use crate::mounts::{Loop, Mount, Mounted};

#[test]
fn a_device_gives_blocks_back_by_zeroing_and_by_discarding() {
    for option in ["", "--discard"] {
        if option == "--discard" && require("blkdiscard").is_none() {
            continue;
        }
        let bench = Bench::new();
        let before = Filesystem::new(Kind::Ext4).bytes;
        bench.write("disk", &before);
        fs::File::open(bench.path("disk"))
            .unwrap()
            .sync_all()
            .unwrap();
        let list = blocks(&bench, "disk");
        let allocated_before = allocated(&bench.path("disk"));
        let Some(device) = Loop::over(&bench.path("disk")) else {
            return;
        };
        let dry = bench.ok(&format!(
            "punch --dry-run --output json {option} {}",
            device.device
        ));
        assert_eq!(number(&dry, "punched_bytes"), Some(240 << 10), "{dry}");
        let json = bench.ok(&format!(
            "punch --verify --output json {option} {}",
            device.device
        ));
        let method = if option.is_empty() {
            "zeroed"
        } else {
            "discard"
        };
        assert!(
            json.contains(&format!("\"method\": \"{method}\"")),
            "{json}"
        );
        assert_eq!(number(&json, "given_back_bytes"), Some(240 << 10), "{json}");
        drop(device);
        let after = bench.read("disk");
        assert!(only_free_bytes_differ(&list, &before, &after) > 0);
        assert!(allocated(&bench.path("disk")) <= allocated_before - (240 << 10));
    }
}

#[test]
fn a_disk_in_use_is_refused() {
    let Some(mounted) = Mounted::new(16, &[]) else {
        return;
    };
    let Mounted {
        mount,
        device,
        bench,
    } = mounted;
    let (on, name) = (mount.0.display().to_string(), device.device.clone());
    for more in ["", " --dry-run", " --zeros"] {
        bench.fails(
            &format!("punch{more} {name}"),
            1,
            &format!("{name} is in use: it is mounted on {on}; unmount it first"),
        );
        let backed = name.trim_start_matches("/dev/");
        bench.fails(
            &format!("punch{more} disk"),
            1,
            &format!(
                "disk is in use: loop device {backed} is backed by it; losetup -d {name} detaches it"
            ),
        );
    }
    drop(mount);
    bench.ok(&format!("punch {name}"));
}

/// A disk whose partition is in use by way of another loop device over the same file.
#[test]
fn a_file_that_is_in_use_by_another_loop_device_is_refused() {
    let (Some(e2fs), Some(sgdisk)) = (fixtures::E2fs::require(), require("sgdisk")) else {
        return;
    };
    let bench = Bench::new();
    let disk = fs::File::create(bench.path("disk")).unwrap();
    disk.set_len(40 << 20).unwrap();
    sgdisk
        .ok(|command| command.args(["-n", "1:2048:67583"]).arg(bench.path("disk")))
        .unwrap();
    e2fs.make(&bench.path("part"), 32 << 20, &["-t", "ext4"])
        .unwrap();
    crate::pack::disks::made::put(&bench, "part", "disk", 1 << 20);
    let Some(inner) = Loop::part_of(&bench.path("disk"), 1 << 20, 32 << 20) else {
        return;
    };
    let mount = Mount::new(&inner.device, bench.path("mount"));
    let Some(outer) = Loop::over(&bench.path("disk")) else {
        return;
    };
    fs::write(bench.path("mount/file"), vec![7; 3 << 20]).unwrap();
    let before = bench.read("disk");
    for options in ["", " --dry-run", " --partition 1", " --zeros"] {
        let refused = bench.run(&format!("punch{options} {}", outer.device));
        assert_eq!(refused.code, Some(1), "{options}: {refused:?}");
        let start = format!("qcow2: {} is in use: ", outer.device);
        assert!(refused.stderr.starts_with(&start), "{refused:?}");
    }
    assert!(bench.read("disk") == before);
    assert!(fs::read(bench.path("mount/file")).unwrap() == vec![7; 3 << 20]);
    drop(mount);
    drop(inner);
    bench.ok(&format!("punch {}", outer.device));
}
