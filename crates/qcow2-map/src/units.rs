//! Lengths in memory.

use std::ops::Range;

/// The length of a range within a batch.
#[inline]
#[must_use]
pub fn distance(range: &Range<u64>) -> usize {
    in_memory(range.end.saturating_sub(range.start))
}

/// A length within a batch, which is far below any `usize`.
#[inline]
#[must_use]
pub fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
