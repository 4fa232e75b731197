//! Freezing a mounted filesystem, and thawing it whatever happens.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hostdisk::freeze::{Thawed, Unfreezable};
use hostdisk::in_use::{InUse, source_in_use};
use hostdisk::{Disk, Error, Freeze, FreezeOptions};
use tempfile::TempDir;

use crate::reflink::kernel_knows;
use crate::tools::{Loop, Mount, can_run, file_of_zeros, run};

/// How long a writer that should wait is watched.
const WATCHED: Duration = Duration::from_millis(300);

/// How long anything else may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A mounted filesystem on a loop device.
struct Mounted {
    mount: Mount,
    device: Loop,
    folder: TempDir,
}

impl Mounted {
    fn new(filesystem: &str, mib: u64) -> Self {
        let (folder, path) = file_of_zeros(mib << 20);
        run(&format!("mkfs.{filesystem}"), [Path::new("-q"), &path]);
        let device = Loop::over(&path, &[]);
        let mount = Mount::new(&device.0, folder.path().join("a place"), "rw");
        Self {
            mount,
            device,
            folder,
        }
    }

    fn freeze(&self, options: &FreezeOptions) -> Result<Freeze, Error> {
        Freeze::start(&Disk::open(&self.device.0).unwrap(), options)
    }

    /// Why it cannot be frozen while `output` is written.
    #[track_caller]
    fn refuses(&self, output: PathBuf, want: &Unfreezable) {
        let options = FreezeOptions {
            outputs: vec![output],
            ..FreezeOptions::default()
        };
        match self.freeze(&options) {
            Err(Error::Unfreezable { path, why }) => {
                assert_eq!((&path, &why), (&self.device.0, want));
            }
            other => panic!("{other:?}"),
        }
        assert!(self.writer().ends());
    }

    fn writer(&self) -> Writer {
        let file = self.mount.0.join("file");
        let write = ["-c", "echo more >> \"$0\""].map(str::as_ref);
        let mut command = Command::new("sh");
        command.args([&write[..], &[file.as_os_str()]].concat());
        Writer(command.stderr(Stdio::null()).spawn().unwrap())
    }
}

/// A program that writes to a file.
struct Writer(Child);

impl Writer {
    fn waits(&mut self) -> bool {
        thread::sleep(WATCHED);
        self.0.try_wait().unwrap().is_none()
    }

