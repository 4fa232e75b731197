//! Data that is read at once: a few whole clusters.

use std::ops::Range;

use blockio::{ReadAt, len_u64, nonzero_runs};
use pipeline::{BufferPool, PooledBuffer};
use qcow2_format::ClusterBits;

use crate::error::Error;
use crate::units::to_usize;

/// Guest clusters that are read into one buffer, one behind the other, and the
/// ranges in them that hold data. Other bytes of these clusters are zeros.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pieces: Vec<Piece>,
    spans: Vec<Span>,
    pub(crate) cluster_bits: ClusterBits,
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
    fn new(cluster_bits: ClusterBits) -> Self {
        Self {
            pieces: Vec::new(),
            spans: Vec::new(),
            cluster_bits,
        }
    }

    /// Adds the data in `guest`, which is behind all that is there.
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

    /// The guest cluster behind all that is there.
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
        Ok(Loaded {
            buffer,
            runs,
            data_bytes,
        })
    }
}

/// The data of a [`Batch`].
#[derive(Debug)]
pub(crate) struct Loaded<'p> {
    buffer: PooledBuffer<'p>,
    /// Guest offsets of runs of clusters that are not zeros, and their places in
    /// the buffer.
    runs: Vec<(u64, Range<usize>)>,
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

    /// The clusters of these runs, of `cluster_bytes` bytes each.
    pub(crate) fn clusters(&self, cluster_bytes: usize) -> impl Iterator<Item = (u64, &[u8])> {
        self.runs().flat_map(move |(guest, bytes)| {
            let offsets = (guest..).step_by(cluster_bytes);
            offsets.zip(bytes.chunks_exact(cluster_bytes))
        })
    }
}

/// Gathers ranges of data, which ascend, into batches. No cluster is in two of
/// them.
#[derive(Debug)]
pub(crate) struct Batches<I> {
    ranges: I,
    /// A part of the last range that was too much for its batch.
    rest: Option<Range<u64>>,
    cluster_bits: ClusterBits,
    clusters_max: u64,
}

impl<I> Batches<I> {
    /// Batches of at most `bytes` bytes, but one cluster at least.
    pub(crate) fn new(ranges: I, cluster_bits: ClusterBits, bytes: u64) -> Self {
        Self {
            ranges,
            rest: None,
            cluster_bits,
            clusters_max: (bytes / cluster_bits.bytes()).max(1),
        }
    }

    /// The ranges that are not drawn yet. Where they end and go on, a batch ends.
    pub(crate) fn ranges_mut(&mut self) -> &mut I {
        &mut self.ranges
    }
}

impl<I: Iterator<Item = Result<Range<u64>, Error>>> Iterator for Batches<I> {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Batch::new(self.cluster_bits);
        while let Some(range) = self.rest.take().map(Ok).or_else(|| self.ranges.next()) {
            let range = match range {
                Ok(range) => range,
                Err(error) => return Some(Err(error)),
            };
            let first = (range.start >> self.cluster_bits.bits()).max(batch.end_cluster());
            let room = self.clusters_max - batch.clusters();
            let room_end = (first + room) << self.cluster_bits.bits();
            if room_end > range.start {
                batch.push(range.start..range.end.min(room_end));
            }
            if room_end < range.end {
                self.rest = Some(range.start.max(room_end)..range.end);
                break;
            }
        }
        (!batch.spans.is_empty()).then_some(Ok(batch))
    }
}

#[cfg(test)]
mod tests;
