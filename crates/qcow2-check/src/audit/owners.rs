//! What refers to the host clusters that something is wrong with.

use std::ops::Range;

use blockio::ReadAt;
use qcow2_format::{EntryContext, Header, L2Words};
use qcow2_map::Structure;

use crate::error::Error;

use super::entry::Rules;
use super::fault::{Entry, Fault, FaultKind, Owner, Repair};
use super::place::{InTable, table_of};
use super::roots::L1;
use super::walk::{Table, Visitor, Walker};

/// Most owners of a cluster that are named.
const NAMED_MAX: usize = 2;

/// Names the owners of the clusters of `faults`, and decides by them what a repair would
/// do.
pub(crate) fn find<S: ReadAt>(
    walker: &Walker<'_, S>,
    faults: &mut [Fault],
    is_dirty: bool,
    is_incomplete: bool,
) -> Result<(), Error> {
    let bits = walker.header.cluster_bits.bits();
    let mut wanted: Vec<Wanted<'_>> = Vec::new();
    for fault in faults {
        let Some(host) = &fault.host else { continue };
        match fault.kind {
            FaultKind::Leak { references: 0, .. } if is_incomplete => {
                fault.repair = Repair::Doubtful;
            }
            FaultKind::Leak { references: 0, .. } => {}
            FaultKind::Leak { .. }
            | FaultKind::Refcount { .. }
            | FaultKind::Conflict { .. }
            | FaultKind::Stream(_)
            | FaultKind::StreamsOverlap { .. }
            | FaultKind::PastEnd { .. }
                if fault.owners.is_empty() =>
            {
                // The stream that another one reaches into may start in a later cluster.
                let at = match fault.kind {
                    FaultKind::StreamsOverlap { other } => other,
                    _ => host.start,
                };
                wanted.push(Wanted {
                    cluster: at >> bits,
                    fault,
                    is_alike: true,
                });
            }
            _ => {}
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    wanted.sort_unstable_by_key(|wanted| wanted.cluster);
    let mut search = Search {
        header: walker.header,
        context: walker.header.entry_context(),
        file_bytes: walker.storage.size(),
        wanted,
    };
    walker.walk(&mut search)?;
    for wanted in &mut search.wanted {
        wanted.decide(is_dirty, is_incomplete);
    }
    Ok(())
}

/// A cluster whose owners are wanted.
struct Wanted<'f> {
    cluster: u64,
    fault: &'f mut Fault,
    /// Whether all owners are the same guest bytes of different disks.
    is_alike: bool,
}

impl Wanted<'_> {
    fn add(&mut self, owner: impl FnOnce() -> Owner, is_alone: bool) {
        let owner = owner();
        if !self.is_meant(&owner) {
            return;
        }
        let owners = &mut self.fault.owners;
        let same = |first: &Owner| {
            first.guest == owner.guest
                && first.structure == owner.structure
                && first.disk != owner.disk
        };
        self.is_alike &= is_alone && owners.first().is_none_or(same);
        if owners.is_empty() {
            self.fault.structure = owner.structure;
        }
        if owners.len() < NAMED_MAX {
            owners.push(owner);
        }
    }

    /// Whether the fault is about this owner: one of a stream is not about all those that
    /// share its cluster.
    fn is_meant(&self, owner: &Owner) -> bool {
        let is_it = self.fault.host.as_ref() == Some(&owner.host);
        match self.fault.kind {
            FaultKind::Stream(_) | FaultKind::PastEnd { .. } => is_it,
            FaultKind::StreamsOverlap { other } => is_it || owner.host.start == other,
            _ => true,
        }
    }

    fn decide(&mut self, is_dirty: bool, is_incomplete: bool) {
        let is_stream = self.fault.structure == Structure::Stream;
        self.fault.repair = match self.fault.kind {
            FaultKind::Leak { .. } if is_incomplete => Repair::Doubtful,
            FaultKind::Leak { .. } => Repair::Leaks,
            // Streams may share a cluster, stale refcounts are to be expected, and a
            // snapshot shares what it has in common with another disk.
            FaultKind::Refcount { .. } if is_stream || is_dirty || self.is_alike => {
                Repair::Refcounts
            }
            FaultKind::Refcount { .. } => Repair::Doubtful,
            _ => self.fault.repair,
        };
    }
}

/// Looks for owners.
struct Search<'s> {
    header: &'s Header,
    context: EntryContext,
    file_bytes: u64,
    /// Ascending.
    wanted: Vec<Wanted<'s>>,
}

impl<'s> Search<'s> {
    /// The clusters among those that `bytes` touch that are wanted.
    fn meets(&mut self, bytes: &Range<u64>) -> &mut [Wanted<'s>] {
        if bytes.is_empty() {
            return &mut [];
        }
        let bits = self.header.cluster_bits.bits();
        let (first, last) = (bytes.start >> bits, bytes.end.saturating_sub(1) >> bits);
        let start = self.wanted.partition_point(|wanted| wanted.cluster < first);
        let rest = self.wanted.get_mut(start..).unwrap_or_default();
        let end = rest.partition_point(|wanted| wanted.cluster <= last);
        rest.get_mut(..end).unwrap_or_default()
    }

    fn add(&mut self, owner: &Owner) {
        for wanted in self.meets(&owner.host) {
            wanted.add(|| owner.clone(), true);
        }
    }
}

impl Visitor for Search<'_> {
    fn place(&mut self, owner: &Owner) -> Result<(), Error> {
        self.add(owner);
        Ok(())
    }

    fn l1_entry(&mut self, l1: &L1, entry: Entry) -> Result<(), Error> {
        let owner = table_of(self.header, l1, entry);
        if owner.host.start != 0 {
            self.add(&owner);
        }
        Ok(())
    }

    fn table(&mut self, table: &Table<'_>) -> Result<(), Error> {
        let rules = Rules {
            header: self.header,
            context: self.context,
            file_bytes: self.file_bytes,
        };
        let header = self.header;
        let entries = L2Words::all(table.bytes, header.geometry().extended_l2);
        for (index, words) in (0..).zip(entries) {
            if words.is_zero() {
                continue;
            }
            let place = InTable {
                header,
                table: &table.used,
                index,
            };
            let judged = rules.judge(&place, words);
            if judged.is_counted {
                // Two parts of one disk must not share a table.
                let is_alone = table.used.active <= 1;
                for wanted in self.meets(&judged.host) {
                    wanted.add(|| place.owner(&judged, words), is_alone);
                }
            }
        }
        Ok(())
    }
}
