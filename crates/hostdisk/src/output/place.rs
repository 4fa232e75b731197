//! Finds the place of an output.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::in_use::InUse;
use crate::{Error, Identity};

/// Symbolic links followed before a path counts as a loop: the kernel's limit.
const LINKS_MAX: u32 = 40;

/// Returns the absolute path of the file to create for `path`, which does not exist yet
/// or is a dangling symbolic link.
pub(crate) fn of_missing(path: &Path) -> Result<PathBuf, Error> {
    resolve(path).map_err(Error::io(path, "created"))
}

/// Refuses to make a file at `place`, which was asked for as `path`, among the nodes of
/// devices: it would be in memory, and gone at the next start.
pub(super) fn check_is_for_files(place: &Path, path: &Path) -> Result<(), Error> {
    if place.starts_with("/dev") && !place.starts_with("/dev/shm") {
        return Err(Error::NoDevice { path: path.into() });
    }
    Ok(())
}

fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut named = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        if named.as_os_str().as_bytes().ends_with(b"/") {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let name = named.file_name().ok_or(io::ErrorKind::NotFound)?;
        let folder = match named.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let folder = fs::canonicalize(folder)?;
        match fs::read_link(folder.join(name)) {
            Ok(link) => named = folder.join(link),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(folder.join(name)),
            Err(error) => return Err(error),
        }
    }
    Err(Errno::LOOP.into())
}

/// Opens `path`, which must still be the `existing` file, for reading and writing.
pub(crate) fn open_existing(
    path: &Path,
    existing: &Metadata,
    flags: OFlags,
) -> Result<File, Error> {
    let flags = flags | OFlags::RDWR | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::BUSY) => {
            return Err(Error::InUse {
                path: path.into(),
                by: InUse::Exclusive,
            });
        }
        Err(error) => return Err(Error::io(path, "opened")(error.into())),
    };
    let opened = file.metadata().map_err(Error::io(path, "examined"))?;
    if Identity::of(&opened) != Identity::of(existing) {
        let message = "it was replaced while it was being opened";
        return Err(Error::io(path, "opened")(io::Error::other(message)));
    }
    Ok(file)
}
