//! The faults that were found: all are counted, and the first of each kind are kept.

use std::collections::BTreeMap;

use super::fault::{Fault, FaultKind, Severity};

/// How many faults of a kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    found: u64,
    kept: usize,
}

/// The faults that were found.
#[derive(Debug)]
pub(crate) struct Journal {
    /// Most faults of each kind that are kept.
    kept_max: usize,
    pub(crate) kept: Vec<Fault>,
    tallies: BTreeMap<&'static str, Tally>,
    pub(crate) corruptions: u64,
    pub(crate) leaks: u64,
}

impl Journal {
    pub(crate) fn new(kept_max: usize) -> Self {
        Self {
            kept_max,
            kept: Vec::new(),
            tallies: BTreeMap::new(),
            corruptions: 0,
            leaks: 0,
        }
    }

    /// Whether another fault of this kind would be kept.
    pub(crate) fn keeps(&self, kind: &FaultKind) -> bool {
        self.tallies
            .get(kind.name())
            .is_none_or(|tally| tally.kept < self.kept_max)
    }

    /// Counts a fault, and keeps it if there is room.
    pub(crate) fn add(&mut self, fault: Fault) {
        let kept_max = self.kept_max;
        let tally = self.tallies.entry(fault.kind.name()).or_default();
        let is_kept = tally.kept < kept_max;
        tally.kept = tally.kept.saturating_add(is_kept.into());
        self.count(&fault.kind, 1);
        if is_kept {
            self.kept.push(fault);
        }
    }

    /// Counts faults of a kind, and keeps none.
    pub(crate) fn count(&mut self, kind: &FaultKind, times: u64) {
        if times == 0 {
            return;
        }
        let tally = self.tallies.entry(kind.name()).or_default();
        tally.found = tally.found.saturating_add(times);
        match kind.severity() {
            Severity::Corruption => self.corruptions = self.corruptions.saturating_add(times),
            Severity::Leak => self.leaks = self.leaks.saturating_add(times),
            Severity::Note => {}
        }
    }

    /// Names of the kinds that were found, and how many of each.
    pub(crate) fn totals(&self) -> BTreeMap<&'static str, u64> {
        let tallies = self.tallies.iter();
        tallies.map(|(name, tally)| (*name, tally.found)).collect()
    }
}
