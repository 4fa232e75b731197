//! A disk in memory, for tests and for small images.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{ReadAt, WriteAt};

/// A growing disk in memory that can be written while it is read.
#[derive(Debug, Default)]
pub struct MemoryDisk(Mutex<Vec<u8>>);

impl MemoryDisk {
    /// A disk that holds `bytes`.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Mutex::new(bytes))
    }

    /// The bytes, as they are now.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `change` on `length` bytes at `offset`, growing the disk to hold them.
    fn update(&self, offset: u64, length: usize, change: impl FnOnce(&mut [u8])) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::StorageFull)?;
        let end = start
            .checked_add(length)
            .ok_or(io::ErrorKind::StorageFull)?;
        let mut bytes = self.bytes();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        change(
            bytes
                .get_mut(start..end)
                .ok_or(io::ErrorKind::UnexpectedEof)?,
        );
        Ok(())
    }
}

impl ReadAt for MemoryDisk {
    fn size(&self) -> u64 {
        self.bytes().size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.bytes().read_at(offset, buf)
    }
}

impl WriteAt for MemoryDisk {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.update(offset, bytes.len(), |stored| stored.copy_from_slice(bytes))
    }
    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::StorageFull)?;
        self.update(offset, length, |stored| stored.fill(0))
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        let size = usize::try_from(size).map_err(|_| io::ErrorKind::StorageFull)?;
        self.bytes().resize(size, 0);
        Ok(())
    }
    fn starts_zeroed(&self) -> bool {
        self.bytes().is_empty()
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
