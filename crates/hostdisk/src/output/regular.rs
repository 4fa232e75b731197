//! The content of an output that is a regular file.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use blockio::{Handle, ReadAt, WriteAt};
use rustix::fs::FallocateFlags;

use super::limit;
use super::share::share_blocks;
use super::zeroes::{try_fallocate, write_zero_bytes};
use crate::disk::{next_data, read_within};

/// A regular file that is both written and read.
#[derive(Debug)]
pub(crate) struct FileStore {
    file: File,
    /// The length. Writes share this lock; setting the length takes it exclusively,
    /// since it could otherwise cut off bytes that are being appended.
    length: RwLock<AtomicU64>,
    starts_zeroed: bool,
}

impl FileStore {
    /// Wraps `file`, which is `length` bytes long.
    pub(crate) fn new(file: File, length: u64, starts_zeroed: bool) -> Self {
        Self {
            file,
            length: RwLock::new(length.into()),
            starts_zeroed,
        }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Stores content, length and attributes.
    pub(super) fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn shared(&self) -> RwLockReadGuard<'_, AtomicU64> {
        self.length.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn alone(&self) -> RwLockWriteGuard<'_, AtomicU64> {
        self.length.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadAt for FileStore {
    fn size(&self) -> u64 {
        self.shared().load(Ordering::Acquire)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        read_within(&self.file, self.size(), offset, buf)
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        next_data(&self.file, from, self.size())
    }

    fn handle(&self) -> Option<&Handle> {
        Some(&self.file)
    }
}

impl WriteAt for FileStore {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let end = offset
            .checked_add(bytes.size())
            .ok_or(io::ErrorKind::FileTooLarge)?;
        let length = self.shared();
        self.file.write_all_at(bytes, offset)?;
        length.fetch_max(end, Ordering::AcqRel);
        Ok(())
    }

    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        let end = offset
            .checked_add(length)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        let inside = end.min(self.size()).saturating_sub(offset);
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if inside > 0 && !try_fallocate(&self.file, punch, offset, inside)? {
            write_zero_bytes(&self.file, offset, inside)?;
        }
        if length > 0 && end > self.size() {
            let mut stored = self.alone();
            let stored = stored.get_mut();
            if end > *stored {
                self.file.set_len(end)?;
                *stored = end;
            }
        }
        Ok(())
    }

    fn reserve(&self, size: u64) -> io::Result<()> {
        if size > self.size() {
            limit::check(&self.file, size)?;
        }
        Ok(())
    }

    fn share_at(
        &self,
        offset: u64,
        source: &Handle,
        source_offset: u64,
        length: u64,
    ) -> io::Result<()> {
        let Some(shared) = NonZeroU64::new(length) else {
            return Ok(());
        };
        let source = source
            .downcast_ref::<File>()
            .ok_or(io::ErrorKind::Unsupported)?;
        let end = offset
            .checked_add(length)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        let length = self.shared();
        share_blocks(&self.file, offset, source, source_offset, shared)?;
        length.fetch_max(end, Ordering::AcqRel);
        Ok(())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let mut length = self.alone();
        self.file.set_len(size)?;
        *length.get_mut() = size;
        Ok(())
    }

    fn starts_zeroed(&self) -> bool {
        self.starts_zeroed
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
