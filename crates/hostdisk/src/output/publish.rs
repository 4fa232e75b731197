//! New files, which have no name until they are whole.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fstatfs, linkat};
use rustix::io::Errno;
use tempfile::TempPath;

use super::attributes::Attributes;
use super::naming::{System, move_over, move_to_free, rehearse, remove_name_of};
use crate::Error;
use crate::freeze::thaw_all;

/// The longest part of a file name, in bytes, that a temporary name repeats. With the
/// rest it stays below 255, the limit of most filesystems.
const REPEATED_NAME_BYTES_MAX: usize = 200;

/// Mode of a new file; the umask is applied to it.
const NEW_MODE: u32 = 0o666;
/// Mode of a replacement until it takes over that of the replaced file.
const PRIVATE_MODE: u32 = 0o600;

/// `f_type` of all FUSE file systems.
const FUSE_SUPER_MAGIC: i64 = 0x6573_5546;

static LIVE: Mutex<Live> = Mutex::new(Live {
    abandoned: false,
    temporary: BTreeMap::new(),
});

/// The outputs of this process. Outputs appear, and temporary names are created and
/// removed, only under its lock.
pub(super) struct Live {
    abandoned: bool,
    /// The existing temporary files. They are removed when they are dropped.
    temporary: BTreeMap<PathBuf, TempPath>,
}

fn live() -> MutexGuard<'static, Live> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Thaws every filesystem that this process has frozen and removes all its temporary
/// files.
///
/// No output can be committed afterwards. This is for the thread that ends the process
/// on a signal.
pub fn abandon_all() {
    // First, since the holder of the lock may wait for a frozen filesystem.
    thaw_all();
    let mut live = live();
    live.abandoned = true;
    live.temporary.clear();
}

/// Runs the step that makes the output at `path` appear, unless all were abandoned.
pub(super) fn unless_abandoned<T>(
    path: &Path,
    appear: impl FnOnce(&mut Live) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut live = live();
    if live.abandoned {
        return Err(Error::Abandoned { path: path.into() });
    }
    appear(&mut live)
}

/// A new file that is not at its path yet. It is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Unpublished {
    /// Absolute, free of symbolic links.
    path: PathBuf,
    /// The folder, if the new name must survive a loss of power.
    folder: Option<File>,
    replaces: bool,
    /// Its temporary name, if it needs one.
    temporary: Option<Temporary>,
}

impl Unpublished {
    /// Creates and opens an empty file for the absolute `path`. If it replaces a file, it
    /// takes over that file's attributes.
    pub(super) fn create(
        path: PathBuf,
        replaced: Option<&Attributes>,
        sync: bool,
    ) -> Result<(File, Self), Error> {
        match open_unnamed(&path, first_mode(replaced)) {
            Ok(file) => Self::prepare(file, None, path, replaced, sync),
            // Many filesystems do not support files without a name.
            Err(_) => Self::create_named(path, replaced, sync),
        }
    }

    /// As [`create`](Self::create), with a temporary name.
    pub(super) fn create_named(
        path: PathBuf,
        replaced: Option<&Attributes>,
        sync: bool,
    ) -> Result<(File, Self), Error> {
        let (file, temporary) = open_temporary(&path, first_mode(replaced), replaced.is_some())?;
        Self::prepare(file, Some(temporary), path, replaced, sync)
    }

    fn prepare(
        file: File,
        temporary: Option<Temporary>,
        path: PathBuf,
        replaced: Option<&Attributes>,
        sync: bool,
    ) -> Result<(File, Self), Error> {
        if let Some(attributes) = replaced {
            attributes
                .apply(&file)
                .map_err(Error::io(&path, "replaced"))?;
        }
        // Opened now, so that a folder that cannot be synced is reported early.
        let folder = if sync {
            let folder = folder_of(&path);
            Some(File::open(folder).map_err(Error::io(folder, "opened"))?)
        } else {
            None
        };
        let new = Self {
            path,
            folder,
            replaces: replaced.is_some(),
            temporary,
        };
        Ok((file, new))
    }

