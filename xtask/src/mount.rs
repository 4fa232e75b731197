//! Files mounted by the kernel, through loop devices.

pub(crate) mod reflinks;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::Tool;

/// How long a mount may stay busy when it is to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A file system in a file, mounted while this lives. Only root may.
#[derive(Debug)]
pub(crate) struct Mount {
    umount: Tool,
    pub(crate) folder: PathBuf,
    ended: bool,
}

impl Mount {
    /// Mounts the file `disk` on `folder`, which is made where it is missing.
    /// `options` are those of `mount -o`, and may be empty.
    ///
    /// # Errors
    ///
    /// Where a program is missing, the user may not, or the kernel will not.
    pub(crate) fn new(disk: &Path, folder: &Path, options: &str) -> io::Result<Self> {
        let tool = |name| {
            Tool::find(name).ok_or_else(|| io::Error::other(format!("{name} is not installed")))
        };
        let (mount, umount) = (tool("mount")?, tool("umount")?);
        // What is mounted belongs to us alone.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let options = ["loop", options].join(",");
        mount.ok(|command| {
            command
                .args(["-o", options.trim_end_matches(',')])
                .args([disk, folder])
        })?;
        Ok(Self {
            umount,
            folder: folder.to_path_buf(),
            ended: false,
        })
    }

    /// The kernel's name of the device, such as `loop3`.
    pub(crate) fn device(&self) -> io::Result<String> {
        let device = self.folder.metadata()?.dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let link = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}"))?;
        let name = link.file_name().unwrap_or_default();
        Ok(name.to_string_lossy().into_owned())
    }

    /// Unmounts it, so that all is in the file.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.ended = true;
        self.unmount()
    }

    /// A program that another thread is just starting still has the files of
    /// this one open, for a moment.
    fn unmount(&self) -> io::Result<()> {
        let start = Instant::now();
        loop {
            let unmounted = self.umount.ok(|command| command.arg(&self.folder));
            if unmounted.is_ok() || start.elapsed() > PATIENCE {
                return unmounted.map(drop);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if !self.ended
            && let Err(error) = self.unmount()
        {
            eprintln!("{}: {error}", self.folder.display());
        }
    }
}
