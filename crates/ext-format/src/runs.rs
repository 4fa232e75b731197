//! Sets of block runs, with the places where members overlapped.

/// The blocks `start..end` of a filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockRun {
    /// The first block.
    pub start: u64,
    /// The block after the last.
    pub end: u64,
}

impl BlockRun {
    /// `count` blocks from `start`.
    #[must_use]
    pub const fn new(start: u64, count: u64) -> Self {
        Self {
            start,
            end: start.saturating_add(count),
        }
    }

    /// Whether it has no block.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// How many blocks it has.
    #[must_use]
    pub const fn count(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The first `count` blocks, and the others.
    #[must_use]
    pub fn split(self, count: u64) -> (Self, Self) {
        let cut = self.start.saturating_add(count).min(self.end);
        (Self { end: cut, ..self }, Self { start: cut, ..self })
    }

    /// The blocks in both runs.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self {
            start: self.start.max(other.start),
            end: self.end.min(other.end),
        }
    }
}

/// Runs taken in before they are sorted and joined. It bounds the memory of
/// runs that come in any order: 1 MiB.
const BATCH: usize = 1 << 16;

/// Overlaps that are kept; over it, everything counts as overlapped. Healthy
/// filesystems have none.
const OVERLAPS_MAX: usize = 1 << 12;

/// Most separate runs in a [`WideCollector`], so that they and a batch are
/// 32 MiB, and half as much again while they grow.
pub const WIDE_RUNS_MAX: usize = 30 << 16;

/// A set holds more separate runs than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Collects runs, in any order.
#[derive(Debug)]
pub struct RunCollector {
    /// Sorted and disjoint up to `settled`, as they came after it.
    runs: Vec<BlockRun>,
    settled: usize,
    limit: usize,
    overlaps: Overlaps,
}

impl RunCollector {
    /// A collector of at most `limit` separate runs.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            runs: Vec::new(),
            settled: 0,
            limit,
            overlaps: Overlaps {
                runs: Vec::new(),
                everywhere: false,
            },
        }
    }

    /// Takes in `run`.
    ///
    /// # Errors
    ///
    /// [`Full`] if there are more separate runs than it may hold.
    pub fn insert(&mut self, run: BlockRun) -> Result<(), Full> {
        if run.is_empty() {
            return Ok(());
        }
        let unsettled = self.runs.len().saturating_sub(self.settled);
        match self.runs.last_mut() {
            Some(last) if unsettled > 0 && last.end == run.start => last.end = run.end,
            _ => self.runs.push(run),
        }
        if unsettled >= BATCH {
            self.settle()?;
        }
        Ok(())
    }

    /// The set of all runs taken in.
    ///
    /// # Errors
    ///
    /// [`Full`] if there are more separate runs than it may hold.
    pub fn finish(mut self) -> Result<RunSet, Full> {
        self.settle()?;
        self.overlaps.runs.sort_unstable();
        join_touching(&mut self.overlaps.runs, |_| {});
        Ok(RunSet {
            runs: self.runs,
            overlaps: self.overlaps,
        })
    }

    fn settle(&mut self) -> Result<(), Full> {
        self.runs.sort_unstable();
        let overlaps = &mut self.overlaps;
        join_touching(&mut self.runs, |overlap| overlaps.insert(overlap));
        self.settled = self.runs.len();
        if self.settled > self.limit {
            return Err(Full);
        }
        Ok(())
    }
}

/// Collects runs in any order, and never refuses one: over its limit it takes
/// in what lies between the nearest of them.
#[derive(Debug)]
pub struct WideCollector(RunCollector);

