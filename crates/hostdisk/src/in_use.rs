//! Detects other uses of a disk: a copy of a disk that changes is worthless.

mod locks;
mod loops;
mod mounts;
mod user;

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

pub(crate) use locks::take as lock;
pub(crate) use loops::backing as loop_backing;
pub(crate) use loops::backing_path as loop_backing_path;
pub(crate) use mounts::{all_of as mounts_of, device_below as device_below_mount};

use crate::{Disk, Error, Identity};
use user::Purpose;

pub use user::InUse;

/// Returns what may write to `disk` while it is read.
///
/// Readers are no obstacle: a filesystem mounted read-only, a read-only loop device, a
/// virtual machine that has the disk read-only. A program that has simply opened the
/// file for writing is not detected.
///
/// # Errors
///
/// [`Error::Io`] if the system refuses.
pub fn source_in_use(disk: &Disk) -> Result<Option<InUse>, Error> {
    if disk.is_private() {
        return Ok(None);
    }
    users(disk.file(), disk.path(), Purpose::Read)
}

/// Returns what uses the file or block device at `path`, which will be overwritten.
///
/// # Errors
///
/// [`Error::Io`] if it cannot be opened for reading, or the system refuses.
pub fn target_in_use(path: impl AsRef<Path>) -> Result<Option<InUse>, Error> {
    let path = path.as_ref();
    let file = File::open(path).map_err(Error::io(path, "opened"))?;
    users(&file, path, Purpose::Write)
}

fn users(file: &File, path: &Path, purpose: Purpose) -> Result<Option<InUse>, Error> {
    let metadata = file.metadata().map_err(Error::io(path, "examined"))?;
    if metadata.file_type().is_block_device()
        && let Some(by) = holder(path, &metadata, purpose)?
    {
        return Ok(Some(by));
    }
    besides_holder(file, path, &metadata, purpose)
}

/// Returns what else uses the file or block device at `path` that is open as `file`,
/// exclusively if it is a device, to be changed.
pub(crate) fn other_users(file: &File, path: &Path) -> Result<Option<InUse>, Error> {
    let metadata = file.metadata().map_err(Error::io(path, "examined"))?;
    besides_holder(file, path, &metadata, Purpose::Write)
}

/// Returns what uses `file` without holding it exclusively.
fn besides_holder(
    file: &File,
    path: &Path,
    metadata: &Metadata,
    purpose: Purpose,
) -> Result<Option<InUse>, Error> {
    let identity = Identity::of(metadata);
    if mounts::is_swap(identity) {
        return Ok(Some(InUse::Swap));
    }
    if let Some(by) = loops::over(identity, metadata.len(), purpose) {
        return Ok(Some(by));
    }
    if let Some(mount) = mounts::of_file(identity)
        && !(purpose == Purpose::Read && mount.read_only)
    {
        return Ok(Some(InUse::Mounted { on: mount.on }));
    }
    if purpose == Purpose::Write
        && let Some(by) = loops::beside(metadata.rdev())
    {
        return Ok(Some(by));
    }
    locks::held(file, purpose).map_err(Error::io(path, "examined"))
}

/// Returns what holds the block device at `path` exclusively.
fn holder(path: &Path, metadata: &Metadata, purpose: Purpose) -> Result<Option<InUse>, Error> {
    let flags = OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(_) => Ok(None),
        Err(Errno::BUSY) => Ok(match (mounts::of_device(metadata.rdev()), purpose) {
            (Some(mount), Purpose::Read) if mount.read_only => None,
            (Some(mount), _) => Some(InUse::Mounted { on: mount.on }),
            (None, _) if mounts::is_swap(Identity::of(metadata)) => Some(InUse::Swap),
            (None, _) => Some(InUse::Exclusive),
        }),
        Err(error) => Err(Error::io(path, "examined")(error.into())),
    }
}
