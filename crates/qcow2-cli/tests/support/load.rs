//! What is done to a mounted filesystem before it is lost.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use fixtures::SplitMix;
use rustix::fs::{FallocateFlags, XattrFlags, fallocate, setxattr, syncfs};

use super::tree::{Hash, hash};

/// Folders that files are spread over.
const FOLDERS: u64 = 4;
/// Longest symbolic link; those over 59 bytes take a block.
const LINK_BYTES_MAX: u64 = 200;
/// Deleted files that are kept open: orphans.
const HELD_MAX: usize = 6;

/// A file that was synced, and has not been changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Synced {
    /// Inside the filesystem.
    pub(crate) path: PathBuf,
    pub(crate) hash: Hash,
}

/// Files that were synced up to now.
#[derive(Clone, Debug, Default)]
pub(crate) struct SyncedList(Arc<Mutex<Vec<Synced>>>);

impl SyncedList {
    fn add(&self, path: PathBuf, hash: Hash) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.push(Synced { path, hash });
    }

    pub(crate) fn now(&self) -> Vec<Synced> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Changes to a mounted filesystem, one after the other.
#[derive(Debug)]
pub(crate) struct Load {
    root: PathBuf,
    /// What distinguishes its names from those of other loads.
    name: String,
    random: SplitMix,
    /// Files that were not synced, and may be changed.
    loose: Vec<PathBuf>,
    held: Vec<File>,
    made: u64,
    /// Bytes it may still write.
    budget_bytes: u64,
    synced: SyncedList,
    /// Folders are synced with the files in them.
    syncs_folders: bool,
}

impl Load {
    /// Changes to the filesystem mounted at `root`, the same for the same
    /// `seed`, that write at most `budget_bytes`.
    pub(crate) fn new(root: &Path, seed: u64, budget_bytes: u64, synced: &SyncedList) -> Self {
        Self {
            root: root.to_path_buf(),
            name: format!("of{seed}-"),
            random: SplitMix::new(seed),
            loose: Vec::new(),
            held: Vec::new(),
            made: 0,
            budget_bytes,
            synced: synced.clone(),
            syncs_folders: false,
        }
    }

    /// Syncs folders too, without which a file is not found again where there
    /// is no journal.
    pub(crate) fn sync_folders(&mut self) {
        self.syncs_folders = true;
    }

    /// Fills `bytes` of the filesystem, deletes a third of it, and syncs all:
    /// what is in use before anything happens, and stale blocks.
    pub(crate) fn fill(&mut self, bytes: u64) -> io::Result<()> {
        for folder in 0..FOLDERS {
            fs::create_dir_all(self.root.join(format!("folder{folder}")))?;
        }
        let mut filled = 0;
        let mut stale = Vec::new();
        while filled < bytes {
            let (path, content) = (self.new_path(), self.content(400_000));
            fs::write(self.root.join(&path), &content)?;
            filled += u64::try_from(content.len()).unwrap_or(u64::MAX);
            if self.made.is_multiple_of(3) {
                stale.push(path);
            } else {
                self.synced.add(path, hash(&content));
            }
        }
        let root = File::open(&self.root)?;
        syncfs(&root)?;
        for path in stale {
            fs::remove_file(self.root.join(path))?;
        }
        Ok(syncfs(&root)?)
    }