impl WideCollector {
    /// A collector of at most `limit` separate runs.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self(RunCollector::new(limit))
    }

    /// Takes in `run`.
    pub fn insert(&mut self, run: BlockRun) {
        if self.0.insert(run) == Err(Full) {
            self.widen();
        }
    }

    /// All runs taken in, and what lies between some of them: ascending, none
    /// touching the next.
    #[must_use]
    pub fn finish(mut self) -> Vec<BlockRun> {
        if self.0.settle() == Err(Full) {
            self.widen();
        }
        self.0.runs
    }

    /// Joins settled runs until there are half as many as there may be.
    fn widen(&mut self) {
        let RunCollector { runs, limit, .. } = &mut self.0;
        let mut gap = 1u64;
        while runs.len() > (*limit / 2).max(1) {
            runs.dedup_by(|next, kept| {
                let near = next.start.saturating_sub(kept.end) <= gap;
                if near {
                    kept.end = next.end;
                }
                near
            });
            gap = gap.saturating_mul(2);
        }
        self.0.settled = self.0.runs.len();
    }
}

/// Joins sorted runs that touch, and tells where they overlap.
pub fn join_touching(runs: &mut Vec<BlockRun>, mut overlapped: impl FnMut(BlockRun)) {
    runs.dedup_by(|next, kept| {
        let touches = next.start <= kept.end;
        if touches {
            let overlap = kept.intersection(*next);
            if !overlap.is_empty() {
                overlapped(overlap);
            }
            kept.end = kept.end.max(next.end);
        }
        touches
    });
}

/// The parts of `runs`, which ascend without overlaps, outside all `holes`, whose
/// starts ascend.
#[must_use]
pub fn subtract(runs: &[BlockRun], holes: impl IntoIterator<Item = BlockRun>) -> Vec<BlockRun> {
    let mut holes = holes.into_iter().peekable();
    let mut left = Vec::new();
    for run in runs {
        let mut start = run.start;
        while let Some(hole) = holes.peek().copied().filter(|hole| hole.start < run.end) {
            if hole.start > start {
                left.push(BlockRun {
                    start,
                    end: hole.start,
                });
            }
            start = start.max(hole.end);
            if hole.end > run.end {
                // It may reach into the next run.
                break;
            }
            holes.next();
        }
        if start < run.end {
            left.push(BlockRun {
                start,
                end: run.end,
            });
        }
    }
    left
}

/// Disjoint runs in ascending order.
#[derive(Debug)]
pub struct RunSet {
    runs: Vec<BlockRun>,
    overlaps: Overlaps,
}

impl RunSet {
    /// The runs, ascending, none touching the next.
    #[must_use]
    pub fn runs(&self) -> &[BlockRun] {
        &self.runs
    }

    /// Where the runs taken in overlapped.
    #[must_use]
    pub const fn overlaps(&self) -> &Overlaps {
        &self.overlaps
    }

    /// The runs alone.
    #[must_use]
    pub fn into_runs(self) -> Vec<BlockRun> {
        self.runs
    }

    /// The overlaps alone.
    #[must_use]
    pub fn into_overlaps(self) -> Overlaps {
        self.overlaps
    }
}

/// The blocks that more than one run held.
#[derive(Debug)]
pub struct Overlaps {
    runs: Vec<BlockRun>,
    /// There were more than are kept.
    everywhere: bool,
}

impl Overlaps {
    /// Whether one of the blocks is in `run`.
    #[must_use]
    pub fn meet(&self, run: BlockRun) -> bool {
        let first = self.runs.partition_point(|o| o.end <= run.start);
        self.everywhere || self.runs.get(first).is_some_and(|o| o.start < run.end)
    }

    /// Takes in an overlap; each time runs settle, they ascend.
    fn insert(&mut self, overlap: BlockRun) {
        let last = self.runs.last_mut();
        let touched = last.filter(|last| (last.start..=last.end).contains(&overlap.start));
        if let Some(last) = touched {
            last.end = last.end.max(overlap.end);
        } else if self.runs.len() < OVERLAPS_MAX {
            self.runs.push(overlap);
        } else {
            self.everywhere = true;
        }
    }
}

#[cfg(test)]
mod tests;
