//! The walk over the tables of one image, cluster by cluster.

use std::ops::Range;

use blockio::ReadAt;
use qcow2_format::{GuestOffset, HostOffset, L2Entry, L2Words};

use crate::lookup::l1::L1Reader;
use crate::lookup::runs::{Joined, Mapping, Run};
use crate::lookup::tables::{L2Slice, Tables};
use crate::{Error, Structure};

/// An iterator over the maximal runs of a range of guest bytes of one image,
/// ascending and without gaps. An error ends it, after the runs in front of it.
pub type ImageRuns<'i, S> = Joined<Walk<'i, S>>;

/// An iterator over the runs of a range of guest bytes.
#[derive(Debug)]
pub struct Walk<'i, S> {
    storage: &'i S,
    tables: &'i Tables,
    rest: Range<u64>,
    l1: L1Reader<'i, S>,
    /// The part of an L2 table in use.
    l2: Option<L2Slice>,
}

impl<'i, S: ReadAt> Walk<'i, S> {
    /// The runs of `guest`, which must lie on the disk.
    pub fn new(storage: &'i S, tables: &'i Tables, guest: Range<u64>) -> Self {
        Self {
            storage,
            tables,
            rest: guest,
            l1: L1Reader::new(storage, tables),
            l2: None,
        }
    }

    /// The next cluster or part of one, or all that empty entries leave unallocated.
    fn step(&mut self) -> Result<Run, Error> {
        let doubtful = self.tables.doubtful(&self.rest);
        let run = match &doubtful {
            Some(range) if range.start <= self.rest.start => {
                let guest = self.rest.start..range.end.min(self.rest.end);
                nowhere(self.tables, guest, Mapping::Lost)
            }
            _ => {
                let mut run = match self.look_up() {
                    Err(_) if self.tables.bounds.salvage => self.lost(),
                    run => run?,
                };
                let end = doubtful.map_or(u64::MAX, |range| range.start);
                run.guest.end = run.guest.end.min(end);
                run
            }
        };
        self.rest.start = run.guest.end;
        Ok(run)
    }

    /// All that cannot be known: the rest of the cluster, or of what the L1 entry
    /// maps where there is no table.
    fn lost(&self) -> Run {
        let at = self.rest.start;
        let end = match &self.l2 {
            Some(l2) if l2.guest.contains(&at) => {
                let bits = self.tables.context.cluster_bits;
                bits.round_down(at).saturating_add(bits.bytes())
            }
            _ => {
                let l1_index = self.tables.geometry.l1_index(GuestOffset(at));
                self.tables.l1_coverage(l1_index).end
            }
        };
        nowhere(self.tables, at..end.min(self.rest.end), Mapping::Lost)
    }

    fn look_up(&mut self) -> Result<Run, Error> {
        let at = self.rest.start;
        let l2 = match &self.l2 {
            Some(l2) if l2.guest.contains(&at) => l2,
            _ => {
                let l1_index = self.tables.geometry.l1_index(GuestOffset(at));
                let Some(place) = self.l1.l2_place(l1_index)? else {
                    let last = self.l1.zeros_end(l1_index).saturating_sub(1);
                    let end = self.tables.l1_coverage(last).end;
                    let guest = at..end.min(self.rest.end);
                    return Ok(Run::empty(guest, Mapping::Unallocated));
                };
                let l2 = self.tables.l2_slice(self.storage, place, at)?;
                self.l2.insert(l2)
            }
        };
        cluster(self.tables, l2, self.rest.clone())
    }
}

/// The first cluster of `rest`, its first clusters of nothing, or its first
/// subclusters of one kind, looked up in `l2`.
#[inline]
fn cluster(tables: &Tables, l2: &L2Slice, rest: Range<u64>) -> Result<Run, Error> {
    let bits = tables.context.cluster_bits;
    let at = rest.start;
    let cluster_start = bits.round_down(at);
    let index = tables.geometry.l2_index(GuestOffset(at));

    let words = l2.entry(index).ok_or_else(|| {
        let bytes = bits.bytes();
        let guest = at..cluster_start.saturating_add(bytes).min(rest.end);
        tables
            .bounds
            .truncated(Structure::L2Table, guest, l2.host, bytes)
    })?;
    if words.is_zero() {
        let next = index.saturating_add(1);
        let clusters = l2.zeros_end(next).saturating_sub(index);
        let end = cluster_start.saturating_add(clusters.saturating_mul(bits.bytes()));
        return Ok(Run::empty(at..end.min(rest.end), Mapping::Unallocated));
    }
    run_of_entry(tables, l2.host, words, rest)
}

/// What the L2 entry `words`, of the table at `table`, says of the first bytes of
/// `rest`: the first cluster of it, or its first subclusters of one kind.
///
/// # Errors
///
/// Where the entry is wrong, or what it names cannot be where it says.
#[inline]
pub fn run_of_entry(
    tables: &Tables,
    table: HostOffset,
    words: L2Words,
    rest: Range<u64>,
) -> Result<Run, Error> {
    let context = &tables.context;
    let bits = context.cluster_bits;
    let at = rest.start;
    let cluster_start = bits.round_down(at);
    let index = tables.geometry.l2_index(GuestOffset(at));
    let offset = bits.offset_in_cluster(at);
    let (entry, end) = words
        .at(offset, context, index)
        .map_err(|source| Error::L2Entry {
            table,
            guest: GuestOffset(cluster_start),
            source,
        })?;
    let guest = at..cluster_start.saturating_add(end).min(rest.end);
    match entry {
        L2Entry::Unallocated => Ok(Run::empty(guest, Mapping::Unallocated)),
        L2Entry::Zero { .. } => Ok(nowhere(tables, guest, Mapping::Zero)),
        L2Entry::Data { host, .. } => {
            let host = HostOffset(host.0.saturating_add(offset));
            let mut guest = guest;
            let there = tables.data_there(&guest, host);
            if tables.bounds.salvage && there > 0 {
                guest.end = at.saturating_add(there);
            } else if let Err(error) = tables.check_data(&guest, host) {
                // What follows in this cluster may be known all the same.
                return match tables.bounds.salvage {
                    true => Ok(nowhere(tables, guest, Mapping::Lost)),
                    false => Err(error),
                };
            }
            Ok(Run {
                guest,
                file: tables.files.data,
                mapping: Mapping::Data { host },
            })
        }
        L2Entry::Compressed(descriptor) => {
            let stream = tables.bounds.stream(&guest, &descriptor, tables.codec)?;
            Ok(Run {
                guest,
                file: tables.files.image,
                mapping: Mapping::Compressed(stream),
            })
        }
    }
}

/// Bytes that are in no file, because this image says so.
#[inline]
fn nowhere(tables: &Tables, guest: Range<u64>, mapping: Mapping) -> Run {
    Run {
        guest,
        file: tables.files.image,
        mapping,
    }
}

impl<S: ReadAt> Iterator for Walk<'_, S> {
    type Item = Result<Run, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let run = self.step();
        if run.is_err() {
            self.rest.start = self.rest.end;
        }
        Some(run)
    }
}
