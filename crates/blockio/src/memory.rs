//! A disk in memory, for tests and for small images.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{ReadAt, WriteAt};

/// A growing disk in memory that can be written while it is read.
#[derive(Debug, Default)]
pub struct MemoryDisk(Mutex<Vec<u8>>);

impl MemoryDisk {
    /// Returns a disk that holds `bytes`.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Mutex::new(bytes))
    }

    /// Returns the current bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `change` on `length` bytes at `offset`, growing the disk to hold them.
    fn update(&self, offset: u64, length: usize, change: impl FnOnce(&mut [u8])) -> io::Result<()> {
        if length == 0 {
            return Ok(());
        }
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::StorageFull)?;
        let end = start
            .checked_add(length)
            .ok_or(io::ErrorKind::StorageFull)?;
        let mut bytes = self.bytes();
        if bytes.len() < end {
            resize(&mut bytes, end)?;
        }
        change(
            bytes
                .get_mut(start..end)
                .ok_or(io::ErrorKind::UnexpectedEof)?,
        );
        Ok(())
    }
}

/// Makes `bytes` as long as `length`, with zeros at the end.
fn resize(bytes: &mut Vec<u8>, length: usize) -> io::Result<()> {
    let missing = length.saturating_sub(bytes.len());
    bytes
        .try_reserve(missing)
        .map_err(|_| io::ErrorKind::StorageFull)?;
    bytes.resize(length, 0);
    Ok(())
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
        resize(&mut self.bytes(), size)
    }
    fn starts_zeroed(&self) -> bool {
        self.bytes().is_empty()
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_beyond_the_end_leaves_zeros_between() {
        let disk = MemoryDisk::new(b"ab".to_vec());
        assert!(!disk.starts_zeroed());
        disk.write_at(4, b"cd").unwrap();
        disk.write_zeroes(1, 1).unwrap();
        disk.write_at(9, b"").unwrap();
        disk.write_zeroes(9, 0).unwrap();
        assert_eq!(disk.size(), 6);
        disk.set_size(5).unwrap();
        disk.set_size(7).unwrap();
        assert_eq!(disk.into_bytes(), b"a\0\0\0c\0\0");
    }

    #[test]
    fn what_memory_cannot_hold_is_refused() {
        let disk = MemoryDisk::default();
        for refused in [
            disk.write_at(u64::MAX, b"a"),
            disk.write_zeroes(0, u64::MAX),
            disk.set_size(u64::MAX / 2),
        ] {
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
        assert_eq!(disk.size(), 0);
    }
}
