//! Loop devices and mounts, gone when they are dropped. They need root.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use fixtures::{E2fs, Tool, require};

use crate::bench::Bench;

/// A loop device over a file.
pub(crate) struct Loop {
    losetup: Tool,
    pub(crate) device: String,
}

impl Loop {
    /// `None`, after saying so, where there are no loop devices for us.
    pub(crate) fn over(file: &Path) -> Option<Self> {
        Self::with(file, &[])
    }

    /// As [`over`](Self::over), of `bytes` bytes of the file from byte `offset` on.
    pub(crate) fn part_of(file: &Path, offset: u64, bytes: u64) -> Option<Self> {
        let [offset, bytes] = [offset, bytes].map(|number| number.to_string());
        Self::with(file, &["-o", &offset, "--sizelimit", &bytes])
    }

    fn with(file: &Path, options: &[&str]) -> Option<Self> {
        let losetup = Tool::find("losetup")?;
        match losetup.ok(|command| command.args(["-f", "--show"]).args(options).arg(file)) {
            Ok(device) => Some(Self {
                losetup,
                device: device.trim().to_owned(),
            }),
            Err(error) => {
                eprintln!("SKIPPED: no loop device: {error}");
                None
            }
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = self
            .losetup
            .run(|command| command.args(["-d", &self.device]));
    }
}

/// A mounted filesystem.
pub(crate) struct Mount(pub(crate) PathBuf);

impl Mount {
    pub(crate) fn new(device: &str, on: PathBuf) -> Self {
        fs::create_dir_all(&on).unwrap();
        let mount = Tool::find("mount").expect("every Linux has mount");
        mount.ok(|command| command.arg(device).arg(&on)).unwrap();
        Self(on)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        unmount(&self.0);
    }
}

fn unmount(on: &Path) {
    let umount = Tool::find("umount").expect("every Linux has umount");
    // A process that another test starts holds what is open here, until it
    // becomes another program.
    for _ in 0..50 {
        let outcome = umount.run(|command| command.arg(on));
        if outcome.is_ok_and(|outcome| outcome.success()) {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// An ext4 filesystem, mounted from a loop device over the file `disk`. Dropped
/// in this order.
pub(crate) struct Mounted {
    pub(crate) mount: Mount,
    pub(crate) device: Loop,
    pub(crate) bench: Bench,
}

impl Mounted {
    /// One of `mib` MiB, made with the `options` of mke2fs. `None`, after saying
    /// so, where that cannot be.
    pub(crate) fn new(mib: u64, options: &[&str]) -> Option<Self> {
        let e2fs = E2fs::require()?;
        let bench = Bench::new();
        let all = [&["-t", "ext4"], options].concat();
        e2fs.make(&bench.path("disk"), mib << 20, &all).unwrap();
        let device = Loop::over(&bench.path("disk"))?;
        let mount = Mount::new(&device.device, bench.path("a place"));
        Some(Self {
            mount,
            device,
            bench,
        })
    }
}

/// File systems in user space that lack files without a name, and the first also
/// second names: what mounts them, and what makes them.
pub(crate) const FUSE: [(&str, &str, &[&str]); 2] = [
    ("mount.exfat-fuse", "mkfs.exfat", &[]),
    ("ntfs-3g", "mkfs.ntfs", &["-Q", "-F", "-q"]),
];

/// A file system in user space.
pub(crate) struct FuseMount(
    pub(crate) PathBuf,
    #[expect(dead_code, reason = "detached when dropped")] Loop,
);

impl FuseMount {
    /// An empty one of 100 MiB, at `mount` in the folder. `None`, after saying so,
    /// where that cannot be.
    pub(crate) fn new(
        bench: &Bench,
        (program, maker, options): (&str, &str, &[&str]),
    ) -> Option<Self> {
        let tool = |name: &str| match Tool::find(name) {
            // Not every distribution has it.
            None if name.contains("exfat") => {
                eprintln!("SKIPPED: {name} is not installed");
                None
            }
            _ => require(name),
        };
        let (program, maker) = (tool(program)?, tool(maker)?);
        let (file, on) = (bench.path("storage"), bench.path("mount"));
        fs::File::create(&file).unwrap().set_len(100 << 20).unwrap();
        let device = Loop::over(&file)?;
        maker
            .ok(|command| command.args(options).arg(&device.device))
            .unwrap();
        fs::create_dir_all(&on).unwrap();
        let mounted = program.ok(|command| command.arg(&device.device).arg(&on));
        if let Err(error) = mounted {
            eprintln!("SKIPPED: no file systems in user space: {error}");
            return None;
        }
        Some(Self(on, device))
    }
}

impl Drop for FuseMount {
    fn drop(&mut self) {
        unmount(&self.0);
    }
}
