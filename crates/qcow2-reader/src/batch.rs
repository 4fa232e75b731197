//! The stored bytes of a disk, cut into pieces of work of a good size.

use std::ops::Range;

use crate::Error;
use crate::runs::{Mapping, Run};

/// Batches end where a multiple of this is, so none spans more bytes. Larger
/// reads are no faster, and larger writes make the page cache look for longer
/// runs of free memory, which can take several times as long as the copy.
pub(crate) const BATCH_BYTES: u64 = 512 << 10;

/// Batches begin at multiples of this, the usual block size of a filesystem, so
/// that zeros found in them are whole blocks of the file they are left out of.
pub(crate) const BLOCK_BYTES: u64 = 4096;

/// Longest gap in a batch: about here, filling a gap in memory and finding the
/// zeros again costs as much as one more batch.
const GAP_BYTES_MAX: u64 = 32 << 10;

/// Guest bytes that are stored in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) guest: Range<u64>,
    /// Host offset of the first byte.
    pub(crate) host: u64,
}

impl Segment {
    /// Cuts off what lies at or behind the guest offset `at`.
    fn split_off(&mut self, at: u64) -> Option<Self> {
        let kept_bytes = at.checked_sub(self.guest.start)?;
        if at >= self.guest.end {
            return None;
        }
        let behind = Self {
            guest: at..self.guest.end,
            host: self.host.saturating_add(kept_bytes),
        };
        self.guest.end = at;
        Some(behind)
    }
}

/// Guest bytes to be read in one go: segments, ascending, with short gaps that
/// read as zeros before and between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) guest: Range<u64>,
    pub(crate) segments: Vec<Segment>,
}

/// An iterator over the batches of a disk, from its runs. Batches ascend; what
/// they leave out reads as zeros.
#[derive(Debug)]
pub(crate) struct Batches<I> {
    runs: I,
    /// What the last batch had no room for.
    ahead: Option<Result<Segment, Error>>,
}

impl<I: Iterator<Item = Result<Run, Error>>> Batches<I> {
    pub(crate) fn new(runs: I) -> Self {
        Self { runs, ahead: None }
    }

    fn next_segment(&mut self) -> Option<Result<Segment, Error>> {
        self.ahead
            .take()
            .or_else(|| self.runs.find_map(|run| run.map(stored).transpose()))
    }
}

/// The bytes of `run`, if they are stored.
fn stored(run: Run) -> Option<Segment> {
    match run.mapping {
        Mapping::Unallocated | Mapping::Zero => None,
        Mapping::Data { host } => Some(Segment {
            guest: run.guest,
            host: host.0,
        }),
    }
}

impl<I: Iterator<Item = Result<Run, Error>>> Iterator for Batches<I> {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut segment = match self.next_segment()? {
            Ok(segment) => segment,
            Err(error) => return Some(Err(error)),
        };
        let start = round_down(segment.guest.start, BLOCK_BYTES);
        let limit = round_down(start, BATCH_BYTES).saturating_add(BATCH_BYTES);
        let mut segments = Vec::new();
        loop {
            self.ahead = segment.split_off(limit).map(Ok);
            let end = segment.guest.end;
            let reach = limit.min(end.saturating_add(GAP_BYTES_MAX));
            segments.push(segment);
            match self.next_segment() {
                Some(Ok(next)) if next.guest.start < reach => segment = next,
                other => {
                    self.ahead = other;
                    let guest = start..end;
                    return Some(Ok(Batch { guest, segments }));
                }
            }
        }
    }
}

fn round_down(at: u64, unit: u64) -> u64 {
    at.saturating_sub(at % unit)
}

#[cfg(test)]
mod tests;
