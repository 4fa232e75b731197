//! Ranges of bytes of a disk, taken in any order.

use std::collections::BTreeMap;
use std::ops::Range;

use super::fault::LogFault;

/// Most separate ranges that are kept: 16 MiB.
pub(crate) const RANGES_MAX: usize = 1 << 19;

/// Ranges of bytes, disjoint and not touching: the end of each by its start.
#[derive(Debug, Default)]
pub(crate) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds `range`, and joins it with those that it overlaps or touches.
    pub(crate) fn add(&mut self, range: Range<u64>) -> Result<(), LogFault> {
        let Range { mut start, mut end } = range;
        if start >= end {
            return Ok(());
        }
        while let Some((&from, &to)) = self.0.range(..=end).next_back() {
            if to < start {
                break;
            }
            if from <= start && to >= end {
                return Ok(());
            }
            self.0.remove(&from);
            (start, end) = (start.min(from), end.max(to));
        }
        self.0.insert(start, end);
        if self.0.len() > RANGES_MAX {
            return Err(LogFault::too_large(
                "separate ranges of changes",
                RANGES_MAX,
            ));
        }
        Ok(())
    }

    /// All of them, ascending.
    pub(crate) fn into_vec(self) -> Vec<Range<u64>> {
        self.0.into_iter().map(|(start, end)| start..end).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_joined_in_any_order() {
        let mut ranges = Ranges::default();
        for range in [10..20, 30..40, 50..60, 20..21, 39..41, 5..5, 12..13, 0..1] {
            ranges.add(range).unwrap();
        }
        let joined = [0..1, 10..21, 30..41, 50..60];
        assert_eq!(ranges.0.clone().into_iter().collect::<Vec<_>>().len(), 4);
        assert_eq!(Ranges(ranges.0.clone()).into_vec(), joined);
        ranges.add(21..50).unwrap();
        assert_eq!(ranges.into_vec(), [0..1, 10..60]);
    }
}
