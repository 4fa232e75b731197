//! Volumes mounted by ntfs-3g.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::Tool;

/// How long a mount may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A volume that is mounted while this lives.
pub(crate) struct Mounted {
    child: Child,
    folder: PathBuf,
}

impl Mounted {
    /// Mounts the volume `image` on `folder`; `None`, after saying so, if that cannot be.
    pub(crate) fn new(ntfs_3g: &Tool, image: &Path, folder: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(folder).unwrap();
        let before = folder.metadata().unwrap().dev();
        let child = Command::new(ntfs_3g.path())
            .args(["-o", &format!("no_detach{options}")])
            .args([image, folder])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let folder = folder.to_path_buf();
        let mut mounted = Self { child, folder };
        let start = Instant::now();
        while start.elapsed() < PATIENCE && mounted.child.try_wait().unwrap().is_none() {
            if mounted
                .folder
                .metadata()
                .is_ok_and(|now| now.dev() != before)
            {
                return Some(mounted);
            }
            thread::sleep(Duration::from_millis(2));
        }
        assert!(
            !fixtures::strict(),
            "ntfs-3g does not mount {}",
            image.display()
        );
        eprintln!("SKIPPED: ntfs-3g does not mount {}", image.display());
        None
    }

    /// Unmounts it, and waits until all of it is in the image.
    pub(crate) fn end(mut self) {
        self.unmount();
        assert!(self.child.wait().unwrap().success());
    }

    /// Ends the program that has it, whatever that was doing.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn unmount(&self) {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let done = Command::new("umount").arg(&self.folder).status();
            if done.is_ok_and(|status| status.success()) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.unmount();
            let _ = self.child.kill();
            let _ = self.child.wait();
        } else {
            let quiet = |command: &mut Command| command.stderr(Stdio::null()).status();
            let _ = quiet(Command::new("umount").arg("-l").arg(&self.folder));
        }
    }
}

/// All files below `root`, with their contents.
pub(crate) fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_path_buf();
            if path.is_dir() {
                files.insert(name, Vec::new());
                folders.push(path);
            } else {
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}
