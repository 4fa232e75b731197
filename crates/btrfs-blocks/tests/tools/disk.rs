//! Images in files, and what `btrfs` says of them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use blockio::{Extent, ExtentKind, ReadAt, Tiling, tiles};
use btrfs_blocks::{Filesystem, Options, find};
use fixtures::Tool;
use tempfile::TempDir;

/// An image file.
#[derive(Debug)]
pub(crate) struct Image(File);

impl ReadAt for Image {
    fn size(&self) -> u64 {
        self.0.metadata().map_or(0, |metadata| metadata.len())
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }
}

pub(crate) fn open(path: &Path, options: &Options) -> Filesystem<Image> {
    let disk = Image(File::open(path).unwrap());
    let candidate = find(&disk).unwrap().unwrap();
    candidate.open(disk, options).unwrap()
}

/// All extents, which tile the disk.
pub(crate) fn extents(filesystem: &Filesystem<Image>) -> Vec<Extent> {
    let size = filesystem.disk().size();
    let all: Vec<_> = filesystem.extents(0..size).map(Result::unwrap).collect();
    assert!(tiles(all.iter().copied(), size));
    all
}

/// A folder that is gone with its value, in memory if the machine has such a place.
pub(crate) fn folder() -> TempDir {
    let memory = tempfile::tempdir_in("/dev/shm");
    memory.or_else(|_| tempfile::tempdir()).unwrap()
}

/// An image of zeros.
pub(crate) fn zeros(path: &Path, bytes: u64) {
    File::create(path).unwrap().set_len(bytes).unwrap();
}

/// The used bytes of `from`, and zeros in the place of the others.
pub(crate) fn restore(from: &Path, to: &Path, options: &Options) {
    let filesystem = open(from, options);
    assert_eq!(filesystem.distrust(), None, "{}", from.display());
    zeros(to, filesystem.disk().size());
    let file = File::options().write(true).open(to).unwrap();
    let mut buffer = vec![0; 1 << 20];
    for run in extents(&filesystem) {
        let mut at = run.start;
        while run.kind == ExtentKind::Data && at < run.end() {
            let length = (run.end() - at).min(1 << 20);
            let part = &mut buffer[..usize::try_from(length).unwrap()];
            filesystem.disk().read_at(at, part).unwrap();
            if part.iter().any(|byte| *byte != 0) {
                file.write_all_at(part, at).unwrap();
            }
            at += length;
        }
    }
}

/// `btrfs check` of a sound filesystem, with the contents of files.
#[track_caller]
pub(crate) fn check(btrfs: &Tool, image: &Path) {
    let arguments = ["check", "--readonly", "--check-data-csum"];
    let outcome = btrfs
        .run(|command| command.args(arguments).arg(image))
        .unwrap();
    assert!(outcome.success(), "{}", outcome.brief(2000));
}

/// All files below `folder`, with their contents.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(inside) = folders.pop() {
        for entry in fs::read_dir(inside).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_path_buf();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}
