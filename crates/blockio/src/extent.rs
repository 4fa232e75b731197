//! Runs of bytes that tile a disk, each of one kind.

use std::ops::Range;

/// What the bytes of an extent are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtentKind {
    /// In use: the bytes matter.
    Data,
    /// In use, and reads as zeros.
    Zero,
    /// An image holds nothing here: the bytes read as zeros.
    Unallocated,
    /// A filesystem needs nothing here: the bytes may be anything, and an image may
    /// make them zeros.
    Free,
    /// In use, and cannot be read.
    Unreadable,
}

/// A run of bytes of one kind. Offsets and lengths are in bytes, never in
/// blocks or clusters; the length is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extent {
    /// Offset of the first byte on the disk.
    pub start: u64,
    /// Length in bytes.
    pub length: u64,
    /// What the bytes are.
    pub kind: ExtentKind,
}

impl Extent {
    /// Returns the bytes `range` as an extent of `kind`.
    #[must_use]
    pub fn new(range: Range<u64>, kind: ExtentKind) -> Self {
        Self {
            start: range.start,
            length: range.end.saturating_sub(range.start),
            kind,
        }
    }

    /// Returns the offset of the first byte after the extent.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.length)
    }

    /// Returns the bytes covered.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.start..self.end()
    }
}

/// Returns whether `extents` cover `0..size` exactly: ascending, no gap, no overlap,
/// none empty.
#[must_use]
pub fn tiles(extents: impl IntoIterator<Item = Extent>, size: u64) -> bool {
    let end = extents.into_iter().try_fold(0u64, |at, extent| {
        (extent.start == at && extent.length > 0).then(|| at.checked_add(extent.length))?
    });
    end == Some(size)
}

/// An iterator that joins adjacent extents of one kind, so that runs are maximal.
///
/// It is made by [`Merge::new`] and ends after the first error.
#[derive(Debug)]
pub struct Merge<I> {
    inner: I,
    held: Option<Extent>,
    done: bool,
}

impl<I> Merge<I> {
    /// Joins the extents of `inner`, which ascend without gaps.
    pub fn new(inner: I) -> Self {
        Self {
            inner,
            held: None,
            done: false,
        }
    }
}

impl<E, I: Iterator<Item = Result<Extent, E>>> Iterator for Merge<I> {
    type Item = Result<Extent, E>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            match self.inner.next() {
                Some(Ok(extent)) if extent.length == 0 => {}
                Some(Ok(extent)) => match &mut self.held {
                    Some(held) if held.kind == extent.kind && held.end() == extent.start => {
                        held.length = held.length.saturating_add(extent.length);
                    }
                    held => {
                        if let Some(whole) = held.replace(extent) {
                            return Some(Ok(whole));
                        }
                    }
                },
                Some(Err(error)) => {
                    self.done = true;
                    self.held = None;
                    return Some(Err(error));
                }
                None => self.done = true,
            }
        }
        self.held.take().map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ExtentKind::{Data, Free};

    #[test]
    fn tiling_refuses_gaps_overlaps_and_empty_runs() {
        let run = |start, length| Extent {
            start,
            length,
            kind: Data,
        };
        assert!(tiles([run(0, 4), run(4, 6)], 10));
        assert!(tiles([], 0));
        assert!(!tiles([run(0, 4), run(5, 5)], 10));
        assert!(!tiles([run(0, 4), run(3, 7)], 10));
        assert!(!tiles([run(0, 4), run(4, 0), run(4, 6)], 10));
        assert!(!tiles([run(0, 4)], 10));
        assert!(!tiles([run(0, u64::MAX), run(u64::MAX, 1)], 0));
    }

    #[test]
    fn merging_makes_runs_maximal_and_stops_at_an_error() {
        let run = |range, kind| Ok(Extent::new(range, kind));
        let parts = [
            run(0..4, Data),
            run(4..6, Data),
            run(6..6, Free),
            run(6..9, Free),
        ];
        let merged: Vec<Result<Extent, ()>> = Merge::new(parts.into_iter()).collect();
        assert_eq!(merged, [run(0..6, Data), run(6..9, Free)]);

        let broken = [run(0..4, Data), Err(()), run(4..6, Data)];
        let merged: Vec<_> = Merge::new(broken.into_iter()).collect();
        assert_eq!(merged, [Err(())]);
    }
}
