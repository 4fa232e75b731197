//! Reads from the storage instead of the page cache, for verification.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{Advice, fadvise};

use blockio::ReadAt;

/// Bytes of page cache that are dropped at once, before their first byte is read.
const WINDOW_BYTES: NonZeroU64 = NonZeroU64::new(32 << 20).unwrap();

/// A view of a file that reads every byte from the storage.
///
/// It trusts neither holes nor pages that were cached before it was created. Pages that
/// were written but not synced stay cached, as do pages that a program has mapped.
pub struct Uncached<'f> {
    bytes: &'f dyn ReadAt,
    file: &'f File,
    /// The numbers of the windows that were already dropped.
    dropped: Mutex<BTreeSet<u64>>,
}

impl<'f> Uncached<'f> {
    /// Creates a view of `bytes`, which are stored in `file`.
    pub(crate) fn new(bytes: &'f dyn ReadAt, file: &'f File) -> Self {
        Self {
            bytes,
            file,
            dropped: Mutex::default(),
        }
    }

    /// Drops the windows that contain `length` bytes at `offset`, once each.
    fn drop_cached(&self, offset: u64, length: u64) -> io::Result<()> {
        let last = offset.saturating_add(length.saturating_sub(1)) / WINDOW_BYTES;
        for window in offset / WINDOW_BYTES..=last {
            let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
            if dropped.insert(window) {
                let start = window * WINDOW_BYTES.get();
                fadvise(self.file, start, Some(WINDOW_BYTES), Advice::DontNeed)?;
            }
        }
        Ok(())
    }
}

impl ReadAt for Uncached<'_> {
    fn size(&self) -> u64 {
        self.bytes.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let length = buf.size();
        if offset
            .checked_add(length)
            .is_none_or(|end| end > self.size())
        {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.drop_cached(offset, length)?;
        self.bytes.read_at(offset, buf)
    }
}

impl std::fmt::Debug for Uncached<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uncached")
            .field("file", self.file)
            .finish_non_exhaustive()
    }
}
