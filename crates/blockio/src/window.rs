//! A part of a disk as a disk of its own.

use std::io;
use std::ops::Range;

use crate::access::{ReadAt, len_u64};

/// A part of a disk, such as a partition: its offset 0 is the first byte of the part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window<R> {
    disk: R,
    range: Range<u64>,
}

impl<R: ReadAt> Window<R> {
    /// Returns a window on the bytes `range` of `disk`, or `None` if they pass its end.
    pub fn new(disk: R, range: Range<u64>) -> Option<Self> {
        let is_within = range.start <= range.end && range.end <= disk.size();
        is_within.then_some(Self { disk, range })
    }
}

impl<R> Window<R> {
    /// Returns the bytes of the disk that the window shows.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Returns the whole disk.
    pub const fn disk(&self) -> &R {
        &self.disk
    }
}

impl<R: ReadAt> ReadAt for Window<R> {
    fn size(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(len_u64(buf.len()));
        if end.is_none_or(|end| end > self.size()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.disk
            .read_at(self.range.start.saturating_add(offset), buf)
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        let Range { start, end } = self.range;
        let from = start.saturating_add(from);
        if from >= end {
            return Ok(None);
        }
        let run = self.disk.next_data(from)?;
        // What begins before the window begins with it.
        let within = run.map(|run| run.start.max(from)..run.end.min(end));
        Ok(within
            .filter(|run| !run.is_empty())
            .map(|run| run.start.saturating_sub(start)..run.end.saturating_sub(start)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryDisk, WriteAt};

    #[test]
    fn a_window_shows_its_part_and_nothing_else() {
        let disk = MemoryDisk::default();
        disk.write_at(0, b"0123456789").unwrap();
        let window = Window::new(&disk, 3..7).unwrap();
        assert_eq!((window.size(), window.range()), (4, 3..7));
        let mut bytes = [0; 4];
        window.read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"3456");
        for (offset, length) in [(1, 4), (4, 1), (u64::MAX, 1)] {
            let mut bytes = vec![0; length];
            let refused = window.read_at(offset, &mut bytes).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::UnexpectedEof);
        }
        assert_eq!(window.next_data(1).unwrap(), Some(1..4));
        assert_eq!(window.next_data(4).unwrap(), None);
        assert_eq!(window.next_data(u64::MAX).unwrap(), None);
    }

    #[test]
    fn a_window_ends_with_its_disk() {
        let disk = vec![0; 8];
        assert!(Window::new(&disk, 8..8).is_some());
        assert!(Window::new(&disk, 4..9).is_none());
        assert!(Window::new(&disk, 9..9).is_none());
        let (start, end) = (5, 4);
        assert!(Window::new(&disk, start..end).is_none());
    }
}
