//! The walk over the tables: where guest bytes are, run by run.

use std::ops::Range;

use blockio::ReadAt;
use qcow2_format::{GuestOffset, HostOffset, L2Entry};

use crate::places::Stream;
use crate::tables::{L2Table, Tables};
use crate::{Error, Structure};

/// Where the bytes of a run are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// Nowhere. They read as zeros.
    Unallocated,
    /// Nowhere that matters: an entry says that they read as zeros.
    Zero,
    /// In the file, one behind the other from here on.
    Data { host: HostOffset },
    /// In a compressed stream, which gives the cluster that they lie in.
    Compressed(Stream),
}

/// Guest bytes in a row that are mapped alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) guest: Range<u64>,
    pub(crate) mapping: Mapping,
}

impl Run {
    pub(crate) fn bytes(&self) -> u64 {
        self.guest.end.saturating_sub(self.guest.start)
    }

    /// Appends `next`, which starts where this ends, if it is more of the same.
    fn join(&mut self, next: &Self) -> bool {
        let continues = match (self.mapping, next.mapping) {
            (Mapping::Unallocated, Mapping::Unallocated) | (Mapping::Zero, Mapping::Zero) => true,
            (Mapping::Data { host }, Mapping::Data { host: next }) => {
                host.0.checked_add(self.bytes()) == Some(next.0)
            }
            _ => false,
        };
        if continues {
            self.guest.end = next.guest.end;
        }
        continues
    }
}

/// An iterator over the maximal runs of a range of guest bytes, ascending and
/// without gaps. An error ends it, behind the runs in front of it.
#[derive(Debug)]
pub(crate) struct Runs<'i, S> {
    storage: &'i S,
    tables: &'i Tables,
    /// What is left to look up.
    rest: Range<u64>,
    /// The L2 table in use, and the guest bytes it maps.
    table: Option<(Range<u64>, L2Table)>,
    /// The run that the next cluster may belong to.
    held: Option<Run>,
    failure: Option<Error>,
}

impl<'i, S: ReadAt> Runs<'i, S> {
    /// The runs of `guest`, which must lie on the disk.
    pub(crate) fn new(storage: &'i S, tables: &'i Tables, guest: Range<u64>) -> Self {
        Self {
            storage,
            tables,
            rest: guest,
            table: None,
            held: None,
            failure: None,
        }
    }

    /// The next cluster or part of one, or all that an empty L1 entry leaves
    /// unallocated.
    fn step(&mut self) -> Result<Option<Run>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let at = self.rest.start;
        let run = match &self.table {
            Some((covered, table)) if covered.contains(&at) => self.cluster(table)?,
            _ => {
                let l1_index = self.tables.geometry.l1_index(GuestOffset(at));
                let covered = self.tables.l1_coverage(l1_index);
                match self.tables.l2(self.storage, l1_index)? {
                    None => Run {
                        guest: at..covered.end.min(self.rest.end),
                        mapping: Mapping::Unallocated,
                    },
                    Some(table) => {
                        let run = self.cluster(&table)?;
                        self.table = Some((covered, table));
                        run
                    }
                }
            }
        };
        self.rest.start = run.guest.end;
        Ok(Some(run))
    }

    /// The first cluster of the rest, or its first subclusters of one kind,
    /// looked up in `table`.
    fn cluster(&self, table: &L2Table) -> Result<Run, Error> {
        let context = &self.tables.context;
        let bits = context.cluster_bits;
        let at = self.rest.start;
        let cluster_start = bits.round_down(at);
        let index = self.tables.geometry.l2_index(GuestOffset(at));

        let offset = bits.offset_in_cluster(at);
        let (entry, end) = table
            .entry(index)
            .at(offset, context, index)
            .map_err(|source| Error::L2Entry {
                table: table.host,
                guest: GuestOffset(cluster_start),
                source,
            })?;
        let guest = at..cluster_start.saturating_add(end).min(self.rest.end);
        let mapping = match entry {
            L2Entry::Unallocated => Mapping::Unallocated,
            L2Entry::Zero { .. } => Mapping::Zero,
            L2Entry::Data { host, .. } => {
                let host = HostOffset(host.0.saturating_add(offset));
                let bytes = guest.end.saturating_sub(guest.start);
                self.tables
                    .places
                    .check(Structure::Data, guest.clone(), host, bytes)?;
                Mapping::Data { host }
            }
            L2Entry::Compressed(descriptor) => {
                let stream = self.tables.places.stream(&guest, &descriptor)?;
                Mapping::Compressed(stream)
            }
        };
        Ok(Run { guest, mapping })
    }
}

impl<S: ReadAt> Iterator for Runs<'_, S> {
    type Item = Result<Run, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.failure.is_none() {
            match self.step() {
                Ok(Some(run)) => {
                    if self.held.as_mut().is_some_and(|held| held.join(&run)) {
                        continue;
                    }
                    if let Some(whole) = self.held.replace(run) {
                        return Some(Ok(whole));
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    self.rest.start = self.rest.end;
                    self.failure = Some(error);
                }
            }
        }
        match self.held.take() {
            Some(run) => Some(Ok(run)),
            None => self.failure.take().map(Err),
        }
    }
}
