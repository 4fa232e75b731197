//! Data that is read at once: a few whole clusters.

use std::ops::Range;

use blockio::{Extent, ExtentKind, ReadAt, len_u64, nonzero_runs};
use pipeline::{BufferPool, PooledBuffer};
use qcow2_format::ClusterBits;

use crate::error::Error;
use crate::options::Allocation;
use crate::units::to_usize;

/// Ranges in use that a batch may have before it ends with the cluster it is in.
const USED_RANGES_MAX: usize = 4096;

/// Guest clusters (or subclusters, where these are stored by themselves) that are
/// read into one buffer, one after the other, and the ranges in them that hold
/// data. Other bytes of these clusters are zeros.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pieces: Vec<Piece>,
    spans: Vec<Span>,
    pub(crate) cluster_bits: ClusterBits,
    pub(crate) allocation: Allocation,
    /// The guest bytes in use, ascending; none where the allocation need not be
    /// exact.
    used: Vec<Range<u64>>,
}

/// Data to be read.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    guest: Range<u64>,
    /// Where it goes in the buffer.
    at: u64,
}

/// Neighbouring clusters.
#[derive(Debug, PartialEq, Eq)]
struct Span {
    /// Numbers of the guest clusters.
    clusters: Range<u64>,
    /// Where the first of them goes in the buffer, in clusters.
    at: u64,
}

impl Span {
    fn end_at(&self) -> u64 {
        self.at + (self.clusters.end - self.clusters.start)
    }
}

impl Batch {
    fn new(cluster_bits: ClusterBits, allocation: Allocation) -> Self {
        Self {
            pieces: Vec::new(),
            spans: Vec::new(),
            cluster_bits,
            allocation,
            used: Vec::new(),
        }
    }

    /// Notes that `guest`, which is past all that is there, is in use.
    fn push_used(&mut self, guest: &Range<u64>) {
        match self.used.last_mut() {
            _ if self.allocation == Allocation::Needed => {}
            Some(last) if last.end == guest.start => last.end = guest.end,
            _ => self.used.push(guest.clone()),
        }
    }

    /// Whether the batch should end before `guest`, for all that are zeros.
    fn has_enough_used(&self, guest: &Range<u64>) -> bool {
        let begun = self.used.last().map_or(0, |last| last.end);
        self.used.len() >= USED_RANGES_MAX && self.cluster_bits.round_up(begun) <= Some(guest.start)
    }

    /// The parts of `guest` that are in use, where the allocation is exact.
    pub(crate) fn used_in(&self, guest: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let Range { start, end } = guest;
        let first = self.used.partition_point(|used| used.end <= start);
        self.used
            .iter()
            .skip(first)
            .take_while(move |used| used.start < end)
            .map(move |used| used.start.max(start)..used.end.min(end))
    }

    /// Adds the data in `guest`, which is past all that is there.
    fn push(&mut self, guest: Range<u64>) {
        let bits = self.cluster_bits;
        let clusters = guest.start >> bits.bits()..guest.end.div_ceil(bits.bytes());
        let at = self.clusters();
        let span = match self.spans.pop() {
            Some(last) if last.clusters.end >= clusters.start => Span {
                clusters: last.clusters.start..clusters.end,
                at: last.at,
            },
            last => {
                self.spans.extend(last);
                Span {
                    clusters: clusters.clone(),
                    at,
                }
            }
        };
        match self.pieces.last_mut() {
            Some(last) if last.guest.end == guest.start => last.guest.end = guest.end,
            _ => {
                let cluster_at = span.at + (clusters.start - span.clusters.start);
                self.pieces.push(Piece {
                    at: cluster_at * bits.bytes() + bits.offset_in_cluster(guest.start),
                    guest,
                });
            }
        }
        self.spans.push(span);
    }

    /// Clusters that the buffer holds.
    fn clusters(&self) -> u64 {
        self.spans.last().map_or(0, Span::end_at)
    }

