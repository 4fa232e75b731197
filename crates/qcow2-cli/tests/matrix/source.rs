//! Filesystems to pack: made, filled, and partly emptied again.

use std::fs;
use std::io;
use std::path::Path;

use fixtures::{SplitMix, Usage};

use crate::support::round_trip::Bench;

/// How full a filesystem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    Empty,
    /// A tree of small files and a large one; another large one was deleted.
    Half,
    /// So many thousandths of the free space are bytes that do not compress.
    Share(u64),
    /// As `Share`, and over 99 %.
    Full,
}

/// A filesystem to make.
#[derive(Clone, Debug)]
pub(super) struct Make {
    pub(super) size_bytes: u64,
    /// Options of mke2fs.
    pub(super) options: Vec<String>,
    pub(super) fill: Fill,
}

impl Make {
    pub(super) fn new(size_bytes: u64, options: &[&str], fill: Fill) -> Self {
        Self {
            size_bytes,
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            fill,
        }
    }

    /// Makes the filesystem in `image`, and files that fill it beside it.
    pub(super) fn make(&self, bench: &Bench, image: &Path) -> io::Result<()> {
        let mut options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        let folder = tempfile::tempdir_in(image.parent().unwrap_or(image))?;
        let tree = folder.path().join("tree");
        if self.fill == Fill::Half {
            plant(&tree)?;
            options.extend(["-d", tree.to_str().unwrap_or_default()]);
        }
        bench.tools.make(image, self.size_bytes, &options)?;
        let free = usage(bench, image)?.free_bytes();
        let large = |share: u64| write_file(&folder.path().join("large"), free / 1000 * share);
        match self.fill {
            Fill::Empty => Ok(()),
            Fill::Half => {
                let deleted = write_file(&folder.path().join("deleted"), free / 4)?;
                let write = [deleted + " deleted", large(400)? + " large"];
                bench.tools.debugfs(image, &write)?;
                bench.tools.debugfs(image, &["rm deleted".into()])
            }
            Fill::Share(level) => bench.tools.debugfs(image, &[large(level)? + " large"]),
            Fill::Full => bench.tools.debugfs(image, &[large(993)? + " large"]),
        }
    }
}

/// Makes a file of `bytes` random bytes and gives the debugfs command that
/// copies it in, but for its name there.
fn write_file(path: &Path, bytes: u64) -> io::Result<String> {
    let length = usize::try_from(bytes).map_err(io::Error::other)?;
    fs::write(path, SplitMix::new(bytes).bytes(length))?;
    Ok(format!("write {}", path.display()))
}

/// A small tree: nested folders, files of many lengths, a hole, a link.
fn plant(tree: &Path) -> io::Result<()> {
    let mut random = SplitMix::new(1);
    for folder in 0..5 {
        let folder = tree.join(format!("folder{folder}/inside"));
        fs::create_dir_all(&folder)?;
        for file in 0..6 {
            let length = usize::try_from(random.below(20_000)).map_err(io::Error::other)?;
            fs::write(folder.join(format!("file{file}")), random.bytes(length))?;
        }
    }
    fs::File::create(tree.join("hole"))?.set_len(1 << 20)?;
    std::os::unix::fs::symlink("folder0/inside/file1", tree.join("link"))
}

/// What dumpe2fs makes of `image`, which it must be able to read.
pub(super) fn usage(bench: &Bench, image: &Path) -> io::Result<Usage> {
    let usage = bench.tools.usage(image)?;
    usage.ok_or_else(|| io::Error::other("dumpe2fs cannot read the source"))
}
