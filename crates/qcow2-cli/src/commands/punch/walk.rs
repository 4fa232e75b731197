//! Finds what can be given back, in units of the storage.

use std::ops::Range;

use blockio::{Extent, ExtentKind, Holes, ReadAt, Tiling};

use super::zeros::ZeroRuns;
use crate::failure::{Causes, Failure};

/// Most bytes to give back at once, so that progress is shown and signals are heard.
const AT_ONCE_BYTES: u64 = 1 << 30;

/// A disk, and what of it to give back.
pub(super) struct Walk<'a> {
    pub(super) bytes: &'a dyn ReadAt,
    pub(super) tiling: &'a dyn Tiling,
    /// The bytes of it to look at.
    pub(super) range: Range<u64>,
    /// The unit in bytes that the storage gives back.
    pub(super) unit_bytes: u64,
    /// Give back what is free.
    pub(super) free: bool,
    /// Give back what holds zeros.
    pub(super) zeros: bool,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Bytes that are free.
    pub(super) free_bytes: u64,
    /// Bytes to give back that are free, in whole units.
    pub(super) punched_bytes: u64,
    /// Bytes to give back that are in use and zero, in whole units.
    pub(super) zero_bytes: u64,
    /// How many ranges these are.
    pub(super) ranges: u64,
}

/// Why a walk ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The disk cannot be read, or does not tell what is free.
    Unread(String),
    /// A range could not be given back.
    Refused(Failure),
}

impl Walk<'_> {
    /// Calls `give_back` for each range to give back, in order and without overlap, and
    /// counts in `totals` those that were. Each lies in one extent.
    pub(super) fn run(
        &self,
        totals: &mut Totals,
        give_back: &mut dyn FnMut(&Range<u64>) -> Result<(), Failure>,
    ) -> Result<(), Stop> {
        let holes = Holes::new();
        for extent in self.tiling.extents(self.range.clone()) {
            let extent = extent.map_err(|error| Stop::Unread(Causes(&*error).to_string()))?;
            if extent.kind == ExtentKind::Free {
                totals.free_bytes = totals.free_bytes.saturating_add(extent.length);
                if self.free {
                    let given = self.whole_units(&extent);
                    self.give(&given, totals, give_back, |totals| {
                        &mut totals.punched_bytes
                    })?;
                    continue;
                }
            }
            if self.zeros {
                let inside = self.whole_units(&extent);
                let mut runs = ZeroRuns::new(self.bytes, &holes, inside, self.unit_bytes);
                while let Some(run) = runs
                    .next_run()
                    .map_err(|error| Stop::Unread(error.to_string()))?
                {
                    self.give(&run, totals, give_back, |totals| &mut totals.zero_bytes)?;
                }
            }
        }
        Ok(())
    }

    /// Gives `range` back, in parts that are not too long.
    fn give(
        &self,
        range: &Range<u64>,
        totals: &mut Totals,
        give_back: &mut dyn FnMut(&Range<u64>) -> Result<(), Failure>,
        sum: fn(&mut Totals) -> &mut u64,
    ) -> Result<(), Stop> {
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min(at.saturating_add(self.at_once_bytes()));
            give_back(&(at..end)).map_err(Stop::Refused)?;
            let sum = sum(totals);
            *sum = sum.saturating_add(end.saturating_sub(at));
            at = end;
        }
        if !range.is_empty() {
            totals.ranges = totals.ranges.saturating_add(1);
        }
        Ok(())
    }

    /// Whole units, as many as are given back at once.
    fn at_once_bytes(&self) -> u64 {
        let unit = self.unit_bytes.max(1);
        (AT_ONCE_BYTES / unit).saturating_mul(unit).max(unit)
    }

    /// The units of the storage that lie in `extent` with all their bytes.
    fn whole_units(&self, extent: &Extent) -> Range<u64> {
        let unit = self.unit_bytes.max(1);
        let start = extent.start.checked_next_multiple_of(unit);
        let end = extent.end() / unit * unit;
        let start = start.unwrap_or(end);
        start.min(end)..end
    }
}

/// Bytes of `range` that the storage holds: not its holes.
pub(super) fn held_bytes(
    disk: &(impl ReadAt + ?Sized),
    holes: &Holes,
    range: &Range<u64>,
) -> std::io::Result<u64> {
    let (mut at, mut held) = (range.start, 0u64);
    while at < range.end {
        let Some(data) = holes.next_data(disk, at)? else {
            break;
        };
        let (start, end) = (data.start.min(range.end), data.end.min(range.end));
        held = held.saturating_add(end.saturating_sub(start));
        at = data.end;
    }
    Ok(held)
}

#[cfg(test)]
mod tests;