    /// The guest cluster after all that is there.
    fn end_cluster(&self) -> u64 {
        self.spans.last().map_or(0, |span| span.clusters.end)
    }

    /// Reads the data of `source`, and finds the clusters that are not zeros.
    pub(crate) fn load<'p, S: ReadAt + ?Sized>(
        &self,
        source: &S,
        pool: &'p BufferPool,
    ) -> Result<Loaded<'p>, Error> {
        let cluster_bytes = to_usize(self.cluster_bits.bytes());
        let mut buffer = pool.take(to_usize(self.clusters() << self.cluster_bits.bits()));
        let mut data_bytes = 0;
        let mut filled = 0;
        for piece in &self.pieces {
            let length = piece.guest.end - piece.guest.start;
            let at = to_usize(piece.at)..to_usize(piece.at + length);
            buffer[filled..at.start].fill(0);
            filled = at.end;
            source
                .read_at(piece.guest.start, &mut buffer[at])
                .map_err(|source| Error::ReadDisk {
                    offset: piece.guest.start,
                    length,
                    source,
                })?;
            data_bytes += length;
        }
        buffer[filled..].fill(0);

        let mut runs = Vec::new();
        for span in &self.spans {
            let bytes = to_usize(span.at) * cluster_bytes..to_usize(span.end_at()) * cluster_bytes;
            let guest = span.clusters.start << self.cluster_bits.bits();
            runs.extend(
                nonzero_runs(&buffer[bytes.clone()], cluster_bytes).map(|run| {
                    let guest = guest + len_u64(run.start);
                    (guest, bytes.start + run.start..bytes.start + run.end)
                }),
            );
        }
        let filled = runs
            .iter()
            .map(|(guest, bytes)| *guest..guest + len_u64(bytes.len()));
        Ok(Loaded {
            zeros: without(&self.used, filled),
            buffer,
            runs,
            data_bytes,
        })
    }
}

/// The parts of `ranges` that none of `others` covers; both ascend.
fn without(ranges: &[Range<u64>], others: impl Iterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut others = others.peekable();
    let mut left = Vec::new();
    for range in ranges {
        let mut start = range.start;
        while let Some(other) = others.next_if(|other| other.end <= range.end) {
            if start < other.start {
                left.push(start..other.start);
            }
            start = start.max(other.end);
        }
        // This one may cover a part of the next range too.
        let end = match others.peek() {
            Some(other) => range.end.min(other.start),
            None => range.end,
        };
        if start < end {
            left.push(start..end);
        }
    }
    left
}

/// What guest clusters hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content<'b> {
    /// Clusters from this offset on, none of them zeros. What passes the end of
    /// the disk is zeros.
    Data(u64, &'b [u8]),
    /// Bytes in use that are zeros, where the allocation is exact.
    Zeros(Range<u64>),
}

/// The data of a [`Batch`].
#[derive(Debug)]
pub(crate) struct Loaded<'p> {
    buffer: PooledBuffer<'p>,
    /// Guest offsets of runs of clusters that are not zeros, and their places in
    /// the buffer.
    runs: Vec<(u64, Range<usize>)>,
    /// The bytes in use outside of these clusters, where the allocation is exact.
    zeros: Vec<Range<u64>>,
    /// Bytes that were read.
    pub(crate) data_bytes: u64,
}

impl Loaded<'_> {
    /// Runs of whole clusters, none of them zeros, each with its guest offset;
    /// ascending. What passes the end of the disk is zeros.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.runs
            .iter()
            .map(|(guest, bytes)| (*guest, &self.buffer[bytes.clone()]))
    }

    /// These runs, and what is zeros between them; ascending.
    pub(crate) fn contents(&self) -> impl Iterator<Item = Content<'_>> {
        let mut runs = self.runs().peekable();
        let mut zeros = self.zeros.iter().peekable();
        std::iter::from_fn(move || {
            let run = runs.peek().map_or(u64::MAX, |(guest, _)| *guest);
            match zeros.next_if(|zeros| zeros.start < run) {
                Some(zeros) => Some(Content::Zeros(zeros.clone())),
                None => runs
                    .next()
                    .map(|(guest, bytes)| Content::Data(guest, bytes)),
            }
        })
    }
}

