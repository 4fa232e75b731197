//! Blocks that image and disk share.

use std::io;
use std::iter::Peekable;
use std::ops::Range;

use blockio::{Extent, ExtentKind, ReadAt, Reflink, Store};
use pipeline::BufferPool;
use qcow2_format::ClusterBits;

use crate::error::Error;
use crate::image::ImageWriter;
use crate::options::Allocation;
use crate::pack::batch::{Batch, Batches};
use crate::pack::budget::{BATCH_BYTES, threads};
use crate::pack::meter::Meter;
use crate::units::cut;

/// Bytes that are shared at once, so that progress is told between.
const REFLINK_BYTES_MAX: u64 = 1 << 30;

/// How far sharing came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reflinked {
    /// Bytes that are shared.
    pub(crate) bytes: u64,
    /// All of the disk before this offset is done.
    pub(crate) end: u64,
}

/// Stores the data of `source` in `extents`, sharing whole clusters and copying
/// the rest. Where a cluster cannot be shared and need not be, it ends there.
pub(crate) fn reflink<S: ReadAt + ?Sized, T: Store>(
    source: &S,
    extents: impl Iterator<Item = Result<Extent, Error>> + Send,
    writer: &mut ImageWriter<T>,
    meter: &mut Meter<'_>,
) -> Result<Reflinked, Error> {
    let options = meter.options();
    let pool = BufferPool::new();
    let mut bytes = 0;
    let ranges = extents.map(|extent| extent.map(|extent| extent.range()));
    let result = pipeline::ordered_map(
        threads(options),
        Parts::new(ranges, options.cluster_bits),
        |part| match part {
            Part::Copy(batch) => batch.load(source, &pool).map(Part::Copy),
            Part::Reflink(guest) => Ok(Part::Reflink(guest)),
        },
        |part| {
            match part {
                Part::Copy(loaded) => {
                    for (guest, bytes) in loaded.runs() {
                        writer.put(bytes, guest, |_| false)?;
                    }
                    meter.add(loaded.data_bytes)?;
                }
                Part::Reflink(guest) => {
                    for run in cut(guest.clone(), writer.run_bytes(&guest)) {
                        let length = run.end - run.start;
                        writer.reflink(source.handle(), run)?;
                        bytes += length;
                        meter.add(length)?;
                    }
                }
            }
            Ok(())
        },
    );
    let end = match result {
        Err(Error::Reflink { offset, source, .. })
            if options.reflink == Reflink::Auto && source.kind() == io::ErrorKind::Unsupported =>
        {
            offset
        }
        result => result.map(|()| source.size())?,
    };
    Ok(Reflinked { bytes, end })
}

/// A part of a disk's data, on its way to the image.
#[derive(Debug, PartialEq, Eq)]
enum Part<T> {
    /// It is read and written.
    Copy(T),
    /// Image and disk share the blocks that hold these guest bytes, which are
    /// whole clusters.
    Reflink(Range<u64>),
}

/// Takes the whole clusters out of ranges of data, which ascend, to be shared.
/// What is left of a range at its ends is to be copied.
struct Split<I: Iterator> {
    ranges: Peekable<I>,
    /// What is left of the last range, and what follows it without a gap.
    rest: Range<u64>,
    cluster_bits: ClusterBits,
}

impl<I: Iterator> Split<I> {
    fn new(ranges: I, cluster_bits: ClusterBits) -> Self {
        Self {
            ranges: ranges.peekable(),
            rest: 0..0,
            cluster_bits,
        }
    }

    /// The first part of what is left of the last range.
    fn next_in_range(&mut self) -> Part<Range<u64>> {
        let Range { start, end } = self.rest;
        let whole_end = end - self.cluster_bits.offset_in_cluster(end);
        let whole_start = self.cluster_bits.round_up(start).unwrap_or(end);
        let (part_end, is_whole) = if whole_start >= whole_end {
            (end, false)
        } else if whole_start > start {
            (whole_start, false)
        } else {
            (whole_end.min(start.saturating_add(REFLINK_BYTES_MAX)), true)
        };
        self.rest.start = part_end;
        if is_whole {
            Part::Reflink(start..part_end)
        } else {
            Part::Copy(start..part_end)
        }
    }
}

