//! A disk that is longer than its source, with some bytes replaced.

use std::io;
use std::ops::Range;

use blockio::{Handle, ReadAt, len_u64};
use disk_layout::table::Patch;

/// A disk, and zeros after it. Patches replace bytes of both.
pub(super) struct Grown<'p, R> {
    below: R,
    size: u64,
    patches: &'p [Patch],
}

impl<'p, R: ReadAt> Grown<'p, R> {
    /// Returns `below` as a disk of `size` bytes, which is not shorter than it.
    pub(super) fn new(below: R, size: u64, patches: &'p [Patch]) -> Self {
        Self {
            below,
            size,
            patches,
        }
    }
}

impl<R: ReadAt> ReadAt for Grown<'_, R> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(len_u64(buf.len()));
        let end = end.filter(|end| *end <= self.size);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let there = distance(offset, self.below.size().clamp(offset, end));
        let (below, beyond) = buf.split_at_mut(there);
        if !below.is_empty() {
            self.below.read_at(offset, below)?;
        }
        beyond.fill(0);
        for (at, bytes) in self.patches {
            let patch_end = at.saturating_add(len_u64(bytes.len()));
            let (from, to) = ((*at).max(offset), patch_end.min(end));
            if from < to {
                let new = &bytes[distance(*at, from)..distance(*at, to)];
                buf[distance(offset, from)..distance(offset, to)].copy_from_slice(new);
            }
        }
        Ok(())
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        let below = match from < self.below.size() {
            true => self.below.next_data(from)?,
            false => None,
        };
        let patches = self.patches.iter().filter_map(|(at, bytes)| {
            let range = (*at).max(from)..at.saturating_add(len_u64(bytes.len()));
            (!range.is_empty()).then_some(range)
        });
        Ok(below.into_iter().chain(patches).min_by_key(|run| run.start))
    }

    fn handle(&self) -> Option<&Handle> {
        self.below.handle().filter(|_| self.patches.is_empty())
    }
}

/// Bytes from `start` to `end`, both within a buffer.
fn distance(start: u64, end: u64) -> usize {
    usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_lie_over_the_disk_and_what_comes_after_it() {
        let patches = [(1, vec![9, 9]), (6, vec![8, 8, 8])];
        let disk = Grown::new(vec![1; 7], 12, &patches);
        let mut all = [5; 12];
        disk.read_at(0, &mut all).unwrap();
        let want = [1, 9, 9, 1, 1, 1, 8, 8, 8, 0, 0, 0];
        assert_eq!(all, want);
        for start in 0..12 {
            for end in start..=12 {
                let mut part = vec![5; end - start];
                disk.read_at(len_u64(start), &mut part).unwrap();
                assert_eq!(part, want[start..end]);
            }
        }
        assert!(disk.read_at(12, &mut [0]).is_err());
        assert_eq!(disk.next_data(3).unwrap(), Some(3..7));
        assert_eq!(disk.next_data(7).unwrap(), Some(7..9));
        assert_eq!(disk.next_data(9).unwrap(), None);
    }
}
