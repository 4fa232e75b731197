//! The bytes of an attribute that lies in clusters.

use std::ops::Range;

use blockio::ReadAt;

use crate::bytes::usize_of;
use crate::error::{Error, Structure, fill};
use crate::fault::Fault;
use crate::record::attribute::{Part, Sizes};
use crate::record::runs::Runs;

/// Most runs of an attribute that is read.
const RUNS_MAX: usize = 1 << 20;

/// A run, with its place in the attribute.
#[derive(Clone, Copy, Debug)]
struct Placed {
    /// The first cluster of the attribute that it has.
    at: u64,
    /// The first one on the disk; `None` is a hole.
    first: Option<u64>,
    length: u64,
}

/// An attribute in clusters, put together from its parts.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    runs: Vec<Placed>,
    /// Clusters of the parts so far.
    end: u64,
    pub(crate) sizes: Sizes,
    cluster_bytes: u64,
    clusters: u64,
    has_holes: bool,
}

impl Stream {
    /// An attribute of which no part is known, on a volume of `clusters` clusters.
    pub(crate) fn new(cluster_bytes: u64, clusters: u64) -> Self {
        Self {
            runs: Vec::new(),
            end: 0,
            sizes: Sizes::default(),
            cluster_bytes,
            clusters,
            has_holes: false,
        }
    }

    /// Adds the next part.
    pub(crate) fn push(&mut self, part: &Part<'_>) -> Result<(), Fault> {
        let (found, needed) = (part.lowest, self.end);
        if found != needed {
            return Err(Fault::Span { found, needed });
        }
        if part.lowest == 0 {
            self.sizes = part.sizes;
        }
        let clusters = part.end.saturating_sub(part.lowest);
        for run in Runs::new(part.pairs, clusters, self.clusters) {
            let run = run?;
            if self.runs.len() >= RUNS_MAX {
                let field = "more runs than";
                let found = blockio::len_u64(RUNS_MAX);
                return Err(Fault::Field { field, found });
            }
            self.has_holes |= run.first.is_none();
            self.runs.push(Placed {
                at: self.end,
                first: run.first,
                length: run.length,
            });
            self.end = self.end.saturating_add(run.length);
        }
        Ok(())
    }

    /// Holds the parts against the length of the whole.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        whole(self.end, self.sizes.allocated, self.cluster_bytes)
    }

    /// That all bytes are stored.
    pub(crate) fn check_stored(&self) -> Result<(), Fault> {
        if self.sizes.initialized != self.sizes.data {
            return Err(Fault::Holes);
        }
        self.check_no_holes()
    }

    /// That all bytes that were ever written are stored.
    pub(crate) const fn check_no_holes(&self) -> Result<(), Fault> {
        if self.has_holes {
            return Err(Fault::Holes);
        }
        Ok(())
    }

    /// The bytes of the parts so far.
    pub(crate) fn mapped_bytes(&self) -> u64 {
        self.end.saturating_mul(self.cluster_bytes)
    }

    /// The first cluster, if it is stored.
    pub(crate) fn first(&self) -> Option<u64> {
        self.runs.first().and_then(|run| run.first)
    }

    /// Fills `buf` with the bytes at `offset` of the attribute: zeros in holes, in what was
    /// never written and past the end.
    pub(crate) fn read<R: ReadAt + ?Sized>(
        &self,
        disk: &R,
        structure: Structure,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<(), Error> {
        buf.fill(0);
        let wanted = offset..offset.saturating_add(blockio::len_u64(buf.len()));
        let wanted = wanted.start..wanted.end.min(self.sizes.initialized);
        let bytes = |run: &Placed| {
            let start = run.at.saturating_mul(self.cluster_bytes);
            start..start.saturating_add(run.length.saturating_mul(self.cluster_bytes))
        };
        let skip = self
            .runs
            .partition_point(|run| bytes(run).end <= wanted.start);
        for run in self.runs.get(skip..).unwrap_or_default() {
            let own = bytes(run);
            let part = own.start.max(wanted.start)..own.end.min(wanted.end);
            if part.is_empty() {
                break;
            }
            let Some(first) = run.first else { continue };
            let into = part.start.saturating_sub(own.start);
            let at = first
                .saturating_mul(self.cluster_bytes)
                .saturating_add(into);
            if let Some(buf) = buf.get_mut(inside(&part, offset)) {
                fill(disk, structure, at, buf)?;
            }
        }
        Ok(())
    }
}

/// `part` of an attribute as places in a buffer that begins at its byte `offset`.
fn inside(part: &Range<u64>, offset: u64) -> Range<usize> {
    let place = |at: u64| usize_of(at.saturating_sub(offset));
    place(part.start)..place(part.end)
}

/// That an attribute of `allocated` bytes has `found` clusters.
pub(crate) fn whole(found: u64, allocated: u64, cluster_bytes: u64) -> Result<(), Fault> {
    let needed = allocated.div_ceil(cluster_bytes.max(1));
    if found != needed {
        return Err(Fault::Span { found, needed });
    }
    Ok(())
}
