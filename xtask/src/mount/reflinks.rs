//! A file system that shares blocks between files, in a file of its own.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use fixtures::Tool;

use crate::mount::Mount;

/// File systems that share blocks, each with the arguments that make it.
pub(crate) const KINDS: [(&str, &str, &str); 2] = [
    ("btrfs", "mkfs.btrfs", "-q"),
    ("XFS", "mkfs.xfs", "-q -m reflink=1"),
];

/// A file system, mounted while this lives.
#[derive(Debug)]
pub(crate) struct Mounted {
    image: PathBuf,
    pub(crate) mount: Mount,
}

impl Mounted {
    /// Makes a file system of `size_bytes` in `folder` with the program `mkfs`,
    /// and mounts it; only root may.
    pub(crate) fn new(
        folder: &Path,
        mkfs: &str,
        arguments: &str,
        size_bytes: u64,
    ) -> io::Result<Self> {
        let missing = || io::Error::other(format!("{mkfs} is not installed"));
        let mkfs = Tool::find(mkfs).ok_or_else(missing)?;
        let image = folder.join("mounted.img");
        fs::create_dir_all(folder)?;
        File::create(&image)?.set_len(size_bytes)?;
        let words = arguments.split_whitespace();
        mkfs.ok(|command| command.args(words).arg(&image))?;
        // What is deleted in it must not go on taking memory.
        let mount = Mount::new(&image, &folder.join("mounted"), "discard")?;
        Ok(Self { image, mount })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // It is mounted a little longer, and what is left goes with the folder.
        let _removed = fs::remove_file(&self.image);
    }
}
