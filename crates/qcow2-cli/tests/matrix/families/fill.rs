//! What the filesystems hold: files of all kinds, and what was deleted.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

use fixtures::{Family, SplitMix, Tool};
use rustix::fs::{FallocateFlags, XattrFlags, fallocate, ioctl_ficlone, setxattr, syncfs};

use super::Fill;
use crate::support::load::{Load, SyncedList};

/// Every sector of a file that is deleted begins with this.
pub(super) const MARK: &[u8; 32] = b"deleted: this must be nowhere ..";
pub(super) const SECTOR_BYTES: usize = 512;

/// Written and a third of it deleted, then changed in so many steps: it makes a
/// filesystem old.
const OLD_BYTES: u64 = 6 << 20;
const STEPS: u64 = 150;

/// Bytes of a file that is written to the end of the room there is.
const PIECE_BYTES: usize = 1 << 20;

/// Fills what is mounted at `root`.
pub(super) fn fill(root: &Path, family: Family, fill: Fill) -> io::Result<()> {
    if fill == Fill::Empty {
        return Ok(());
    }
    let marked = mark(root)?;
    if family == Family::Exfat {
        plant_plain(&root.join("planted"))?;
    } else {
        grow_old(root)?;
        plant(root)?;
    }
    if family == Family::Btrfs {
        snapshots(root)?;
    }
    if fill == Fill::Full {
        to_the_end(root)?;
    }
    // Nothing is written after this that could reuse only parts of the blocks.
    for file in marked {
        fs::remove_file(file)?;
    }
    Ok(syncfs(File::open(root)?)?)
}

/// What a FAT or an exFAT can hold.
pub(super) fn plant_plain(root: &Path) -> io::Result<()> {
    let mut random = SplitMix::new(3);
    fs::create_dir_all(root)?;
    for number in 0..24 {
        let folder = root.join(format!("folder{}", number % 3));
        fs::create_dir_all(&folder)?;
        let length = usize::try_from(random.below(90_000)).map_err(io::Error::other)?;
        let name = format!("a rather long name of file {number}.data");
        fs::write(folder.join(name), random.bytes(length))?;
    }
    fs::write(root.join("EMPTY"), "")?;
    fs::write(root.join("LARGE.BIN"), random.bytes(900_000))
}

/// Content of files that are deleted.
pub(super) fn marked_content(sectors: usize) -> Vec<u8> {
    let mut sector = MARK.to_vec();
    sector.resize(SECTOR_BYTES, b'.');
    sector.repeat(sectors)
}

/// Files to be deleted in the end, which nothing else shares blocks with.
fn mark(root: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    for (number, sectors) in [40, 100, 700, 4000].into_iter().enumerate() {
        let file = root.join(format!("marked{number}"));
        fs::write(&file, marked_content(sectors))?;
        files.push(file);
    }
    syncfs(File::open(root)?)?;
    Ok(files)
}

fn grow_old(root: &Path) -> io::Result<()> {
    let mut load = Load::new(root, 5, 2 * OLD_BYTES, &SyncedList::default());
    load.fill(OLD_BYTES)?;
    for _ in 0..STEPS {
        if !load.step()? {
            break;
        }
    }
    Ok(())
}

/// Files of all kinds. What the filesystem does not have is left out.
fn plant(root: &Path) -> io::Result<()> {
    let root = root.join("planted");
    let mut random = SplitMix::new(2);
    for number in 0..60 {
        let folder = root.join(format!("folder{}/inside", number % 4));
        fs::create_dir_all(&folder)?;
        let length = usize::try_from(random.below(6_000)).map_err(io::Error::other)?;
        fs::write(folder.join(format!("file{number}")), random.bytes(length))?;
    }
    let large = root.join("large");
    fs::write(&large, random.bytes(1_500_001))?;
    fs::write(root.join("text"), "it compresses well. ".repeat(60_000))?;
    symlink("folder0/inside/file4", root.join("link"))?;
    fs::hard_link(&large, root.join("other-name"))?;
    let sparse = File::create(root.join("sparse"))?;
    for piece in 0..30 {
        sparse.write_all_at(&random.bytes(5_000), piece * 40_000)?;
    }
    sparse.set_len(9 << 20)?;
    let reserved = File::create(root.join("reserved"))?;
    optional(fallocate(&reserved, FallocateFlags::empty(), 0, 300_000))?;
    let clone = File::create(root.join("clone"))?;
    optional(ioctl_ficlone(&clone, File::open(&large)?))?;
    // Some of it is shared, the rest its own.
    clone.write_all_at(&random.bytes(70_000), 200_000)?;
    for length in [10, 700, 3_000] {
        let (name, value) = (format!("user.of{length}"), random.bytes(length));
        optional(setxattr(&large, &name, &value, XattrFlags::empty()))?;
    }
    Ok(())
}

/// Whether the filesystem can do it.
fn optional(result: rustix::io::Result<()>) -> io::Result<()> {
    use rustix::io::Errno;
    match result {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOTTY | Errno::INVAL | Errno::NOSPC) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A snapshot that is kept and one that is deleted, and a subvolume of its own.
fn snapshots(root: &Path) -> io::Result<()> {
    let Some(btrfs) = Tool::find("btrfs") else {
        return Ok(());
    };
    let run = |words: &[&str], paths: &[&Path]| {
        let done = btrfs.ok(|command| command.arg("subvolume").args(words).args(paths));
        done.map(drop)
    };
    let (one, other, own) = (root.join("kept"), root.join("gone"), root.join("own"));
    // Marked files are in no snapshot: those would keep them.
    run(&["create"], &[&own])?;
    fs::write(own.join("file"), SplitMix::new(4).bytes(50_000))?;
    run(&["snapshot", "-r"], &[&own, &one])?;
    run(&["snapshot"], &[&own, &other])?;
    fs::write(own.join("file"), SplitMix::new(5).bytes(60_000))?;
    run(&["delete", "--commit-after"], &[&other])
}

/// Writes files until there is no room, and deletes one of them.
fn to_the_end(root: &Path) -> io::Result<()> {
    let mut random = SplitMix::new(6);
    for number in 0.. {
        let mut file = File::create(root.join(format!("end{number}")))?;
        let written = (0..16).try_for_each(|_| file.write_all(&random.bytes(PIECE_BYTES)));
        let written = written.and_then(|()| file.sync_all());
        if let Err(error) = written {
            if error.kind() == io::ErrorKind::StorageFull {
                break;
            }
            return Err(error);
        }
    }
    fs::remove_file(root.join("end0"))
}
