//! Gives a file a name that must be free.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::{Builder, TempPath};

use crate::Identity;

/// Mode of the empty file that reserves a name for a moment.
const PLACEHOLDER_MODE: u32 = 0o600;

/// The system calls, some of which a file system may lack.
pub(super) trait Calls {
    /// Moves the file `from` to the name `to`, which must be free.
    fn rename_free(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives the file `from` a second name, which must be free.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Moves the file `from` to the name `to`, whatever has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
}

/// The calls of this system.
pub(super) struct System;

impl Calls for System {
    fn rename_free(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }
}

/// Moves a file from its temporary name to `path`, which must be free.
///
/// This takes one call if the file system supports it, and otherwise a second name.
/// exFAT, shared folders of virtual machines and many file systems in user space support
/// neither. There an empty file takes the name, which must be free, and is replaced at
/// once: a reader may briefly see an empty file, but never a partial one.
pub(super) fn move_to_free(calls: &dyn Calls, name: TempPath, path: &Path) -> io::Result<()> {
    let moved = match calls.rename_free(&name, path) {
        Err(error) if !is_taken(&error) => match calls.link(&name, path) {
            Ok(()) => return name.close(),
            Err(error) if !is_taken(&error) => claim(calls, &name, path),
            refused => refused,
        },
        moved => moved,
    };
    moved?;
    name.keep().map(drop).map_err(|failed| failed.error)
}

/// Moves a file from its temporary name to `path`, and replaces what is there.
pub(super) fn move_over(calls: &dyn Calls, name: TempPath, path: &Path) -> io::Result<()> {
    calls.rename(&name, path)?;
    name.keep().map(drop).map_err(|failed| failed.error)
}

/// Renames a temporary file in the way in which it will get its final name, so that a
/// file system that cannot do that is detected before the work.
pub(super) fn rehearse(
    calls: &dyn Calls,
    name: TempPath,
    folder: &Path,
    names: &Builder<'_, '_>,
    replaces: bool,
) -> io::Result<TempPath> {
    if replaces {
        let next = names.tempfile_in(folder)?.into_temp_path();
        move_over(calls, name, &next)?;
        return Ok(next);
    }
    let mut name = Some(name);
    let next = names.make_in(folder, |next| {
        // Retried only with a name that is free.
        if fs::symlink_metadata(next).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let name = name.take().ok_or(io::ErrorKind::NotFound)?;
        move_to_free(calls, name, next)
    })?;
    Ok(next.into_temp_path())
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AlreadyExists
}

/// Reserves the name `path` with an empty file, and moves the file over it.
fn claim(calls: &dyn Calls, name: &Path, path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(PLACEHOLDER_MODE);
    let placeholder = options.open(path)?;
    let identity = placeholder.metadata().map(|found| Identity::of(&found));
    // Some file systems keep a replaced file under another name while it is open.
    drop(placeholder);
    let moved = calls.rename(name, path);
    if moved.is_err()
        && let Ok(found) = fs::symlink_metadata(path)
        && found.len() == 0
        && identity.is_ok_and(|identity| identity == Identity::of(&found))
    {
        // The first error is the one to report.
        let _ = fs::remove_file(path);
    }
    moved
}

/// Removes the name `path` if it is that of `file`.
pub(super) fn remove_name_of(file: &File, path: &Path) -> io::Result<()> {
    if Identity::of(&fs::symlink_metadata(path)?) != Identity::of(&file.metadata()?) {
        return Err(io::ErrorKind::NotFound.into());
    }
    fs::remove_file(path)
}

#[cfg(test)]
mod tests;
