//! Where an entry is, what it names, and what is wrong with it.

use std::ops::Range;

use qcow2_format::entry::OFFSET_MASK;
use qcow2_format::{Header, L2Words};
use qcow2_map::Structure;

use super::fault::{Entry, FaultKind, Owner, Repair};
use super::roots::L1;
use super::walk::{TableUse, coverage};

/// What an entry names, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) structure: Structure,
    /// The host bytes that it names.
    pub(crate) host: Range<u64>,
    pub(crate) faults: Vec<(FaultKind, Repair)>,
    /// Whether it counts in refcounts.
    pub(crate) is_counted: bool,
    /// Whether its COPIED flag must be that of its refcount.
    pub(crate) has_copied: bool,
    /// Whether it is a stream that may need bytes past the end of the file.
    pub(crate) may_be_cut: bool,
}

impl Judged {
    /// A cluster of data that is all right.
    pub(crate) fn data(host: u64, cluster_bytes: u64) -> Self {
        Self {
            structure: Structure::Data,
            host: host..host.saturating_add(cluster_bytes),
            faults: Vec::new(),
            is_counted: true,
            has_copied: true,
            may_be_cut: false,
        }
    }

    /// Adds a fault.
    pub(crate) fn wrong(&mut self, kind: FaultKind, repair: Repair) {
        self.faults.push((kind, repair));
    }
}

/// An entry in an L2 table.
pub(crate) struct InTable<'t> {
    pub(crate) header: &'t Header,
    pub(crate) table: &'t TableUse,
    pub(crate) index: u64,
}

impl InTable<'_> {
    /// The guest bytes of the entry, up to the end of the disk.
    pub(crate) fn guest(&self) -> Range<u64> {
        let bytes = self.header.cluster_bits.bytes();
        let start = coverage(self.header, self.table.l1_index.into()).start;
        let start = start.saturating_add(self.index.saturating_mul(bytes));
        let end = start.saturating_add(bytes);
        start..end.min(self.table.disk_bytes.max(start))
    }

    /// The entry with what it names.
    pub(crate) fn owner(&self, judged: &Judged, words: L2Words) -> Owner {
        let bytes = self.header.l2_entry_bytes();
        let at = self.index.saturating_mul(bytes);
        let guest = self.guest();
        Owner {
            structure: judged.structure,
            disk: Some(self.table.disk),
            guest: (!guest.is_empty()).then_some(guest),
            host: judged.host.clone(),
            entry: Some(Entry {
                table: Structure::L2Table,
                index: self.index,
                host: self.table.host.saturating_add(at),
                raw: words.first,
            }),
        }
    }
}

/// The L2 table that an L1 entry names.
pub(crate) fn table_of(header: &Header, l1: &L1, entry: Entry) -> Owner {
    let host = entry.raw & OFFSET_MASK;
    let guest = coverage(header, entry.index);
    let guest = guest.start..guest.end.min(l1.disk_bytes.max(guest.start));
    Owner {
        structure: Structure::L2Table,
        disk: Some(l1.disk),
        guest: (!guest.is_empty()).then_some(guest),
        host: host..host.saturating_add(header.cluster_bits.bytes()),
        entry: Some(entry),
    }
}
