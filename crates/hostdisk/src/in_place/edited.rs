//! A file or device that is changed in place.

use std::io;
use std::ops::Range;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use blockio::{ReadAt, WriteAt};

use super::alone::open_alone;
use crate::disk::{check_type, device_bytes, forget_cached};
use crate::output::FileStore;
use crate::{Error, Identity};

/// A regular file or block device that is read and written in place, opened so that no
/// other program uses it.
///
/// A device is opened exclusively. On a file, the locks are held that QEMU's programs
/// look for, so that they refuse to open it.
#[derive(Debug)]
pub struct EditedFile {
    store: FileStore,
    path: PathBuf,
    identity: Identity,
    /// Size of a device, which cannot change.
    device_bytes: Option<u64>,
}

impl EditedFile {
    /// Opens the file or device at `path`. Nothing is changed yet.
    ///
    /// # Errors
    ///
    /// [`Error::NotADisk`]; [`Error::InUse`] if anything else uses it, even only to read
    /// it; [`Error::Io`] if the system refuses.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = open_alone(path)?;
        let metadata = file.metadata().map_err(Error::io(path, "examined"))?;
        check_type(&metadata, path)?;
        let device_bytes = match metadata.file_type().is_block_device() {
            true => {
                forget_cached(&file).map_err(Error::io(path, "examined"))?;
                Some(device_bytes(&file).map_err(Error::io(path, "measured"))?)
            }
            false => None,
        };
        let length = device_bytes.unwrap_or(metadata.len());
        Ok(Self {
            store: FileStore::new(file, length, false),
            path: path.into(),
            identity: Identity::of(&metadata),
            device_bytes,
        })
    }

    /// Returns the path it was opened under.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the identity of the file or device.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    fn check_room(&self, needed_bytes: u64) -> io::Result<()> {
        match self.device_bytes {
            Some(device_bytes) if needed_bytes > device_bytes => Err(io::Error::new(
                io::ErrorKind::StorageFull,
                Error::TooSmall {
                    path: self.path.clone(),
                    device_bytes,
                    needed_bytes,
                },
            )),
            _ => Ok(()),
        }
    }
}

impl ReadAt for EditedFile {
    fn size(&self) -> u64 {
        self.store.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.store.read_at(offset, buf)
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.store.next_data(from)
    }
}

impl WriteAt for EditedFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.check_room(offset.saturating_add(bytes.size()))?;
        self.store.write_at(offset, bytes)
    }

    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.check_room(offset.saturating_add(length))?;
        self.store.write_zeroes(offset, length)
    }

    fn reserve(&self, size: u64) -> io::Result<()> {
        self.check_room(size)?;
        match self.device_bytes {
            Some(_) => Ok(()),
            None => self.store.reserve(size),
        }
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.check_room(size)?;
        match self.device_bytes {
            // It is as long as it is.
            Some(_) => Ok(()),
            None => self.store.set_size(size),
        }
    }

    fn starts_zeroed(&self) -> bool {
        false
    }

    fn sync(&self) -> io::Result<()> {
        self.store.sync()
    }
}
