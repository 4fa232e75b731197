//! The stored bytes of a disk, cut into pieces of work of a good size.

use std::ops::Range;

use qcow2_format::HostOffset;
use qcow2_map::{Error as ImageError, Mapping, Run, Stream};

use crate::error::Error;
use crate::unpack::reflink::Sharing;
use crate::unpack::segment::{BLOCK_BYTES, Segment, Stored, round_down};

/// Batches end where a multiple of this is, so none spans more bytes, save one
/// that is a larger compressed cluster. Larger
/// reads are no faster, and larger writes make the page cache look for longer
/// runs of free memory, which can take several times as long as the copy.
pub(crate) const BATCH_BYTES: u64 = 512 << 10;

/// Gaps in a batch are shorter than this: about here, filling a gap in memory and finding the
/// zeros again costs as much as one more batch.
const GAP_BYTES_END: u64 = 32 << 10;

/// Guest bytes to be read in one go: segments, ascending, with short gaps that
/// read as zeros before and between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) guest: Range<u64>,
    pub(crate) segments: Vec<Segment>,
}

impl Batch {
    /// The streams in it.
    pub(crate) fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.segments
            .iter()
            .filter_map(|segment| match &segment.stored {
                Stored::Plain { .. } | Stored::Shareable { .. } => None,
                Stored::Compressed(stream) => Some(stream),
            })
    }

    /// The blocks to share, if that is what this is: such a batch has one
    /// segment, of any length.
    pub(crate) fn shareable(&self) -> Option<Run> {
        let segment = self.segments.first()?;
        match segment.stored {
            Stored::Shareable { host } => Some(Run {
                guest: self.guest.clone(),
                file: segment.file,
                mapping: Mapping::Data {
                    host: HostOffset(host),
                },
            }),
            Stored::Plain { .. } | Stored::Compressed(_) => None,
        }
    }
}

/// In which order batches come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// That of the disk: no batch starts before this, the end of the one before it.
    Ascending { done: u64 },
    /// Any. Batches hold what their segments do, and nothing around it.
    Scattered,
}

/// An iterator over the batches of a disk, from its runs.
#[derive(Debug)]
pub(crate) struct Batches<'s, I> {
    runs: I,
    sharing: Option<&'s Sharing>,
    order: Order,
    /// Batches begin at multiples of this, or where the one before them ends.
    block_bytes: u64,
    /// Gaps shorter than this are bridged.
    gap_bytes_end: u64,
    /// What comes before the next run; the last of these is the first.
    ahead: Vec<Result<Segment, Error>>,
}

impl<'s, I: Iterator<Item = Result<Run, ImageError>>> Batches<'s, I> {
    /// Batches of runs that ascend, and so do they; what they leave out reads
    /// as zeros.
    pub(crate) fn new(runs: I) -> Self {
        Self::after(0, runs)
    }

    /// The same, of runs after the guest offset `done`, up to which all is done.
    pub(crate) fn after(done: u64, runs: I) -> Self {
        Self {
            runs,
            sharing: None,
            order: Order::Ascending { done },
            block_bytes: BLOCK_BYTES,
            gap_bytes_end: GAP_BYTES_END,
            ahead: Vec::new(),
        }
    }

    /// Batches of runs in any order; what is in none of them may be anything.
    pub(crate) fn scattered(runs: I) -> Self {
        Self {
            runs,
            sharing: None,
            order: Order::Scattered,
            block_bytes: 1,
            gap_bytes_end: 1,
            ahead: Vec::new(),
        }
    }

    /// The same, with a batch of its own for blocks that can be shared.
    pub(crate) fn with_shareable(self, sharing: Option<&'s Sharing>) -> Self {
        Self { sharing, ..self }
    }

    /// Where a batch begins whose first segment begins at `at`. What the batch before
    /// holds is never in this one too: that one may reach into the same block.
    fn start(&self, at: u64) -> Result<u64, Error> {
        let start = round_down(at, self.block_bytes);
        match self.order {
            Order::Scattered => Ok(start),
            Order::Ascending { done } if done <= at => Ok(start.max(done)),
            Order::Ascending { done } => Err(Error::GoesBack { offset: at, done }),
        }
    }

    /// The batch of these bytes, after which the next one may begin.
    fn finish(&mut self, guest: Range<u64>, segments: Vec<Segment>) -> Batch {
        if let Order::Ascending { done } = &mut self.order {
            *done = guest.end;
        }
        Batch { guest, segments }
    }

    fn next_segment(&mut self) -> Option<Result<Segment, Error>> {
        if let Some(segment) = self.ahead.pop() {
            return Some(segment);
        }
        let segment = self.runs.find_map(|run| run.map(stored).transpose())?;
        let segment = segment.map_err(Error::Image);
        match (segment, self.sharing) {
            (Ok(segment), Some(sharing)) => {
                let parts = sharing.cut(segment);
                self.ahead.extend(parts.into_iter().rev().map(Ok));
                self.ahead.pop()
            }
            (segment, _) => Some(segment),
        }
    }
}

/// The bytes of `run`, if they are stored.
fn stored(run: Run) -> Option<Segment> {
    let stored = match run.mapping {
        Mapping::Unallocated | Mapping::Zero | Mapping::Lost => return None,
        Mapping::Data { host } => Stored::Plain { host: host.0 },
        Mapping::Compressed(stream) => Stored::Compressed(stream),
    };
    Some(Segment {
        guest: run.guest,
        file: run.file,
        stored,
    })
}

impl<I: Iterator<Item = Result<Run, ImageError>>> Iterator for Batches<'_, I> {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut segment = match self.next_segment()? {
            Ok(segment) => segment,
            Err(error) => return Some(Err(error)),
        };
        let start = match self.start(segment.guest.start) {
            Ok(start) => start,
            Err(error) => return Some(Err(error)),
        };
        if segment.is_shareable() {
            return Some(Ok(self.finish(segment.guest.clone(), vec![segment])));
        }
        let limit = round_down(start, BATCH_BYTES).saturating_add(BATCH_BYTES);
        let mut segments = Vec::new();
        loop {
            self.ahead.extend(segment.split_off(limit).map(Ok));
            let end = segment.guest.end;
            let reach = limit.min(end.saturating_add(self.gap_bytes_end));
            segments.push(segment);
            match self.next_segment() {
                Some(Ok(next))
                    if (end..reach).contains(&next.guest.start) && !next.is_shareable() =>
                {
                    segment = next;
                }
                other => {
                    self.ahead.extend(other);
                    return Some(Ok(self.finish(start..end, segments)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
