//! Real files, to fill a filesystem with: some to keep and some to delete.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What a file takes in a filesystem is a multiple of this.
const BLOCK_BYTES: u64 = 4096;

/// What becomes of some of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// Bytes it may have.
    pub(super) budget_bytes: u64,
    /// Bytes of whole blocks it has.
    pub(super) bytes: u64,
    /// Its files, relative to the tree, in the order they were copied.
    pub(super) files: Vec<PathBuf>,
}

impl Part {
    pub(super) fn new(budget_bytes: u64) -> Self {
        Self {
            budget_bytes,
            ..Self::default()
        }
    }

    /// The bytes of the part with another file of `length` bytes, if they fit.
    fn with(&self, length: u64) -> Option<u64> {
        let bytes = self.bytes + length.max(1).next_multiple_of(BLOCK_BYTES);
        (bytes <= self.budget_bytes).then_some(bytes)
    }

    /// Whether less of this part is there than of `other`, by their budgets.
    fn is_behind(&self, other: &Self) -> bool {
        let share =
            |one: &Self, other: &Self| u128::from(one.bytes) * u128::from(other.budget_bytes);
        share(self, other) < share(other, self)
    }
}

/// Copies files and links out of the folders `sources` into `tree`, to keep and
/// to delete; all files of a folder share one fate. Stops when nothing fits.
/// What cannot be read, or has a name that debugfs cannot be told, is left out.
pub(super) fn plant(
    sources: &[PathBuf],
    tree: &Path,
    kept: &mut Part,
    deleted: &mut Part,
) -> io::Result<()> {
    for (index, source) in sources.iter().enumerate() {
        let mut folders = vec![(source.clone(), PathBuf::from(format!("tree{index}")))];
        while let Some((from, inside)) = folders.pop() {
            let Ok(entries) = fs::read_dir(&from) else {
                continue;
            };
            let mut entries: Vec<_> = entries.flatten().collect();
            entries.sort_by_key(fs::DirEntry::file_name);
            let part = if deleted.is_behind(kept) {
                &mut *deleted
            } else {
                &mut *kept
            };
            for entry in entries {
                let inside = inside.join(entry.file_name());
                let (Ok(metadata), true) = (entry.metadata(), is_plain(&inside)) else {
                    continue;
                };
                if metadata.is_dir() {
                    folders.push((entry.path(), inside));
                } else if let Some(bytes) = part.with(metadata.len())
                    && copy(&entry.path(), &tree.join(&inside), &metadata)?
                {
                    part.bytes = bytes;
                    part.files.push(inside);
                }
            }
        }
    }
    Ok(())
}

/// Whether a line of debugfs can name `path` between quotes.
fn is_plain(path: &Path) -> bool {
    let text = path.to_str();
    text.is_some_and(|text| !text.contains(['"', '\\']) && !text.contains(char::is_control))
}

/// Copies a file or a link: whether it is one, and could be read.
fn copy(from: &Path, to: &Path, metadata: &Metadata) -> io::Result<bool> {
    fs::create_dir_all(to.parent().unwrap_or(to))?;
    if metadata.is_symlink() {
        return Ok(fs::read_link(from).is_ok_and(|link| symlink(link, to).is_ok()));
    }
    if !metadata.is_file() {
        return Ok(false);
    }
    let Ok(mut from) = File::open(from) else {
        return Ok(false);
    };
    io::copy(&mut from, &mut File::create(to)?)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_fill_by_their_budgets_and_never_beyond() {
        let folder = tempfile::tempdir().unwrap();
        let (source, tree) = (folder.path().join("source"), folder.path().join("tree"));
        for name in 0..20 {
            let folder = source.join(format!("folder{name:02}"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("file"), [1; 5000]).unwrap();
            symlink("file", folder.join("a \"quoted\" link")).unwrap();
        }
        let (mut kept, mut deleted) = (Part::new(10 * 8192), Part::new(5 * 8192 + 1));
        plant(&[source], &tree, &mut kept, &mut deleted).unwrap();
        assert_eq!((kept.bytes, kept.files.len()), (10 * 8192, 10));
        assert_eq!((deleted.bytes, deleted.files.len()), (5 * 8192, 5));
        assert_eq!(kept.files[0], Path::new("tree0/folder19/file"));
        for file in kept.files.iter().chain(&deleted.files) {
            assert_eq!(fs::read(tree.join(file)).unwrap(), [1; 5000]);
        }
    }
}
