//! Images that share blocks with their source, on filesystems that can. Needs
//! root and loop devices.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use blockio::{Extent, ExtentKind, Reflink};
use fixtures::{Qemu, SplitMix, Tool, require};
use hostdisk::{Disk, Target, TargetOptions};
use qcow2_writer::{PackOptions, pack};

/// What both filesystems accept, and more than both need.
const FILESYSTEM_BYTES: u64 = 512 << 20;

/// A new filesystem, mounted until it is dropped.
struct Mounted {
    umount: Tool,
    place: PathBuf,
}

impl Mounted {
    /// `None`, after saying so, where we cannot make or mount one.
    fn new(mkfs: &str, folder: &Path) -> Option<Self> {
        let (mkfs, mount, umount) = (require(mkfs)?, require("mount")?, require("umount")?);
        let (disk, place) = (folder.join("filesystem"), folder.join("place"));
        File::create(&disk)
            .unwrap()
            .set_len(FILESYSTEM_BYTES)
            .unwrap();
        mkfs.ok(|command| command.arg("-q").arg(&disk)).unwrap();
        fs::create_dir(&place).unwrap();
        match mount.ok(|command| command.args(["-o", "loop"]).arg(&disk).arg(&place)) {
            Ok(_) => Some(Self { umount, place }),
            Err(error) => {
                eprintln!("SKIPPED: no mount: {error}");
                None
            }
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A process that another test starts holds what is open here, until it
        // becomes another program.
        for _ in 0..50 {
            let unmounted = self.umount.run(|command| command.arg(&self.place));
            if unmounted.is_ok_and(|outcome| outcome.success()) {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Packs a disk on a filesystem made by `mkfs` and judges the image.
fn share_on(mkfs: &str) {
    let folder = tempfile::tempdir().unwrap();
    let Some(mounted) = Mounted::new(mkfs, folder.path()) else {
        return;
    };
    let [source, image, restored] =
        ["source", "image", "restored"].map(|name| mounted.place.join(name));
    // Some clusters of zeros, freed bytes from inside a cluster into another,
    // and an end inside a cluster.
    let mut disk = SplitMix::new(8).bytes((32 << 20) + 512);
    disk[4 << 20..5 << 20].fill(0);
    fs::write(&source, &disk).unwrap();
    let size = (32 << 20) + 512;
    let freed = (8 << 20) + 4096..(16 << 20) - 4096;
    let extents = [
        Extent::new(0..freed.start, ExtentKind::Data),
        Extent::new(freed.clone(), ExtentKind::Free),
        Extent::new(freed.end..size, ExtentKind::Data),
    ];
    let target = Target::create(&image, &TargetOptions::default()).unwrap();
    let mut options = PackOptions::default();
    options.reflink = Reflink::Always;

    let report = pack(&Disk::open(&source).unwrap(), &extents, &target, &options).unwrap();
    target.commit().unwrap();
    assert_eq!(report.reflinked_bytes, 24 << 20);
    assert_eq!(report.stored_bytes, (24 << 20) + (2 << 16) + 512);

    if let Some(filefrag) = require("filefrag") {
        let told = filefrag
            .ok(|command| command.arg("-v").arg(&image))
            .unwrap();
        let shared = told.lines().filter(|line| line.contains("shared")).count();
        assert!(shared >= 2, "{told}");
    }
    let Some(qemu) = Qemu::require() else { return };
    let checked = qemu.check(&image).unwrap();
    assert!(checked.success(), "{checked:?}");
    qemu.unpack(&image, &restored).unwrap();
    let freed = usize::try_from(freed.start).unwrap()..usize::try_from(freed.end).unwrap();
    disk[freed].fill(0);
    assert!(fs::read(&restored).unwrap() == disk);
}

#[test]
fn an_image_on_btrfs() {
    share_on("mkfs.btrfs");
}

#[test]
fn an_image_on_xfs() {
    share_on("mkfs.xfs");
}
