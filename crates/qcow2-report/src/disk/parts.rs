//! The bytes of parts of a disk, such as its partitions.

use std::ops::Range;

use serde::Serialize;

use super::walk::Segment;
use crate::kinds::DiskKind;
use crate::subject::PARTS_MAX;

/// The bytes of a part of a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PartTotals {
    /// In use, those that read as zeros among them.
    pub used_bytes: u64,
    /// Proven free.
    pub free_bytes: u64,
    /// Stored, in use or free, in whatever file.
    pub stored_bytes: u64,
    /// Free, and stored all the same.
    pub stale_bytes: u64,
}

impl PartTotals {
    pub(crate) fn add(&mut self, kind: DiskKind, bytes: u64) {
        let add = |count: &mut u64, counts: bool| {
            *count = count.saturating_add(if counts { bytes } else { 0 });
        };
        let is_free = matches!(kind, DiskKind::Free | DiskKind::Stale);
        let is_stale = kind == DiskKind::Stale;
        add(&mut self.free_bytes, is_free);
        add(&mut self.used_bytes, !is_free);
        add(&mut self.stale_bytes, is_stale);
        let is_stored = matches!(
            kind,
            DiskKind::Used | DiskKind::Compressed | DiskKind::Elsewhere
        );
        add(&mut self.stored_bytes, is_stored || is_stale);
    }
}

/// Counts the bytes of parts, while a walk goes over the disk.
#[derive(Debug)]
pub(crate) struct Parts {
    totals: Vec<PartTotals>,
    /// The ranges of all parts that the walk has not reached, the last first.
    ahead: Vec<(Range<u64>, usize)>,
    /// Those that it is in.
    open: Vec<(Range<u64>, usize)>,
}

impl Parts {
    pub(crate) fn new(parts: &[Vec<Range<u64>>]) -> Self {
        let parts = parts.get(..PARTS_MAX).unwrap_or(parts);
        let ranges = parts.iter().enumerate().flat_map(|(index, ranges)| {
            let ranges = ranges.iter().filter(|range| !range.is_empty());
            ranges.map(move |range| (range.clone(), index))
        });
        let mut ahead: Vec<_> = ranges.collect();
        ahead.sort_by_key(|(range, index)| (std::cmp::Reverse(range.start), *index));
        Self {
            totals: vec![PartTotals::default(); parts.len()],
            ahead,
            open: Vec::new(),
        }
    }

    /// Takes in the next segment of the disk.
    pub(crate) fn add(&mut self, segment: &Segment) {
        let guest = &segment.guest;
        while let Some(next) = self.ahead.pop_if(|(range, _)| range.start < guest.end) {
            self.open.push(next);
        }
        self.open.retain(|(range, index)| {
            let inside = range.start.max(guest.start)..range.end.min(guest.end);
            if let Some(totals) = self.totals.get_mut(*index)
                && !inside.is_empty()
            {
                let bytes = inside.end.saturating_sub(inside.start);
                totals.add(segment.kind(), bytes);
            }
            range.end > guest.end
        });
    }

    pub(crate) fn into_totals(self) -> Vec<PartTotals> {
        self.totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::places::Place;

    #[test]
    #[allow(clippy::single_range_in_vec_init, reason = "a range of bytes")]
    fn parts_may_lie_in_one_another() {
        let mut parts = Parts::new(&[
            vec![10..50],
            vec![20..30, 45..48],
            vec![0..0],
            vec![60..100],
        ]);
        let segments = [
            (0..25, true, Place::Plain(0)),
            (25..47, false, Place::Plain(0)),
            (47..70, false, Place::Nowhere),
            (70..100, true, Place::Nowhere),
        ];
        for (guest, is_used, place) in segments {
            parts.add(&Segment {
                guest,
                is_used,
                place,
            });
        }
        let found = parts.into_totals();
        let facts = found.iter().map(|part| {
            [
                part.used_bytes,
                part.free_bytes,
                part.stored_bytes,
                part.stale_bytes,
            ]
        });
        assert_eq!(
            facts.collect::<Vec<_>>(),
            [
                [15, 25, 37, 22],
                [5, 8, 12, 7],
                [0, 0, 0, 0],
                [30, 10, 0, 0],
            ]
        );
    }
}
