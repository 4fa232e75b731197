//! Regular files and block devices to read.

mod direct;
mod uncached;

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};

use blockio::{Handle, ReadAt};
use rustix::fs::{Advice, SeekFrom, fadvise, seek};

use crate::identity::not_a_disk;
use crate::{Error, Identity, Stamp};

pub use direct::Direct;
pub use uncached::Uncached;

/// The smallest sector size, in bytes.
const SECTOR_BYTES: u64 = 512;

/// A regular file or block device, opened for reading.
#[derive(Debug)]
pub struct Disk {
    file: File,
    path: PathBuf,
    identity: Identity,
    size_bytes: u64,
    is_device: bool,
    /// Whether no other process can find it.
    is_private: bool,
}

impl Disk {
    /// Opens the file or device at `path`. Its size is read once, here.
    ///
    /// # Errors
    ///
    /// [`Error::NotADisk`] for directories, pipes, sockets and character
    /// devices, which are not opened; [`Error::Io`] if the system refuses.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        // Checked before opening: opening would wait for a pipe's other end, and would
        // move the tape of a tape drive.
        check_type(
            &fs::metadata(path).map_err(Error::io(path, "opened"))?,
            path,
        )?;
        let file = File::open(path).map_err(Error::io(path, "opened"))?;
        Self::of(file, path)
    }

    /// Returns standard input as a disk, if it is a file or block device at its start.
    ///
    /// Messages call it `name`. From another position, or from a pipe, bytes cannot be
    /// read by offset.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the system refuses.
    pub fn of_stdin(name: impl AsRef<Path>) -> Result<Option<Self>, Error> {
        let name = name.as_ref();
        let stdin = io::stdin().as_fd().try_clone_to_owned();
        let file = File::from(stdin.map_err(Error::io(name, "opened"))?);
        let metadata = file.metadata().map_err(Error::io(name, "examined"))?;
        if not_a_disk(metadata.file_type()).is_some() {
            return Ok(None);
        }
        let place = seek(&file, SeekFrom::Current(0));
        let place = place.map_err(|error| Error::io(name, "examined")(error.into()))?;
        if place > 0 {
            return Ok(None);
        }
        // A device is opened again to see what uses it.
        let name = match metadata.file_type().is_block_device() {
            true => Path::new("/dev/stdin"),
            false => name,
        };
        Self::of(file, name).map(Some)
    }

    /// Returns another handle to the same disk.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the system refuses.
    pub fn try_clone(&self) -> Result<Self, Error> {
        let file = self.file.try_clone();
        Ok(Self {
            file: file.map_err(Error::io(&self.path, "opened"))?,
            path: self.path.clone(),
            ..*self
        })
    }

    /// Wraps the open `file`, which was found at `path`.
    pub(crate) fn of(file: File, path: &Path) -> Result<Self, Error> {
        let metadata = file.metadata().map_err(Error::io(path, "examined"))?;
        check_type(&metadata, path)?;
        let is_device = metadata.file_type().is_block_device();
        let size_bytes = if is_device {
            forget_cached(&file).map_err(Error::io(path, "examined"))?;
            device_bytes(&file).map_err(Error::io(path, "measured"))?
        } else {
            metadata.len()
        };
        Ok(Self {
            file,
            path: path.into(),
            identity: Identity::of(&metadata),
            size_bytes,
            is_device,
            is_private: false,
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

    /// Returns whether this is a block device.
    #[must_use]
    pub fn is_device(&self) -> bool {
        self.is_device
    }

    /// Returns the current state of the file, to be compared with a later one.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the system refuses.
    pub fn stamp(&self) -> Result<Stamp, Error> {
        if self.is_device {
            device_bytes(&self.file).map(Stamp::of_device)
        } else {
            self.file.metadata().map(|now| Stamp::of_file(&now))
        }
        .map_err(Error::io(&self.path, "examined"))
    }

    /// Returns a view that reads from the storage, not from the page cache, and does not
    /// trust holes.
    #[must_use]
    pub fn uncached(&self) -> Uncached<'_> {
        Uncached::new(self, &self.file)
    }

    /// Opens the disk again for direct I/O, which bypasses the page cache.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the system refuses, as some filesystems do.
    pub fn direct(&self) -> Result<Direct, Error> {
        let sector_bytes = match self.is_device {
            true => Some(self.sector_bytes()?),
            false => None,
        };
        Direct::open(&self.path, self.identity, self.size_bytes, sector_bytes)
    }

    /// Returns the smallest unit that can be unreadable: a logical block of a device, and
    /// 512 bytes of a file, whose filesystem does not report one.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the system refuses.
    pub fn sector_bytes(&self) -> Result<u64, Error> {
        if !self.is_device {
            return Ok(SECTOR_BYTES);
        }
        match rustix::fs::ioctl_blksszget(&self.file) {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) => Err(Error::io(&self.path, "examined")(error.into())),
        }
    }

    /// Marks the disk as one that no other process can find.
    pub(crate) fn private(self) -> Self {
        Self {
            is_private: true,
            ..self
        }
    }

    /// Returns whether no other process can find it.
    pub(crate) fn is_private(&self) -> bool {
        self.is_private
    }

    /// Returns the open file or device.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl ReadAt for Disk {
    fn size(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        read_within(&self.file, self.size_bytes, offset, buf)
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        if self.is_device {
            return Ok((from < self.size_bytes).then_some(from..self.size_bytes));
        }
        next_data(&self.file, from, self.size_bytes)
    }

    fn handle(&self) -> Option<&Handle> {
        Some(&self.file)
    }
}

