//! A window of the clusters: which are free, and which a file has.

use std::ops::Range;

use crate::finding::{Damage, Distrust, Finding};
use crate::map::bits::Bits;

/// Most separate runs of clusters that are called free and in use.
const USED_MAX: usize = 1 << 20;

/// Clusters from `start` on.
#[derive(Debug)]
pub(super) struct Window {
    start: u64,
    free: Bits,
    claimed: Bits,
    /// Clusters that are called free, and in use.
    pub(super) used: Vec<Range<u64>>,
}

impl Window {
    /// Nothing is claimed yet of the clusters of which those in `free` are free; `used` are
    /// those found so far.
    pub(super) fn new(start: u64, free: Bits, used: Vec<Range<u64>>) -> Self {
        let claimed = Bits::new(free.length());
        Self {
            start,
            free,
            claimed,
            used,
        }
    }

    /// Whether it is the first of them, in which what is told once is told.
    pub(super) const fn is_first(&self) -> bool {
        self.start == 0
    }

    /// Claims a run of `length` clusters from `first` on for the file record `record`, as
    /// far as it is in the window.
    pub(super) fn claim(
        &mut self,
        first: u64,
        length: u64,
        record: u64,
        damage: &mut Damage,
    ) -> Result<(), Distrust> {
        let end = first.saturating_add(length).saturating_sub(self.start);
        let range = first.saturating_sub(self.start)..end.min(self.free.length());
        if let Some(shared) = self.claimed.first_set(range.clone()) {
            let cluster = self.start.saturating_add(shared);
            return Err(Distrust::Shared { record, cluster });
        }
        self.claimed.fill(range.clone(), true);
        let mut at = range.start;
        while let Some(free) = self.free.first_set(at..range.end) {
            at = self.free.end_of_run(free, true).min(range.end);
            self.keep(free..at, record, damage)?;
        }
        Ok(())
    }

    /// Keeps clusters that are called free.
    fn keep(
        &mut self,
        range: Range<u64>,
        record: u64,
        damage: &mut Damage,
    ) -> Result<(), Distrust> {
        if self.used.len() >= USED_MAX {
            let what = "runs of clusters that are called free and in use";
            let limit = blockio::len_u64(USED_MAX);
            return Err(Distrust::TooMany { what, limit });
        }
        self.free.fill(range.clone(), false);
        let first = self.start.saturating_add(range.start);
        let clusters = range.end.saturating_sub(range.start);
        self.used.push(first..first.saturating_add(clusters));
        damage.push(Finding::Referenced {
            record,
            first,
            clusters,
        });
        Ok(())
    }

    /// How many clusters are free.
    pub(super) fn free(&self) -> u64 {
        self.free.count()
    }

    /// How many clusters are neither free nor of a file.
    pub(super) fn unreferenced(&self) -> u64 {
        let known = self.free.count_either(&self.claimed);
        self.free.length().saturating_sub(known)
    }
}
