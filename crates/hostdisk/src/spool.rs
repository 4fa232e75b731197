//! Scratch space that is too large for memory.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use blockio::{Handle, ReadAt, WriteAt, len_u64};

use crate::output::FileStore;
use crate::{Disk, Error};

/// A nameless temporary file.
///
/// It is in the system's folder for temporary files, which the environment variable
/// `TMPDIR` may choose, or in another folder. It starts empty, takes no space for ranges
/// that were not written, and is gone when it is dropped. Its errors name the folder.
#[derive(Debug)]
pub struct Spool {
    store: FileStore,
    folder: PathBuf,
    written_bytes: AtomicU64,
}

impl Spool {
    /// Creates an empty spool in the system's folder for temporary files.
    ///
    /// # Errors
    ///
    /// Whatever the system reports if no file can be made.
    pub fn new() -> io::Result<Self> {
        Self::new_in(std::env::temp_dir())
    }

    /// Creates an empty spool in `folder`.
    ///
    /// # Errors
    ///
    /// Whatever the system reports if no file can be made.
    pub fn new_in(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        let file = tempfile::tempfile_in(&folder).map_err(|error| in_folder(&folder, &error))?;
        Ok(Self {
            store: FileStore::new(file, 0, true),
            folder,
            written_bytes: AtomicU64::new(0),
        })
    }

    /// Returns the folder that it is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns how many bytes were written to it.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Relaxed)
    }

    /// Returns its contents as a disk to read, which messages call `name`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the system refuses.
    pub fn to_disk(&self, name: &Path) -> Result<Disk, Error> {
        let file = self.store.file().try_clone();
        let disk = Disk::of(file.map_err(Error::io(name, "opened"))?, name)?;
        Ok(disk.private())
    }

    fn told<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| in_folder(&self.folder, &error))
    }
}

/// Adds `folder` to an `error` of a temporary file.
fn in_folder(folder: &Path, error: &io::Error) -> io::Error {
    let message = format!("temporary file in {}: {error}", folder.display());
    io::Error::new(error.kind(), message)
}

impl ReadAt for Spool {
    fn size(&self) -> u64 {
        self.store.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.told(self.store.read_at(offset, buf))
    }
    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.told(self.store.next_data(from))
    }
    fn handle(&self) -> Option<&Handle> {
        self.store.handle()
    }
}

impl WriteAt for Spool {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.told(self.store.write_at(offset, bytes))?;
        let length = len_u64(bytes.len());
        self.written_bytes.fetch_add(length, Ordering::Relaxed);
        Ok(())
    }
    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.told(self.store.write_zeroes(offset, length))
    }
    fn share_at(
        &self,
        offset: u64,
        source: &Handle,
        source_offset: u64,
        length: u64,
    ) -> io::Result<()> {
        // The folder is not added: the caller examines the error itself.
        self.store.share_at(offset, source, source_offset, length)
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.told(self.store.set_size(size))
    }
    fn starts_zeroed(&self) -> bool {
        self.store.starts_zeroed()
    }
    fn sync(&self) -> io::Result<()> {
        self.told(self.store.sync())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_spool_starts_empty_and_takes_what_is_written() {
        let spool = Spool::new().unwrap();
        assert_eq!((spool.size(), spool.starts_zeroed()), (0, true));
        assert_eq!(spool.store.file().metadata().unwrap().nlink(), 0);
        let far = 1 << 40;
        spool.write_at(far, b"far").unwrap();
        let mut read = [9; 5];
        spool.read_at(far - 2, &mut read).unwrap();
        assert_eq!((&read, spool.size()), (b"\0\0far", far + 3));
        spool.write_zeroes(far, 1).unwrap();
        spool.read_at(far - 2, &mut read).unwrap();
        assert_eq!(&read, b"\0\0\0ar");
        let data = spool.next_data(0).unwrap().unwrap();
        assert!(data.start > 0 && data.end == spool.size(), "{data:?}");
        spool.set_size(1).unwrap();
        assert_eq!(spool.size(), 1);
        spool.sync().unwrap();
        assert_eq!(spool.written_bytes(), 3);
    }

    #[test]
    fn a_spool_is_where_it_is_wanted_and_becomes_a_disk() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new_in(folder.path()).unwrap();
        assert_eq!(spool.folder(), folder.path());
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        spool.write_at(9, b"disk").unwrap();
        let disk = spool.to_disk(Path::new("what arrived")).unwrap();
        assert_eq!((disk.size(), disk.path()), (13, Path::new("what arrived")));
        let missing = folder.path().join("missing");
        let error = Spool::new_in(&missing).unwrap_err().to_string();
        let start = format!("temporary file in {}: ", missing.display());
        assert!(error.starts_with(&start), "{error}");
    }
}