    /// Syncs the whole filesystem, and with it every file that is there.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        syncfs(File::open(&self.root)?)?;
        for path in self.loose.drain(..) {
            self.synced
                .add(path.clone(), hash(&fs::read(self.root.join(path))?));
        }
        Ok(())
    }

    /// Does one thing more; whether it may go on.
    pub(crate) fn step(&mut self) -> io::Result<bool> {
        match self.random.below(20) {
            0..6 => self.create()?,
            6 => self.create_in_new_folder()?,
            7 | 8 => self.append()?,
            9 => self.truncate()?,
            10 | 11 => self.rename()?,
            12 | 13 => self.delete()?,
            14 => self.preallocate()?,
            15 => self.link()?,
            16 | 17 => self.attribute()?,
            18 => self.overwrite()?,
            _ => self.punch()?,
        }
        Ok(self.budget_bytes > 0)
    }

    fn new_path(&mut self) -> PathBuf {
        self.made += 1;
        let folder = self.random.below(FOLDERS);
        format!("folder{folder}/{}{}", self.name, self.made).into()
    }

    /// Bytes of a length that is often small.
    fn content(&mut self, most: u64) -> Vec<u8> {
        let length = match self.random.below(8) {
            0 => 0,
            1 => self.random.below(60),
            2 => self.random.below(160),
            3 => self.random.below(5_000),
            _ => self.random.below(most),
        };
        self.budget_bytes = self.budget_bytes.saturating_sub(length);
        self.random.bytes(usize::try_from(length).unwrap_or(0))
    }

    /// A new file, every second one synced.
    fn create(&mut self) -> io::Result<()> {
        let path = self.new_path();
        self.create_at(path)
    }

    fn create_at(&mut self, path: PathBuf) -> io::Result<()> {
        let content = self.content(150_000);
        let at = self.root.join(&path);
        let mut file = File::create(&at)?;
        file.write_all(&content)?;
        let mode = u32::try_from(self.random.below(0o1000)).unwrap_or(0);
        file.set_permissions(Permissions::from_mode(mode))?;
        if self.random.below(4) == 0 {
            self.set_xattr(&at)?;
        }
        if self.random.below(2) == 0 {
            file.sync_all()?;
            let folders = at.ancestors().skip(1).take_while(|_| self.syncs_folders);
            for folder in folders.take_while(|folder| folder.starts_with(&self.root)) {
                File::open(folder)?.sync_all()?;
            }
            self.synced.add(path, hash(&content));
        } else {
            self.loose.push(path);
        }
        Ok(())
    }

    fn create_in_new_folder(&mut self) -> io::Result<()> {
        let folder = self.new_path();
        fs::create_dir(self.root.join(&folder))?;
        self.create_at(folder.join("inside"))
    }

    /// A file that was not synced, if there is one.
    fn any(&mut self) -> Option<(usize, PathBuf)> {
        let count = u64::try_from(self.loose.len())
            .ok()
            .filter(|count| *count > 0)?;
        let index = usize::try_from(self.random.below(count)).ok()?;
        Some((index, self.root.join(&self.loose[index])))
    }

    fn append(&mut self) -> io::Result<()> {
        let Some((_, path)) = self.any() else {
            return Ok(());
        };
        let content = self.content(60_000);
        OpenOptions::new()
            .append(true)
            .open(path)?
            .write_all(&content)
    }

    fn truncate(&mut self) -> io::Result<()> {
        let Some((_, path)) = self.any() else {
            return Ok(());
        };
        let length = self.random.below(path.metadata()?.len() + 20_000);
        OpenOptions::new().write(true).open(path)?.set_len(length)
    }

    fn overwrite(&mut self) -> io::Result<()> {
        let Some((_, path)) = self.any() else {
            return Ok(());
        };
        let at = self.random.below(path.metadata()?.len() + 50_000);
        let content = self.content(20_000);
        OpenOptions::new()
            .write(true)
            .open(path)?
            .write_all_at(&content, at)
    }

    fn rename(&mut self) -> io::Result<()> {
        let Some((index, path)) = self.any() else {
            return Ok(());
        };
        let to = self.new_path();
        fs::rename(path, self.root.join(&to))?;
        self.loose[index] = to;
        Ok(())
    }

    /// Deletes a file, some of them while they are open.
    fn delete(&mut self) -> io::Result<()> {
        let Some((index, path)) = self.any() else {
            return Ok(());
        };
        if self.held.len() < HELD_MAX {
            self.held.push(File::open(&path)?);
        }
        self.loose.swap_remove(index);
        fs::remove_file(path)
    }

    /// Blocks that are allocated and not written, a part of them written then.
    fn preallocate(&mut self) -> io::Result<()> {
        let Some((_, path)) = self.any() else {
            return Ok(());
        };
        let file = OpenOptions::new().write(true).open(path)?;
        let length = 1 + self.random.below(80_000);
        let start = self.random.below(100_000);
        // Only files with extents can.
        if supported(fallocate(&file, FallocateFlags::empty(), start, length))? {
            let content = self.content(10_000);
            file.write_all_at(&content, start)?;
        }
        Ok(())
    }

    fn punch(&mut self) -> io::Result<()> {
        let Some((_, path)) = self.any() else {
            return Ok(());
        };
        let file = OpenOptions::new().write(true).open(path)?;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let start = self.random.below(40_000);
        supported(fallocate(
            &file,
            flags,
            start,
            1 + self.random.below(30_000),
        ))?;
        Ok(())
    }

    /// A symbolic link of any length, or another name.
    fn link(&mut self) -> io::Result<()> {
        let to = self.new_path();
        let (Some((_, path)), 0) = (self.any(), self.random.below(3)) else {
            let length = 1 + self.random.below(LINK_BYTES_MAX);
            let target = "t".repeat(usize::try_from(length).unwrap_or(1));
            return symlink(target, self.root.join(to));
        };
        fs::hard_link(path, self.root.join(to))
    }

    fn attribute(&mut self) -> io::Result<()> {
        match self.any() {
            Some((_, path)) => self.set_xattr(&path),
            None => Ok(()),
        }
    }

    /// A value that fits into an inode, or one that takes a block.
    fn set_xattr(&mut self, path: &Path) -> io::Result<()> {
        let name = format!("user.name{}", self.random.below(3));
        let length = if self.random.below(2) == 0 { 20 } else { 600 };
        let value = self.random.bytes(length);
        match setxattr(path, name.as_str(), &value, XattrFlags::empty()) {
            // A block of 1 KiB holds one large value.
            Ok(()) | Err(rustix::io::Errno::NOSPC) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether the filesystem could do it.
fn supported(result: rustix::io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::OPNOTSUPP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