    /// Gives `file` its name; errors call it `given`.
    pub(super) fn publish(self, file: &File, given: &Path) -> Result<(), Error> {
        unless_abandoned(given, |live| {
            let named = match &self.temporary {
                Some(name) => rename(name.release(live), &self.path, self.replaces),
                None if self.replaces => replace(file, &self.path),
                None => link(file, &self.path),
            };
            named.map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Error::Exists { path: given.into() },
                _ => Error::io(given, "moved into place")(error),
            })
        })?;
        let synced = self.folder.as_ref().map_or(Ok(()), sync_folder);
        synced.map_err(|error| {
            // After a failure, the caller expects that nothing is there.
            if !self.replaces {
                let _ = remove_name_of(file, &self.path);
            }
            Error::io(given, "synced")(error)
        })
    }
}

/// Stores the names in `folder`. Some file systems do not need that.
fn sync_folder(folder: &File) -> io::Result<()> {
    let synced = folder.sync_all();
    match synced.as_ref().map_err(Errno::from_io_error) {
        Err(Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)) => Ok(()),
        _ => synced,
    }
}

/// The temporary name of a new file. It is removed when this is dropped.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Temporary {
    /// Takes the file out of the list; from now on only the caller may remove it.
    fn release(&self, live: &mut Live) -> Option<TempPath> {
        live.temporary.remove(&self.0)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // The lock outlives the file, so that the process does not end in between.
        let mut live = live();
        drop(self.release(&mut live));
    }
}

fn first_mode(replaced: Option<&Attributes>) -> u32 {
    if replaced.is_some() {
        PRIVATE_MODE
    } else {
        NEW_MODE
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// Opens a new nameless file in the folder of `path`, which can be named later. A file
/// system in user space may create such a file and then be unable to name it.
fn open_unnamed(path: &Path, mode: u32) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(folder_of(path), flags, Mode::from_raw_mode(mode))?;
    let file = File::from(file);
    fs::metadata(link_to(&file))?;
    if fstatfs(&file)?.f_type == FUSE_SUPER_MAGIC {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(file)
}

/// Opens a new file with a temporary name in the folder of `path`, if the file system
/// can give it the name `path` later.
fn open_temporary(path: &Path, mode: u32, replaces: bool) -> Result<(File, Temporary), Error> {
    unless_abandoned(path, |live| {
        let (folder, prefix) = (folder_of(path), temporary_prefix(path));
        let mut names = tempfile::Builder::new();
        names
            .prefix(&prefix)
            .permissions(PermissionsExt::from_mode(mode));
        let (file, name) = names
            .tempfile_in(folder)
            .map_err(Error::io(path, "created"))?
            .into_parts();
        let name = rehearse(&System, name, folder, &names, replaces).map_err(|source| {
            let path = path.into();
            Error::Unnameable { path, source }
        })?;
        let path = name.to_path_buf();
        live.temporary.insert(path.clone(), name);
        Ok((file, Temporary(path)))
    })
}

/// Returns `.NAME.`: the file is hidden, and shows what it belongs to if it is left.
fn temporary_prefix(path: &Path) -> OsString {
    let name = path.file_name().unwrap_or_default();
    let mut prefix = OsString::from(".");
    if name.len() <= REPEATED_NAME_BYTES_MAX {
        prefix.push(name);
        prefix.push(".");
    }
    prefix
}

/// Returns the path under which the system lists an open file, to be linked.
fn link_to(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Gives an unnamed file a name that must be free.
fn link(file: &File, path: &Path) -> io::Result<()> {
    linkat(CWD, link_to(file), CWD, path, AtFlags::SYMLINK_FOLLOW)?;
    Ok(())
}

/// Replaces the file at `path` by a nameless file. No single call does that, so the
/// file has another name for a moment.
fn replace(file: &File, path: &Path) -> io::Result<()> {
    let name = tempfile::Builder::new()
        .prefix(&temporary_prefix(path))
        .make_in(folder_of(path), |name| link(file, name))?;
    rename(Some(name.into_temp_path()), path, true)
}

/// Moves a file from its temporary `name`, if it still has one, to `path`.
fn rename(name: Option<TempPath>, path: &Path, replaces: bool) -> io::Result<()> {
    let name = name.ok_or(io::ErrorKind::NotFound)?;
    if replaces {
        refuse_other_types(path)?;
        move_over(&System, name, path)
    } else {
        move_to_free(&System, name, path)
    }
}

/// Fails if the file to replace has become something else.
fn refuse_other_types(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(io::ErrorKind::AlreadyExists.into()),
        _ => Ok(()),
    }
}
