//! Filesystems on several devices, each restored alone, as root.

use std::path::{Path, PathBuf};

use btrfs_blocks::{Options, Trust};
use fixtures::{Tool, require};

use crate::disk::{files, folder, open, restore, zeros};
use crate::makes::fill;

const DISK_BYTES: u64 = 300 << 20;

/// Loop devices, gone when this is dropped.
struct Loops {
    losetup: Tool,
    btrfs: Tool,
    devices: Vec<String>,
}

impl Loops {
    /// Devices over `images`; `None`, after saying so, if that cannot be.
    fn over(images: &[PathBuf]) -> Option<Self> {
        let mut loops = Self {
            losetup: require("losetup")?,
            btrfs: require("btrfs")?,
            devices: Vec::new(),
        };
        for image in images {
            let made = (loops.losetup).ok(|command| command.args(["-f", "--show"]).arg(image));
            match made {
                Ok(device) => loops.devices.push(device.trim().to_owned()),
                Err(error) => {
                    eprintln!("SKIPPED: no loop devices: {error}");
                    return None;
                }
            }
        }
        Some(loops)
    }

    /// Makes the kernel know them as devices of one filesystem, or no longer.
    fn scan(&self, options: &[&str]) {
        let arguments = ["device", "scan"].iter().chain(options);
        let done = (self.btrfs).run(|command| command.args(arguments).args(&self.devices));
        done.unwrap();
    }

    /// Runs `work` in the root of the filesystem.
    fn mounted(&self, folder: &Path, work: impl FnOnce(&Path)) -> bool {
        self.scan(&[]);
        let (Some(mount), Some(umount)) = (require("mount"), require("umount")) else {
            return false;
        };
        std::fs::create_dir_all(folder).unwrap();
        let device = &self.devices[0];
        if let Err(error) = mount.ok(|command| command.arg(device).arg(folder)) {
            eprintln!("SKIPPED: nothing can be mounted: {error}");
            return false;
        }
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(folder)));
        umount.ok(|command| command.arg(folder)).unwrap();
        if let Err(panic) = worked {
            std::panic::resume_unwind(panic);
        }
        true
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        self.scan(&["--forget"]);
        for device in &self.devices {
            let _ = self.losetup.run(|command| command.args(["-d", device]));
        }
    }
}

/// Makes, fills, and restores; `None` if this machine cannot.
fn restored(make: &str, count: usize) -> Option<()> {
    let (mkfs, btrfs) = (require("mkfs.btrfs")?, require("btrfs")?);
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !known.split_whitespace().any(|name| name == "btrfs") {
        eprintln!("SKIPPED: no btrfs in this kernel");
        return None;
    }
    let folder = folder();
    let place = folder.path().join("mounted");
    let path = |name: &str, number: usize| folder.path().join(format!("{name}{number}"));
    let images: Vec<_> = (0..count).map(|number| path("image", number)).collect();
    let copies: Vec<_> = (0..count).map(|number| path("copy", number)).collect();
    for image in &images {
        zeros(image, DISK_BYTES);
    }
    let loops = Loops::over(&images)?;
    let words = make.split_whitespace();
    mkfs.ok(|command| command.args(["-q", "-f"]).args(words).args(&loops.devices))
        .unwrap();
    let mut want = None;
    let worked = loops.mounted(&place, |root| {
        fill(root);
        std::fs::remove_file(root.join("file 4")).unwrap();
        want = Some(files(root));
    });
    drop(loops);
    let want = want.filter(|_| worked)?;
    for (image, copy) in images.iter().zip(&copies) {
        let filesystem = open(image, &Options::default());
        assert_eq!(filesystem.trust(), &Trust::References, "{make}");
        assert!(filesystem.info().free_bytes > DISK_BYTES / 2, "{make}");
        restore(image, copy, &Options::default());
    }
    let loops = Loops::over(&copies)?;
    loops.mounted(&place, |root| {
        assert!(files(root) == want, "{make}");
        let scrub = btrfs.ok(|command| command.args(["scrub", "start", "-B"]).arg(root));
        let scrub = scrub.unwrap();
        assert!(scrub.contains("no errors found"), "{make}: {scrub}");
    });
    let device = &loops.devices[0];
    let outcome = btrfs.run(|command| command.args(["check", "--readonly"]).arg(device));
    let outcome = outcome.unwrap();
    assert!(outcome.success(), "{make}: {}", outcome.brief(2000));
    Some(())
}

#[test]
fn each_device_is_restored_alone() {
    for (make, count) in [
        ("-d raid0 -m raid1", 2),
        ("-d single -m raid1", 2),
        ("-d raid1 -m raid1", 2),
        ("-d raid5 -m raid1c3", 3),
    ] {
        if restored(make, count).is_none() {
            return;
        }
    }
}