impl<I: Iterator<Item = Result<Range<u64>, Error>>> Iterator for Split<I> {
    type Item = Result<Part<Range<u64>>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            match self.ranges.next()? {
                Ok(range) => self.rest = range,
                Err(error) => return Some(Err(error)),
            }
        }
        while self.rest.end - self.rest.start < REFLINK_BYTES_MAX
            && let Some(Ok(range)) = self
                .ranges
                .next_if(|next| matches!(next, Ok(next) if next.start == self.rest.end))
        {
            self.rest.end = range.end;
        }
        Some(Ok(self.next_in_range()))
    }
}

/// The ranges of a [`Split`] that are to be copied; pauses before what is to be
/// shared.
struct Copied<I: Iterator> {
    split: Split<I>,
    /// What it pauses before.
    shared: Option<Range<u64>>,
}

impl<I: Iterator<Item = Result<Range<u64>, Error>>> Iterator for Copied<I> {
    type Item = Result<Extent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.shared.is_some() {
            return None;
        }
        match self.split.next()? {
            Ok(Part::Copy(range)) => Some(Ok(Extent::new(range, ExtentKind::Data))),
            Ok(Part::Reflink(guest)) => {
                self.shared = Some(guest);
                None
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// Batches of what is to be copied, and in its place what is to be shared.
struct Parts<I: Iterator>(Batches<Copied<I>>);

impl<I: Iterator> Parts<I> {
    fn new(ranges: I, cluster_bits: ClusterBits) -> Self {
        let copied = Copied {
            split: Split::new(ranges, cluster_bits),
            shared: None,
        };
        Self(Batches::new(
            copied,
            cluster_bits,
            BATCH_BYTES,
            Allocation::Needed,
        ))
    }
}

impl<I: Iterator<Item = Result<Range<u64>, Error>>> Iterator for Parts<I> {
    type Item = Result<Part<Batch>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.0.next() {
            Some(batch) => Some(batch.map(Part::Copy)),
            None => self
                .0
                .extents_mut()
                .shared
                .take()
                .map(|guest| Ok(Part::Reflink(guest))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(ranges: &[Range<u64>]) -> Vec<Part<Range<u64>>> {
        Split::new(ranges.iter().cloned().map(Ok), ClusterBits::MIN)
            .map(Result::unwrap)
            .collect()
    }

    #[test]
    fn whole_clusters_are_shared_and_ends_are_copied() {
        use Part::{Copy, Reflink};
        assert_eq!(split(&[]), []);
        let ranges = [0..512, 600..1024, 1024..1025, 1030..1536, 1537..3000];
        let want = [
            Reflink(0..512),
            Copy(600..1025),
            Copy(1030..1536),
            Copy(1537..2048),
            Reflink(2048..2560),
            Copy(2560..3000),
        ];
        assert_eq!(split(&ranges), want);
        // No whole cluster lies in the second of them.
        let ranges = [513..1023, 2000..2100];
        assert_eq!(split(&ranges), ranges.map(Copy));
    }

    #[test]
    fn ranges_without_a_gap_are_one() {
        let ranges = [100..600, 600..700, 700..1536, 1537..1600];
        let want = [
            Part::Copy(100..512),
            Part::Reflink(512..1536),
            Part::Copy(1537..1600),
        ];
        assert_eq!(split(&ranges), want);
    }

    #[test]
    fn long_runs_are_shared_in_pieces() {
        let end = (5 << 29) + 512;
        let pieces = [0..1 << 30, 1 << 30..2 << 30, 2 << 30..end];
        let whole = 0..end;
        assert_eq!(
            split(std::slice::from_ref(&whole)),
            pieces.map(Part::Reflink)
        );
    }

    #[test]
    fn an_error_comes_through() {
        let ranges = [Ok(0..512), Err(Error::Broken)];
        let mut split = Split::new(ranges.into_iter(), ClusterBits::MIN);
        assert!(matches!(split.next(), Some(Ok(Part::Reflink(_)))));
        assert!(matches!(split.next(), Some(Err(Error::Broken))));
        assert!(split.next().is_none());
    }

    #[test]
    fn what_is_shared_ends_a_batch() {
        let ranges = [100..6144, 6144..6200, 6300..6400];
        let parts: Vec<_> = Parts::new(ranges.into_iter().map(Ok), ClusterBits::MIN)
            .map(|part| match part.unwrap() {
                Part::Copy(_) => Part::Copy(()),
                Part::Reflink(guest) => Part::Reflink(guest),
            })
            .collect();
        let want = [Part::Copy(()), Part::Reflink(512..6144), Part::Copy(())];
        assert_eq!(parts, want);
    }
}
