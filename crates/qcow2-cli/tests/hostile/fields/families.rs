//! XFS, btrfs and NTFS whose fields are set.

mod btrfs;
mod ntfs;
mod xfs;
mod xfs_log;

use std::fs::{self, File};
use std::io;
use std::path::Path;

use fixtures::{Family, FsTools, SplitMix};

use super::subject::Subject;
use crate::support::load::{Load, SyncedList};

/// Bytes of files, and changes before the filesystem is left.
const FILL_BYTES: u64 = 3 << 20;
const STEPS: u64 = 60;

/// A filesystem to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfFamily {
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    size_mib: u64,
    mkfs: &'static str,
    /// It is left as a crash leaves it.
    is_dirty: bool,
}

const fn clean(name: &'static str, family: Family, size_mib: u64, mkfs: &'static str) -> OfFamily {
    OfFamily {
        name,
        family,
        size_mib,
        mkfs,
        is_dirty: false,
    }
}

impl OfFamily {
    const fn dirty(self) -> Self {
        Self {
            is_dirty: true,
            ..self
        }
    }
}

/// What there is, by name.
pub(crate) const FAMILIES: [OfFamily; 7] = [
    clean("XFS", Family::Xfs, 40, "-d agcount=2 -m rmapbt=1"),
    clean("XFS of 1024", Family::Xfs, 40, "-b size=1024"),
    clean("XFS with a dirty log", Family::Xfs, 40, "-d agcount=2").dirty(),
    clean(
        "btrfs mixed",
        Family::Btrfs,
        48,
        "-M -n 4096 -m single -d single",
    ),
    clean(
        "btrfs with a log tree",
        Family::Btrfs,
        128,
        "-m single -n 4096",
    )
    .dirty(),
    clean("btrfs of xxhash", Family::Btrfs, 128, "--csum xxhash"),
    clean("NTFS", Family::Ntfs, 16, "-c 1024"),
];

impl OfFamily {
    /// Makes it, or says why it cannot be mounted.
    ///
    /// # Errors
    ///
    /// If a program fails.
    pub(crate) fn subject(&self, tools: &FsTools) -> io::Result<Result<Subject, String>> {
        let folder = tempfile::tempdir()?;
        let (live, disk) = (folder.path().join("live"), folder.path().join("disk"));
        let options: Vec<_> = self.mkfs.split_whitespace().collect();
        tools.make(&live, self.size_mib << 20, &options)?;
        let mount = match tools.mount(&live, &folder.path().join("mounted"), "") {
            Ok(mount) => mount,
            Err(error) => return Ok(Err(error.to_string())),
        };
        work(&mount.folder)?;
        if self.is_dirty {
            fs::copy(&live, &disk)?;
            mount.end()?;
        } else {
            mount.end()?;
            fs::rename(&live, &disk)?;
        }
        let usage = tools.usage(&disk)?;
        let usage = usage.ok_or_else(|| io::Error::other("the second reader cannot read it"))?;
        let mut subject = Subject::of_family(self.name, fs::read(&disk)?, usage.free);
        match self.family {
            Family::Xfs => xfs::find(&mut subject),
            Family::Btrfs => btrfs::find(&mut subject),
            _ => ntfs::find(&mut subject),
        }
        Ok(Ok(subject))
    }
}

/// Files of all kinds, some of them synced.
fn work(root: &Path) -> io::Result<()> {
    let mut load = Load::new(root, 9, 2 * FILL_BYTES, &SyncedList::default());
    load.fill(FILL_BYTES)?;
    for _ in 0..STEPS {
        if !load.step()? {
            break;
        }
    }
    fs::write(root.join("last"), SplitMix::new(1).bytes(100_000))?;
    File::open(root.join("last"))?.sync_all()
}
