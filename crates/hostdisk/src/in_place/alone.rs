//! Opens a file or device that nothing else uses.

use std::fs::{self, File};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::Error;
use crate::disk::check_type;
use crate::in_use::{self, InUse};
use crate::output::place::open_existing;

/// Opens the file or device at `path` so that no other program uses it.
pub(super) fn open_alone(path: &Path) -> Result<File, Error> {
    let in_use = |by| Error::InUse {
        path: path.into(),
        by,
    };
    let metadata = fs::metadata(path).map_err(Error::io(path, "opened"))?;
    check_type(&metadata, path)?;
    if let Some(by) = in_use::target_in_use(path)? {
        return Err(in_use(by));
    }
    let flags = match metadata.file_type().is_block_device() {
        true => OFlags::EXCL,
        false => OFlags::empty(),
    };
    let file = open_existing(path, &metadata, flags)?;
    if !in_use::lock(&file).map_err(Error::io(path, "locked"))? {
        return Err(in_use(InUse::QemuReads));
    }
    // Something may have begun to use it before it was locked.
    match in_use::other_users(&file, path)? {
        Some(by) => Err(in_use(by)),
        None => Ok(file),
    }
}
