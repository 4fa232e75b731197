//! Runs of used bytes of the filesystem.

use std::ops::Range;

/// Most runs in memory: 32 MiB. If there are more, the gaps between the closest ones are
/// used, too.
const RUNS_MAX: usize = 1 << 21;

/// Used bytes, as runs that ascend and do not touch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    runs: Vec<Range<u64>>,
    /// Gaps below this length are used, too.
    gap: u64,
}

impl Runs {
    /// Adds a run that starts at the end of the last one, or after it.
    pub(crate) fn push(&mut self, run: Range<u64>) {
        let gap = self.gap;
        if let Some(last) = self.runs.last_mut()
            && run.start.saturating_sub(last.end) <= gap
        {
            last.end = last.end.max(run.end);
            return;
        }
        self.runs.push(run);
        if self.runs.len() > RUNS_MAX {
            self.close_gaps(RUNS_MAX / 4 * 3);
        }
    }

    fn close_gaps(&mut self, limit: usize) {
        while self.runs.len() > limit && self.gap < u64::MAX / 2 {
            self.gap = self.gap.saturating_mul(2).max(4096);
            let gap = self.gap;
            self.runs.dedup_by(|next, last| {
                let is_close = next.start.saturating_sub(last.end) <= gap;
                if is_close {
                    last.end = last.end.max(next.end);
                }
                is_close
            });
        }
    }

    /// Adds runs in any order, which may overlap.
    pub(crate) fn add(&mut self, mut more: Vec<Range<u64>>) {
        if more.is_empty() {
            return;
        }
        more.sort_unstable_by_key(|run| run.start);
        let mut before = std::mem::take(&mut self.runs).into_iter().peekable();
        let mut more = more.into_iter().peekable();
        loop {
            let next = match (before.peek(), more.peek()) {
                (Some(one), Some(other)) if one.start <= other.start => before.next(),
                (_, Some(_)) => more.next(),
                (_, None) => before.next(),
            };
            match next {
                Some(run) => self.push(run),
                None => return,
            }
        }
    }

    /// Whether the byte `at` is used, and where the run or the gap that it is in ends.
    pub(crate) fn at(&self, at: u64) -> (bool, u64) {
        let after = self.runs.partition_point(|run| run.end <= at);
        match self.runs.get(after) {
            Some(run) if run.start <= at => (true, run.end),
            Some(run) => (false, run.start),
            None => (false, u64::MAX),
        }
    }

    /// Whether all of `range` is used.
    pub(crate) fn holds(&self, range: &Range<u64>) -> bool {
        let (is_used, end) = self.at(range.start);
        is_used && range.end <= end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_touch_or_overlap_are_one() {
        let mut runs = Runs::default();
        runs.push(10..20);
        runs.push(20..30);
        runs.push(40..50);
        runs.add(vec![45..60, 5..6, 29..41, 70..71]);
        assert_eq!(runs.runs, [5..6, 10..60, 70..71]);
        assert_eq!(runs.at(0), (false, 5));
        assert_eq!(runs.at(10), (true, 60));
        assert_eq!(runs.at(59), (true, 60));
        assert_eq!(runs.at(60), (false, 70));
        assert_eq!(runs.at(71), (false, u64::MAX));
        assert!(runs.holds(&(10..60)) && !runs.holds(&(10..61)) && !runs.holds(&(5..7)));
    }

    #[test]
    fn the_closest_runs_are_joined_if_there_are_too_many() {
        let mut runs = Runs::default();
        let far = 1 << 40;
        for number in 0..=blockio::len_u64(RUNS_MAX) {
            // Pairs with 4 KiB between them, then a longer gap.
            let start = number / 2 * 65_536 + number % 2 * 8192;
            runs.push(start..start + 4096);
        }
        runs.push(far..far + 1);
        assert_eq!(runs.runs.len(), RUNS_MAX / 2 + 2);
        assert_eq!(runs.runs[0], 0..12_288);
        assert_eq!(runs.at(12_288), (false, 65_536));
        assert_eq!(runs.at(far - 1), (false, far));
    }
}