    fn ends(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.success();
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

fn can_freeze(name: &str) -> bool {
    can_run(name, &["mkfs.ext4", "fsfreeze"])
}

fn fsfreeze(what: &str, on: &Path) -> bool {
    let status = Command::new("fsfreeze").arg(what).arg(on).status();
    status.unwrap().success()
}

#[test]
fn a_writer_waits_until_it_is_thawed() {
    if !can_freeze("freeze") {
        return;
    }
    for (filesystem, mib) in [("ext4", 8), ("xfs", 320), ("btrfs", 160)] {
        if !(can_run(filesystem, &[&format!("mkfs.{filesystem}")]) && kernel_knows(filesystem)) {
            continue;
        }
        let mounted = Mounted::new(filesystem, mib);
        fs::write(mounted.mount.0.join("file"), "some\n").unwrap();
        let disk = Disk::open(&mounted.device.0).unwrap();
        let on = mounted.mount.0.clone();
        assert_eq!(
            source_in_use(&disk).unwrap(),
            Some(InUse::Mounted { on }),
            "{filesystem}"
        );
        let freeze = mounted.freeze(&FreezeOptions::default()).unwrap();
        assert_eq!(freeze.on(), mounted.mount.0);
        let mut writer = mounted.writer();
        assert!(writer.waits(), "{filesystem} is not frozen");
        freeze.beat();
        freeze.thaw().unwrap();
        assert!(writer.ends());
        freeze.thaw().unwrap();

        // Dropped is thawed too, and it can be frozen once more.
        drop(freeze);
        drop(mounted.freeze(&FreezeOptions::default()).unwrap());
        assert!(mounted.writer().ends());
        let file = fs::read_to_string(mounted.mount.0.join("file")).unwrap();
        assert_eq!(file, "some\nmore\nmore\n");
    }
}

#[test]
fn what_was_thawed_by_somebody_else_is_told() {
    if !can_freeze("thawed") {
        return;
    }
    let mounted = Mounted::new("ext4", 8);
    let freeze = mounted.freeze(&FreezeOptions::default()).unwrap();
    assert!(fsfreeze("-u", &mounted.mount.0));
    assert!(mounted.writer().ends());
    for _ in 0..2 {
        match freeze.thaw() {
            Err(Error::Thawed {
                path,
                why: Thawed::Interference { said },
            }) => {
                assert_eq!(path, mounted.device.0);
                assert!(said.contains("unfreeze failed"), "{said}");
            }
            other => panic!("{other:?}"),
        }
    }

    // What is frozen already is not ours to thaw.
    assert!(fsfreeze("-f", &mounted.mount.0));
    let refused = mounted.freeze(&FreezeOptions::default());
    let waits = mounted.writer().waits();
    assert!(fsfreeze("-u", &mounted.mount.0));
    match refused {
        Err(Error::Unfreezable {
            why: Unfreezable::Refused { said },
            ..
        }) => assert!(said.contains("freeze failed"), "{said}"),
        other => panic!("{other:?}"),
    }
    assert!(waits);
}

#[test]
fn silence_thaws_and_signs_of_life_do_not() {
    if !can_freeze("silence") {
        return;
    }
    let mounted = Mounted::new("ext4", 8);
    let options = FreezeOptions {
        quiet_max: Duration::from_secs(3),
        ..FreezeOptions::default()
    };
    let freeze = mounted.freeze(&options).unwrap();
    let start = Instant::now();
    let mut writer = mounted.writer();
    while start.elapsed() < Duration::from_secs(5) {
        freeze.beat();
        assert!(writer.waits());
    }
    assert!(writer.ends());
    match freeze.thaw() {
        Err(Error::Thawed {
            why: Thawed::Quiet { seconds: 3 },
            ..
        }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_keeper_that_is_killed_leaves_it_to_us() {
    if !can_run("keeper", &["mkfs.ext4", "fsfreeze"]) {
        return;
    }
    let mounted = Mounted::new("ext4", 8);
    let freeze = mounted.freeze(&FreezeOptions::default()).unwrap();
    let mut writer = mounted.writer();
    assert!(writer.waits());
    for keeper in processes_in(&mounted.mount.0) {
        run("kill", ["-s", "KILL", &keeper]);
    }
    assert!(writer.waits());
    assert!(freeze.thaw().is_err());
    assert!(writer.ends());
}

/// The processes whose folder is `folder`.
fn processes_in(folder: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|process| fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == folder))
        .map(|process| process.file_name().into_string().unwrap())
        .collect()
}

#[test]
fn nothing_is_frozen_that_will_be_written_to() {
    if !can_freeze("outputs") {
        return;
    }
    let mounted = Mounted::new("ext4", 64);
    let on = |path: &Path| Unfreezable::Output { path: path.into() };
    let existing = mounted.mount.0.join("existing");
    fs::write(&existing, "").unwrap();
    let link = mounted.folder.path().join("link");
    std::os::unix::fs::symlink(mounted.mount.0.join("missing"), &link).unwrap();
    let missing = mounted.mount.0.join("missing");
    for path in [existing, missing, link, mounted.device.0.clone()] {
        mounted.refuses(path.clone(), &on(&path));
    }

    // A filesystem in a file of the one that is to be frozen.
    let inner = mounted.mount.0.join("inner");
    fs::File::create(&inner).unwrap().set_len(8 << 20).unwrap();
    run("mkfs.ext4", [Path::new("-q"), &inner]);
    let above = Loop::over(&inner, &[]);
    let inner = Mount::new(&above.0, mounted.folder.path().join("inner"), "rw");
    for path in [above.0.clone(), inner.0.join("image")] {
        mounted.refuses(path.clone(), &on(&path));
    }
    // The other way round they have nothing to do with each other.
    let options = FreezeOptions {
        outputs: vec![mounted.mount.0.join("image")],
        ..FreezeOptions::default()
    };
    let disk = Disk::open(&above.0).unwrap();
    Freeze::start(&disk, &options).unwrap().thaw().unwrap();
}

/// Files of btrfs have the number of their subvolume, which is that of no device.
#[test]
fn no_subvolume_is_frozen_that_will_be_written_to() {
    let can_run = can_run("outputs on btrfs", &["mkfs.btrfs", "btrfs", "fsfreeze"]);
    if !can_run || !kernel_knows("btrfs") {
        return;
    }
    let mounted = Mounted::new("btrfs", 160);
    let volume = mounted.mount.0.join("volume");
    run(
        "btrfs",
        ["subvolume".as_ref(), "create".as_ref(), volume.as_os_str()],
    );
    let existing = volume.join("existing");
    fs::write(&existing, "").unwrap();
    let apart = mounted.folder.path().join("apart");
    let apart = Mount::new(&mounted.device.0, apart, "subvol=volume");
    for path in [existing, volume.join("missing"), apart.0.join("missing")] {
        mounted.refuses(path.clone(), &Unfreezable::Output { path });
    }
    let options = FreezeOptions {
        outputs: vec![mounted.folder.path().join("image")],
        ..FreezeOptions::default()
    };
    let freeze = mounted.freeze(&options).unwrap();
    let mut writer = mounted.writer();
    assert!(writer.waits());
    freeze.thaw().unwrap();
    assert!(writer.ends());
}

#[test]
fn only_what_is_mounted_here_can_be_frozen() {
    if !can_freeze("not mounted") {
        return;
    }
    let (_folder, path) = file_of_zeros(8 << 20);
    run("mkfs.ext4", [Path::new("-q"), &path]);
    let device = Loop::over(&path, &[]);
    for path in [&path, &device.0] {
        let disk = Disk::open(path).unwrap();
        let refused = Freeze::start(&disk, &FreezeOptions::default());
        assert_eq!(
            refused.unwrap_err().to_string(),
            format!(
                "{} cannot be frozen: no filesystem on it is mounted in this mount namespace",
                path.display()
            )
        );
    }
}
