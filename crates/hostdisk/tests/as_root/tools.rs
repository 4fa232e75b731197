//! Disks that need root: loop devices and mounts, gone when they are dropped.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// Whether the test `name` can run: as root, with `tools`, with loop devices.
/// Says loudly why not. Where everything should be installed, a missing tool
/// is a failure.
pub(crate) fn can_run(name: &str, tools: &[&str]) -> bool {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: {name}: not root");
        return false;
    }
    for tool in tools.iter().chain(&["losetup", "mount", "umount"]) {
        if !is_installed(tool) {
            assert!(
                env::var_os("CI").is_none_or(|value| value != "true"),
                "{tool} is missing"
            );
            eprintln!("SKIPPED: {name}: {tool} is missing");
            return false;
        }
    }
    let free = Command::new("losetup")
        .arg("-f")
        .stderr(Stdio::null())
        .output();
    if !free.is_ok_and(|found| found.status.success()) {
        eprintln!("SKIPPED: {name}: no loop devices");
        return false;
    }
    true
}

fn is_installed(tool: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(usual)
        .any(|folder| folder.join(tool).exists())
}

/// Runs a tool that must succeed, and returns what it prints.
#[track_caller]
pub(crate) fn run<S: AsRef<OsStr>>(tool: &str, arguments: impl IntoIterator<Item = S>) -> String {
    let output = Command::new(tool).args(arguments).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool}: {complaint}");
    String::from_utf8(output.stdout).unwrap().trim_end().into()
}

/// A folder with a file of `size_bytes` zeros.
pub(crate) fn file_of_zeros(size_bytes: u64) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("disk.img");
    File::create(&path).unwrap().set_len(size_bytes).unwrap();
    (folder, path)
}

/// A loop device.
pub(crate) struct Loop(pub(crate) PathBuf);

impl Loop {
    #[track_caller]
    pub(crate) fn over(file: &Path, options: &[&str]) -> Self {
        let mut arguments: Vec<&OsStr> = ["-f", "--show"].map(OsStr::new).into();
        arguments.extend(options.iter().map(OsStr::new));
        arguments.push(file.as_os_str());
        Self(run("losetup", arguments).into())
    }

    /// Its name, without its folder.
    pub(crate) fn name(&self) -> String {
        self.0.file_name().unwrap().to_string_lossy().into_owned()
    }

    /// Adds a partition, whatever partition tables the kernel knows, to a
    /// device made with `-P`.
    ///
    /// Its node is one of our own: the name the kernel would give it may be
    /// that of a file which a program left there.
    #[track_caller]
    pub(crate) fn add_partition(&self, number: &str, sector: &str, sectors: &str) -> Partition {
        let place = [number, sector, sectors].map(OsStr::new);
        run("addpart", [&[self.0.as_os_str()], &place[..]].concat());
        let name = format!("{}p{number}", self.name());
        let device = fs::read_to_string(format!("/sys/class/block/{name}/dev")).unwrap();
        let (major, minor) = device.trim_end().split_once(':').unwrap();
        let folder = TempDir::new_in("/dev").unwrap();
        let path = folder.path().join(name);
        let node = [
            path.as_os_str(),
            OsStr::new("b"),
            major.as_ref(),
            minor.as_ref(),
        ];
        run("mknod", node);
        Partition {
            path,
            _folder: folder,
        }
    }

    /// Bytes as they are on the device.
    pub(crate) fn bytes(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let device = File::open(&self.0).unwrap();
        device.read_exact_at(&mut bytes, offset).unwrap();
        bytes
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("-d").arg(&self.0).status();
    }
}

/// A partition of a loop device.
pub(crate) struct Partition {
    pub(crate) path: PathBuf,
    _folder: TempDir,
}

/// A mounted filesystem.
pub(crate) struct Mount(pub(crate) PathBuf);

impl Mount {
    #[track_caller]
    pub(crate) fn new(source: &Path, on: PathBuf, options: &str) -> Self {
        fs::create_dir_all(&on).unwrap();
        let [source, folder] = [source, &on].map(Path::as_os_str);
        run(
            "mount",
            [OsStr::new("-o"), OsStr::new(options), source, folder],
        );
        Self(on)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A process that another test starts holds what is open here, until it
        // becomes another program.
        for _ in 0..50 {
            let unmounted = Command::new("umount").arg(&self.0).output();
            if unmounted.is_ok_and(|output| output.status.success()) {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}
