//! Finds units of the storage that hold zeros.

use std::io;
use std::ops::Range;

use blockio::{Holes, ReadAt, is_zero, len_u64};

/// Bytes to read at once, at least one unit.
const PIECE_BYTES: u64 = 512 << 10;

/// The longest runs of whole units in a range that hold zeros and are not holes already.
pub(super) struct ZeroRuns<'a> {
    disk: &'a dyn ReadAt,
    holes: &'a Holes,
    /// What is left to be looked at, in whole units.
    rest: Range<u64>,
    unit_bytes: u64,
    buffer: Vec<u8>,
    /// Where on the disk the buffer was read, and what of it was not looked at yet.
    read: Range<u64>,
}

impl<'a> ZeroRuns<'a> {
    /// Looks at `range` of `disk`, which is made of whole units. `holes` are those of
    /// the disk.
    pub(super) fn new(
        disk: &'a dyn ReadAt,
        holes: &'a Holes,
        range: Range<u64>,
        unit_bytes: u64,
    ) -> Self {
        Self {
            disk,
            holes,
            read: range.start..range.start,
            rest: range,
            unit_bytes: unit_bytes.max(1),
            buffer: Vec::new(),
        }
    }

    /// Returns the next run.
    pub(super) fn next_run(&mut self) -> io::Result<Option<Range<u64>>> {
        let mut run: Option<Range<u64>> = None;
        while let Some((unit, zero)) = self.next_unit()? {
            match &mut run {
                Some(run) if zero && run.end == unit.start => run.end = unit.end,
                Some(_) => {
                    // It is looked at once more, as a part of the next run.
                    self.read.start = unit.start;
                    return Ok(run);
                }
                None if zero => run = Some(unit),
                None => {}
            }
        }
        Ok(run)
    }

    /// Returns the next unit that is not a hole, and whether it holds zeros.
    fn next_unit(&mut self) -> io::Result<Option<(Range<u64>, bool)>> {
        if self.read.is_empty() && !self.read_on()? {
            return Ok(None);
        }
        let start = self.read.start;
        let end = self.read.end.min(start.saturating_add(self.unit_bytes));
        let back = usize_of(self.read.end.saturating_sub(start));
        let at = self.buffer.len().saturating_sub(back);
        let length = usize_of(end.saturating_sub(start));
        let unit = self.buffer.get(at..).and_then(|rest| rest.get(..length));
        self.read.start = end;
        Ok(Some((start..end, unit.is_some_and(is_zero))))
    }

    /// Reads the next piece with data; `false` if there is none.
    fn read_on(&mut self) -> io::Result<bool> {
        let Range { start, end } = self.rest;
        if start >= end {
            return Ok(false);
        }
        let Some(data) = self.holes.next_data(self.disk, start)? else {
            return Ok(false);
        };
        // A unit that begins in a hole is looked at whole.
        let from = (data.start / self.unit_bytes * self.unit_bytes).max(start);
        if from >= end {
            return Ok(false);
        }
        let units = (PIECE_BYTES / self.unit_bytes).max(1);
        let until = from.saturating_add(units.saturating_mul(self.unit_bytes));
        // No further than the data, but to the end of its last unit.
        let stop = data.end.checked_next_multiple_of(self.unit_bytes);
        let until = until.min(end).min(stop.unwrap_or(end));
        self.buffer.resize(usize_of(until.saturating_sub(from)), 0);
        self.disk.read_at(from, &mut self.buffer)?;
        debug_assert_eq!(len_u64(self.buffer.len()), until.saturating_sub(from));
        self.read = from..until;
        self.rest.start = until;
        Ok(true)
    }
}

/// At most a piece, which every address space holds.
fn usize_of(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(disk: &dyn ReadAt, range: Range<u64>, unit: u64) -> Vec<Range<u64>> {
        let holes = Holes::new();
        let mut runs = ZeroRuns::new(disk, &holes, range, unit);
        std::iter::from_fn(|| runs.next_run().unwrap()).collect()
    }

    #[test]
    fn runs_are_longest_and_made_of_units() {
        let mut bytes = vec![0; 64];
        bytes[17] = 1;
        bytes[40..56].fill(1);
        assert_eq!(runs(&bytes, 0..64, 8), [0..16, 24..40, 56..64]);
        assert_eq!(runs(&bytes, 8..48, 8), [8..16, 24..40]);
        assert_eq!(runs(&bytes, 0..64, 32), []);
        assert_eq!(runs(&bytes, 8..8, 8), []);
    }

    #[test]
    fn a_run_passes_the_pieces_it_is_read_in() {
        let mut bytes = vec![0; 3 << 20];
        bytes[(2 << 20) + 5000] = 1;
        let want = [0..(2 << 20) + 4096, (2 << 20) + 8192..3 << 20];
        assert_eq!(runs(&bytes, 0..3 << 20, 4096), want);
    }

    /// A disk with a hole from 8 to 32 and after 40.
    struct Sparse(Vec<u8>);

    impl ReadAt for Sparse {
        fn size(&self) -> u64 {
            self.0.size()
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            self.0.read_at(offset, buf)
        }
        fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
            let data = [0..8, 32..40].into_iter().find(|data| data.end > from);
            Ok(data.map(|data| data.start.max(from)..data.end))
        }
    }

    #[test]
    fn a_hole_is_not_looked_for() {
        let disk = Sparse(vec![0; 1 << 20]);
        assert_eq!(runs(&disk, 64..1 << 20, 8), []);
        assert_eq!(runs(&disk, 16..24, 8), []);
        assert_eq!(runs(&disk, 0..1 << 20, 8), [0..8, 32..40]);
        let mut bytes = vec![0; 64];
        bytes[..8].fill(1);
        let found = runs(&Sparse(bytes), 8..40, 8);
        assert!(found.into_iter().eq(std::iter::once(32..40)));
    }
}
