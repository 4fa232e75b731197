//! Reads storage like a file with a position.

use std::io::{self, Read, Seek, SeekFrom};

use crate::{ReadAt, len_u64};

/// Reads a [`ReadAt`] through [`Read`] and [`Seek`], for code that needs a file.
///
/// Several cursors can read one disk at once, each at its own position.
#[derive(Clone, Debug)]
pub struct Cursor<R> {
    inner: R,
    position: u64,
}

impl<R: ReadAt> Cursor<R> {
    /// Reads `inner` from its start.
    pub fn new(inner: R) -> Self {
        Self { inner, position: 0 }
    }

    /// Returns the storage that is read.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: ReadAt> Read for Cursor<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let there = self.inner.size().saturating_sub(self.position);
        let length = usize::try_from(there).unwrap_or(usize::MAX).min(buf.len());
        let part = buf.get_mut(..length).unwrap_or_default();
        if !part.is_empty() {
            self.inner.read_at(self.position, part)?;
        }
        self.position = self.position.saturating_add(len_u64(length));
        Ok(length)
    }
}

impl<R: ReadAt> Seek for Cursor<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.inner.size().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_like_a_cursor_of_the_standard_library() {
        let bytes: Vec<u8> = (0..100).collect();
        let (mut ours, mut theirs) = (Cursor::new(bytes.clone()), io::Cursor::new(bytes));
        for (to, length) in [
            (SeekFrom::Start(0), 10),
            (SeekFrom::Current(5), 7),
            (SeekFrom::Current(-20), 1),
            (SeekFrom::End(-3), 10),
            (SeekFrom::Current(0), 10),
            (SeekFrom::End(50), 10),
            (SeekFrom::Start(u64::MAX), 1),
            (SeekFrom::Current(1), 1),
            (SeekFrom::Start(99), 1),
        ] {
            let kinds = (
                ours.seek(to).map_err(|error| error.kind()),
                theirs.seek(to).map_err(|error| error.kind()),
            );
            assert_eq!(kinds.0, kinds.1, "{to:?}");
            let (mut a, mut b) = (vec![0xee; length], vec![0xee; length]);
            assert_eq!(ours.read(&mut a).unwrap(), theirs.read(&mut b).unwrap());
            assert_eq!(a, b, "{to:?}");
        }
        assert_eq!(ours.into_inner().len(), 100);
    }
}
