//! Numbers of the image as lengths in memory and as fields of the header; parts of ranges.

use std::ops::Range;

/// `length` as a length in memory. What does not fit becomes a length that no
/// slice has, so that using it finds nothing instead of something else.
pub(crate) fn to_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// `count` as a field of the header. The limits on tables keep it far below the
/// field's end.
pub(crate) fn to_u32(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Cuts `range` at the multiples of `unit` bytes.
pub(crate) fn cut(range: Range<u64>, unit: u64) -> impl Iterator<Item = Range<u64>> {
    let mut start = range.start;
    std::iter::from_fn(move || {
        let part = start..range.end.min((start / unit + 1) * unit);
        start = part.end;
        (!part.is_empty()).then_some(part)
    })
}
