//! Lengths in memory.

use std::ops::Range;

/// The length of a range within a batch.
pub(crate) fn distance(range: &Range<u64>) -> usize {
    in_memory(range.end.saturating_sub(range.start))
}

/// A length within a batch, which is far below any `usize`.
pub(crate) fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
