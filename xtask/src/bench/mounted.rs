//! A file system that shares blocks between files, in a file of its own.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use fixtures::Tool;

/// File systems that share blocks, each with the arguments that make it.
pub(super) const KINDS: [(&str, &str, &str); 2] = [
    ("btrfs", "mkfs.btrfs", "-q"),
    ("XFS", "mkfs.xfs", "-q -m reflink=1"),
];

/// A file system, mounted while this lives.
#[derive(Debug)]
pub(super) struct Mounted {
    umount: Tool,
    image: PathBuf,
    pub(super) folder: PathBuf,
}

impl Mounted {
    /// Makes a file system of `size_bytes` in `folder` with the program `mkfs`,
    /// and mounts it; only root may.
    pub(super) fn new(
        folder: &Path,
        mkfs: &str,
        arguments: &str,
        size_bytes: u64,
    ) -> io::Result<Self> {
        let tool = |name| {
            Tool::find(name).ok_or_else(|| io::Error::other(format!("{name} is not installed")))
        };
        let (mkfs, mount) = (tool(mkfs)?, tool("mount")?);
        let mounted = Self {
            umount: tool("umount")?,
            image: folder.join("mounted.img"),
            folder: folder.join("mounted"),
        };
        fs::create_dir_all(&mounted.folder)?;
        File::create(&mounted.image)?.set_len(size_bytes)?;
        let words = arguments.split_whitespace();
        mkfs.ok(|command| command.args(words).arg(&mounted.image))?;
        // What is deleted in it must not go on taking memory.
        let options = ["-o", "loop,discard"];
        mount.ok(|command| {
            let paths = [&mounted.image, &mounted.folder];
            command.args(options).args(paths)
        })?;
        Ok(mounted)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Where nothing was mounted there is nothing to end, and what is left
        // goes with the folder.
        let _unmounted = self.umount.run(|command| command.arg(&self.folder));
        let _removed = fs::remove_file(&self.image);
    }
}