/// The clusters of a run at `guest`, of `cluster_bytes` bytes each.
pub(crate) fn clusters(
    guest: u64,
    bytes: &[u8],
    cluster_bytes: usize,
) -> impl Iterator<Item = (u64, &[u8])> {
    let offsets = (guest..).step_by(cluster_bytes);
    offsets.zip(bytes.chunks_exact(cluster_bytes))
}

/// Gathers extents in use, which ascend, into batches. No cluster is in two of
/// them.
#[derive(Debug)]
pub(crate) struct Batches<I> {
    extents: I,
    /// A part of the last extent that was too much for its batch.
    rest: Option<Extent>,
    /// The end of the extents drawn so far.
    drawn: u64,
    cluster_bits: ClusterBits,
    clusters_max: u64,
    allocation: Allocation,
}

impl<I> Batches<I> {
    /// Batches of at most `bytes` bytes of data, but one cluster at least.
    pub(crate) fn new(
        extents: I,
        cluster_bits: ClusterBits,
        bytes: u64,
        allocation: Allocation,
    ) -> Self {
        Self {
            extents,
            rest: None,
            drawn: 0,
            cluster_bits,
            clusters_max: (bytes / cluster_bits.bytes()).max(1),
            allocation,
        }
    }

    /// The extents that are not drawn yet. Where they end and go on, a batch ends.
    pub(crate) fn extents_mut(&mut self) -> &mut I {
        &mut self.extents
    }

    /// Adds `extent` to `batch`, and returns the part that does not fit.
    fn add(&self, extent: &Extent, batch: &mut Batch) -> Option<Extent> {
        let range = extent.range();
        if batch.has_enough_used(&range) {
            return Some(*extent);
        }
        let is_data = extent.kind == ExtentKind::Data;
        let room = self.clusters_max - batch.clusters();
        let end = if is_data || room == 0 {
            let first = (range.start >> self.cluster_bits.bits()).max(batch.end_cluster());
            range.end.min((first + room) << self.cluster_bits.bits())
        } else {
            range.end
        };
        let taken = range.start..end.max(range.start);
        if !taken.is_empty() {
            batch.push_used(&taken);
            if is_data {
                batch.push(taken.clone());
            }
        }
        let rest = Extent::new(taken.end..range.end, extent.kind);
        (rest.length > 0).then_some(rest)
    }
}

impl<I: Iterator<Item = Result<Extent, Error>>> Batches<I> {
    /// The next extent, or what is left of the last one.
    fn draw(&mut self) -> Option<Result<Extent, Error>> {
        if let Some(rest) = self.rest.take() {
            return Some(Ok(rest));
        }
        let extent = match self.extents.next()? {
            Ok(extent) => extent,
            error => return Some(error),
        };
        // Bytes that come again would be read over those of other clusters.
        if extent.start < self.drawn {
            return Some(Err(Error::ReadsBack {
                offset: extent.start,
                done: self.drawn,
            }));
        }
        self.drawn = extent.end();
        Some(Ok(extent))
    }
}

impl<I: Iterator<Item = Result<Extent, Error>>> Iterator for Batches<I> {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Batch::new(self.cluster_bits, self.allocation);
        while let Some(extent) = self.draw() {
            let extent = match extent {
                Ok(extent) => extent,
                Err(error) => return Some(Err(error)),
            };
            self.rest = self.add(&extent, &mut batch);
            if self.rest.is_some() {
                break;
            }
        }
        let is_empty = batch.spans.is_empty() && batch.used.is_empty();
        (!is_empty).then_some(Ok(batch))
    }
}

#[cfg(test)]
mod tests;
