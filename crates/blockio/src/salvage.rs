//! The parts of a disk that could not be read.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;

/// Most ranges that are remembered one by one: a few MiB of memory. If there are
/// more, adjacent ranges are joined.
const RANGES_MAX: usize = 1 << 16;

/// The ranges of a disk that could not be read and were replaced by zeros.
///
/// If there are too many to remember, ranges are joined across the bytes between them:
/// none is ever left out, and [`is_exact`](Self::is_exact) returns `false`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// End by start: ascending, disjoint, not touching.
    ranges: BTreeMap<u64, u64>,
    disk_bytes: u64,
    /// Alignment of the ends of ranges, once ranges had to be joined.
    grain_bytes: u64,
}

impl Lost {
    /// Returns an empty set, for a disk of `disk_bytes` bytes.
    #[must_use]
    pub fn new(disk_bytes: u64) -> Self {
        Self {
            ranges: BTreeMap::new(),
            disk_bytes,
            grain_bytes: 1,
        }
    }

    /// Returns whether nothing was lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Returns whether every byte of the ranges was lost. If not, some bytes only lie
    /// between others that were.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.grain_bytes == 1
    }

    /// Returns the ranges, ascending; they do not touch.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ranges.iter().map(|(&start, &end)| start..end)
    }

    /// Returns the first of the ranges that has a byte of `range`, if one has.
    #[must_use]
    pub fn meets(&self, range: &Range<u64>) -> Option<Range<u64>> {
        if range.is_empty() {
            return None;
        }
        let before = self.ranges.range(..=range.start).next_back();
        let before = before.filter(|(_, end)| **end > range.start);
        let found = before.or_else(|| self.ranges.range(range.clone()).next());
        found.map(|(&start, &end)| start..end)
    }

    /// Returns how many ranges there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ranges.len()
    }

    /// Returns the total length of the ranges, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.ranges().map(|range| range.end - range.start).sum()
    }

    /// Writes a map of the disk that GNU ddrescue reads ("Mapfile structure" in
    /// its manual): lost ranges as bad sectors, everything else as finished. With
    /// it and the restored disk, `ddrescue` retries only the lost ranges.
    ///
    /// # Errors
    ///
    /// Whatever `out` reports.
    pub fn write_map(&self, mut out: impl Write) -> io::Result<()> {
        writeln!(
            out,
            "# Mapfile. Bad sectors (-) could not be read and are zeros in the output"
        )?;
        writeln!(out, "# current_pos  current_status  current_pass")?;
        writeln!(out, "0x00000000     +               1")?;
        writeln!(out, "#      pos        size  status")?;
        for (range, is_lost) in self.pieces(0..self.disk_bytes) {
            let status = if is_lost { '-' } else { '+' };
            let length = range.end - range.start;
            writeln!(out, "{:#010x}  {length:#010x}  {status}", range.start)?;
        }
        Ok(())
    }

    /// Adds `range`, up to the end of the disk.
    pub fn insert(&mut self, range: Range<u64>) {
        self.join(range);
        while self.ranges.len() > RANGES_MAX {
            self.coarsen();
        }
    }

    /// Splits `range` into parts, each with whether it was lost.
    #[must_use]
    pub fn pieces(&self, range: Range<u64>) -> Vec<(Range<u64>, bool)> {
        let mut pieces = Vec::new();
        let mut at = range.start;
        let before = self.ranges.range(..=range.start).next_back();
        let inside = self.ranges.range(range.clone());
        for (&start, &end) in before.into_iter().chain(inside) {
            let (start, end) = (start.clamp(at, range.end), end.clamp(at, range.end));
            if start < end {
                pieces.extend((at < start).then_some((at..start, false)));
                pieces.push((start..end, true));
                at = end;
            }
        }
        pieces.extend((at < range.end).then_some((at..range.end, false)));
        pieces
    }

    /// Adds `range` and joins it with the ranges that it touches.
    fn join(&mut self, range: Range<u64>) {
        let grain = self.grain_bytes;
        let mut start = range.start - range.start % grain;
        let end = range.end.checked_next_multiple_of(grain);
        let mut end = end.unwrap_or(u64::MAX).min(self.disk_bytes);
        if start >= end {
            return;
        }
        while let Some((&met, &met_end)) = self.ranges.range(..=end).next_back()
            && met_end >= start
        {
            self.ranges.remove(&met);
            start = start.min(met);
            end = end.max(met_end);
        }
        self.ranges.insert(start, end);
    }

    /// Doubles the alignment and moves the ends of all ranges outward to it.
    fn coarsen(&mut self) {
        self.grain_bytes = self.grain_bytes.saturating_mul(2);
        for (start, end) in std::mem::take(&mut self.ranges) {
            self.join(start..end);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn lost(disk_bytes: u64, ranges: &[Range<u64>]) -> Lost {
        let mut lost = Lost::new(disk_bytes);
        for range in ranges {
            lost.insert(range.clone());
        }
        lost
    }

    #[test]
    fn ranges_that_touch_become_one() {
        let ranges = [512..1024, 2048..2560, 1024..2048, 4096..4608, 512..1024];
        let lost = lost(4400, &ranges);
        assert_eq!(lost.ranges().collect::<Vec<_>>(), [512..2560, 4096..4400]);
        assert_eq!((lost.count(), lost.bytes()), (2, 2048 + 304));
        assert!(lost.is_exact() && !lost.is_empty());
        assert_eq!(
            lost.pieces(1000..4500),
            [
                (1000..2560, true),
                (2560..4096, false),
                (4096..4400, true),
                (4400..4500, false)
            ]
        );
        assert_eq!(lost.pieces(0..512), [(0..512, false)]);
        assert_eq!(lost.meets(&(0..512)), None);
        assert_eq!(lost.meets(&(600..600)), None);
        assert_eq!(lost.meets(&(0..5000)), Some(512..2560));
        assert_eq!(lost.meets(&(2559..2560)), Some(512..2560));
        assert_eq!(lost.meets(&(2560..4097)), Some(4096..4400));
        assert_eq!(lost.pieces(600..600), []);
    }

    #[test]
    fn the_map_is_what_ddrescue_writes() {
        let mut map = Vec::new();
        let lost = lost(5 << 30, &[0..512, (4 << 30)..(4 << 30) + 4096]);
        lost.write_map(&mut map).unwrap();
        assert_eq!(
            String::from_utf8(map).unwrap(),
            "\
# Mapfile. Bad sectors (-) could not be read and are zeros in the output
# current_pos  current_status  current_pass
0x00000000     +               1
#      pos        size  status
0x00000000  0x00000200  -
0x00000200  0xfffffe00  +
0x100000000  0x00001000  -
0x100001000  0x3ffff000  +
"
        );
    }

    #[test]
    fn too_many_ranges_are_joined_and_none_is_left_out() {
        let sectors = u64::try_from(RANGES_MAX).unwrap() + 1;
        let disk_bytes = sectors * 1536;
        let mut lost = Lost::new(disk_bytes);
        for sector in 0..sectors {
            assert!(lost.is_exact());
            lost.insert(sector * 1536..sector * 1536 + 512);
        }
        assert!(!lost.is_exact() && lost.count() <= RANGES_MAX);
        for sector in 0..sectors {
            let range = sector * 1536..sector * 1536 + 512;
            assert_eq!(lost.pieces(range.clone()), [(range, true)]);
        }
        assert!(lost.bytes() <= disk_bytes);
    }

    proptest! {
        #[test]
        fn the_set_is_that_of_its_bytes(
            ranges in vec((0u64..200, 0u64..40), 0..20),
            grains in 0u32..3,
            from in 0u64..250,
            length in 0u64..100,
        ) {
            let mut lost = Lost::new(220);
            let mut bytes = BTreeSet::new();
            for (start, length) in ranges {
                lost.insert(start..start + length);
                bytes.extend(start..(start + length).min(220));
            }
            let exact = lost.clone();
            for _ in 0..grains {
                lost.coarsen();
            }
            let held: BTreeSet<u64> = lost.ranges().flatten().collect();
            prop_assert!(held.is_superset(&bytes));
            prop_assert!(grains > 0 || held == bytes);
            prop_assert_eq!(exact.bytes(), u64::try_from(bytes.len()).unwrap());
            let mut at = from;
            for (range, is_lost) in lost.pieces(from..from + length) {
                prop_assert!(range.start == at && range.start < range.end);
                at = range.end;
                prop_assert!(range.clone().all(|byte| held.contains(&byte) == is_lost));
            }
            prop_assert_eq!(at, from + length);
        }
    }
}
