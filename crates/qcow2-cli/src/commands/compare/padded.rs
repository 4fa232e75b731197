//! A disk, or what is known of it, with zeros up to the end of a longer one.

use std::io;
use std::ops::Range;

use blockio::{Extent, ExtentKind, Extents, Merge, ReadAt, Tiling, len_u64};

/// A disk, or a tiling of one, made as long as another.
#[derive(Clone, Copy)]
pub(super) struct Padded<D> {
    below: D,
    /// Length of the disk in bytes.
    there: u64,
    /// Length that it is given.
    size: u64,
    /// What the rest is.
    rest: ExtentKind,
}

impl<D: ReadAt> Padded<D> {
    /// `disk` with zeros after it, `size` bytes long in all.
    pub(super) fn of_disk(disk: D, size: u64) -> Self {
        Self {
            there: disk.size(),
            below: disk,
            size,
            rest: ExtentKind::Unallocated,
        }
    }
}

impl<D: Tiling> Padded<D> {
    /// A tiling of a disk of `there` bytes, and the `rest` up to `size` as one extent.
    pub(super) fn of_tiling(tiling: D, there: u64, size: u64, rest: ExtentKind) -> Self {
        Self {
            below: tiling,
            there,
            size,
            rest,
        }
    }
}

impl<D: ReadAt> ReadAt for Padded<D> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(len_u64(buf.len()));
        if end.is_none_or(|end| end > self.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let there = self.there.saturating_sub(offset);
        let there = usize::try_from(there).unwrap_or(usize::MAX).min(buf.len());
        let (below, beyond) = buf.split_at_mut(there);
        if !below.is_empty() {
            self.below.read_at(offset, below)?;
        }
        beyond.fill(0);
        Ok(())
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        match from < self.there {
            true => self.below.next_data(from),
            false => Ok(None),
        }
    }
}

impl<D: Tiling> Tiling for Padded<D> {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        let (start, end) = (range.start.min(self.there), range.end.min(self.there));
        let below = (start < end).then(|| self.below.extents(start..end));
        let rest = Extent::new(range.start.max(self.there)..range.end, self.rest);
        let rest = (rest.length > 0).then_some(Ok(rest));
        Box::new(Merge::new(below.into_iter().flatten().chain(rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ExtentKind::{Data, Free, Unallocated};
    use blockio::AllData;

    #[test]
    fn what_comes_after_the_disk_is_zeros() {
        let disk = vec![7; 5];
        let padded = Padded::of_disk(&disk, 8);
        let mut bytes = [9; 8];
        padded.read_at(0, &mut bytes).unwrap();
        assert_eq!(bytes, [7, 7, 7, 7, 7, 0, 0, 0]);
        padded.read_at(6, &mut bytes[..2]).unwrap();
        assert_eq!(bytes[..2], [0, 0]);
        assert!(padded.read_at(7, &mut bytes[..2]).is_err());
        assert_eq!(padded.next_data(5).unwrap(), None);
        assert_eq!(padded.next_data(4).unwrap(), Some(4..5));
    }

    #[test]
    fn the_tiling_ends_with_the_longer_disk() {
        let all = |size, rest, range| {
            let tiling = Padded::of_tiling(AllData, 5, size, rest);
            let extents: Vec<_> = tiling.extents(range).map(Result::unwrap).collect();
            extents
        };
        let first = Extent::new(0..5, Data);
        assert_eq!(all(8, Free, 0..8), [first, Extent::new(5..8, Free)]);
        assert_eq!(all(8, Data, 0..8), [Extent::new(0..8, Data)]);
        assert_eq!(all(5, Free, 0..5), [first]);
        assert_eq!(all(9, Unallocated, 6..9), [Extent::new(6..9, Unallocated)]);
    }
}