/// Refuses anything but regular files and block devices.
pub(crate) fn check_type(metadata: &fs::Metadata, path: &Path) -> Result<(), Error> {
    match not_a_disk(metadata.file_type()) {
        None => Ok(()),
        Some(found) => Err(Error::NotADisk {
            path: path.into(),
            found,
        }),
    }
}

/// Drops what is cached of the block device that is open as `file` and was not written to.
///
/// A disk and its partitions have page caches of their own. As long as any program has the
/// disk open, pages of it that were read before a partition was written to stay as they were.
pub(crate) fn forget_cached(file: &File) -> io::Result<()> {
    Ok(fadvise(file, 0, None, Advice::DontNeed)?)
}

/// Returns the size of the block device that is open as `file`, in bytes.
pub(crate) fn device_bytes(file: &File) -> io::Result<u64> {
    Ok(seek(file, SeekFrom::End(0))?)
}

/// Fills `buf` from `file`, of which the first `size_bytes` count.
pub(crate) fn read_within(
    file: &File,
    size_bytes: u64,
    offset: u64,
    buf: &mut [u8],
) -> io::Result<()> {
    let end = offset.checked_add(buf.size());
    if end.is_none_or(|end| end > size_bytes) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    file.read_exact_at(buf, offset)
}

/// Returns the first run of data of the regular `file` at or after `from`, as its
/// filesystem tells, within the first `size_bytes`.
pub(crate) fn next_data(file: &File, from: u64, size_bytes: u64) -> io::Result<Option<Range<u64>>> {
    use rustix::io::Errno;
    if from >= size_bytes {
        return Ok(None);
    }
    match seek(file, SeekFrom::Data(from)) {
        Ok(start) if start >= size_bytes => Ok(None),
        Ok(start) => {
            let end = seek(file, SeekFrom::Hole(start)).unwrap_or(size_bytes);
            Ok(Some(start..end.clamp(start + 1, size_bytes)))
        }
        // Only a hole follows, or the file was truncated, which the reader must learn.
        Err(Errno::NXIO) if file.metadata()?.len() >= size_bytes => Ok(None),
        Err(Errno::NXIO | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => {
            Ok(Some(from..size_bytes))
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
