//! Runs of free blocks of one group: ascending, disjoint, in eight bytes each.

/// Most runs of free blocks of a group: 32 MiB.
pub(crate) const RUNS_MAX: usize = 4 << 20;

/// Blocks of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    /// The first block, within the group.
    pub(crate) start: u32,
    pub(crate) blocks: u32,
}

impl Run {
    pub(crate) const fn new(start: u32, blocks: u32) -> Self {
        Self { start, blocks }
    }

    /// The block after the last.
    pub(crate) const fn end(self) -> u32 {
        self.start.saturating_add(self.blocks)
    }

    /// Whether it lies in a group of `length` blocks and has at least one.
    pub(crate) fn is_within(self, length: u32) -> bool {
        let end = self.start.checked_add(self.blocks);
        self.blocks > 0 && end.is_some_and(|end| end <= length)
    }
}

/// The first of `runs`, which ascend and are disjoint, that has a block of `run`.
pub(crate) fn overlapping(runs: &[Run], run: Run) -> Option<Run> {
    let first = runs.partition_point(|one| one.end() <= run.start);
    let found = *runs.get(first)?;
    (found.start < run.end()).then_some(found)
}

/// The blocks that are in both of `one` and `other`, which ascend and are disjoint each.
pub(crate) fn intersection(one: &[Run], other: &[Run]) -> Vec<Run> {
    let mut both = Vec::with_capacity(one.len().min(other.len()));
    let (mut ours, mut theirs) = (one.iter().peekable(), other.iter().peekable());
    while let (Some(a), Some(b)) = (ours.peek(), theirs.peek()) {
        let (start, end) = (a.start.max(b.start), a.end().min(b.end()));
        if start < end {
            both.push(Run::new(start, end.saturating_sub(start)));
        }
        if a.end() <= b.end() {
            ours.next();
        } else {
            theirs.next();
        }
    }
    both
}

/// What of `runs` is not in `others`; both ascend and are disjoint.
pub(crate) fn without(runs: &[Run], others: &[Run]) -> Vec<Run> {
    let mut left = Vec::with_capacity(runs.len());
    let mut others = others.iter().peekable();
    for run in runs {
        let mut at = run.start;
        while others.next_if(|other| other.end() <= at).is_some() {}
        let mut overlapping = others.clone();
        while let Some(other) = overlapping.next_if(|other| other.start < run.end()) {
            if other.start > at {
                left.push(Run::new(at, other.start.saturating_sub(at)));
            }
            at = at.max(other.end());
        }
        if at < run.end() {
            left.push(Run::new(at, run.end().saturating_sub(at)));
        }
    }
    left
}

/// How many blocks `runs` have.
pub(crate) fn blocks(runs: &[Run]) -> u64 {
    let blocks = runs.iter().map(|run| u64::from(run.blocks));
    blocks.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(pairs: &[(u32, u32)]) -> Vec<Run> {
        pairs.iter().map(|&(start, n)| Run::new(start, n)).collect()
    }

    #[test]
    fn the_first_that_overlaps_is_found() {
        let free = runs(&[(10, 5), (20, 1), (30, 10)]);
        assert_eq!(overlapping(&free, Run::new(0, 10)), None);
        assert_eq!(overlapping(&free, Run::new(0, 11)), Some(free[0]));
        assert_eq!(overlapping(&free, Run::new(14, 1)), Some(free[0]));
        assert_eq!(overlapping(&free, Run::new(15, 5)), None);
        assert_eq!(overlapping(&free, Run::new(15, 50)), Some(free[1]));
        assert_eq!(overlapping(&free, Run::new(39, 1)), Some(free[2]));
        assert_eq!(overlapping(&free, Run::new(40, u32::MAX)), None);
        assert_eq!(overlapping(&[], Run::new(0, 9)), None);
    }

    #[test]
    fn what_both_have_is_free() {
        let one = runs(&[(0, 10), (20, 10), (50, 1)]);
        let other = runs(&[(5, 3), (9, 12), (29, 30)]);
        let want = runs(&[(5, 3), (9, 1), (20, 1), (29, 1), (50, 1)]);
        assert_eq!(intersection(&one, &other), want);
        assert_eq!(intersection(&other, &one), want);
        assert_eq!(blocks(&want), 7);
        assert_eq!(intersection(&one, &[]), []);
    }

    #[test]
    fn what_is_taken_out_is_not_free() {
        let free = runs(&[(0, 10), (20, 10), (50, 1)]);
        let others = runs(&[(0, 1), (3, 2), (9, 12), (22, 1), (29, 30), (90, 9)]);
        let want = runs(&[(1, 2), (5, 4), (21, 1), (23, 6)]);
        assert_eq!(without(&free, &others), want);
        assert_eq!(without(&free, &[]), free);
        assert_eq!(without(&[], &free), []);
        assert_eq!(without(&free, &free), []);
    }

    #[test]
    fn a_run_lies_in_its_group() {
        assert!(Run::new(0, 64).is_within(64));
        assert!(!Run::new(1, 64).is_within(64));
        assert!(!Run::new(1, 0).is_within(64));
        assert!(!Run::new(u32::MAX, 1).is_within(u32::MAX));
        assert!(!Run::new(2, u32::MAX).is_within(u32::MAX));
    }
}
