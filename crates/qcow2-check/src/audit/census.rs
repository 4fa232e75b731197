//! Counts all references, and judges the entries of the tables on the way.

use std::ops::{Range, RangeInclusive};

use blockio::{ReadAt, is_zero};
use qcow2_format::entry::{COMPRESSED, COPIED, CompressedDescriptor, OFFSET_MASK};
use qcow2_format::{ClusterBits, EntryContext, Header, L1Entry, L2Words};

use crate::error::Error;
use crate::finding::Use;

use super::entry::Rules;
use super::fault::{DiskId, Entry, Fault, FaultKind, Owner, Repair, use_of};
use super::journal::Journal;
use super::pages::{Cell, Pages};
use super::place::{InTable, Judged, table_of};
use super::roots::L1;
use super::stored::Stored;
use super::walk::{Table, TableUse, Visitor, coverage};

/// Clusters of the active disk, as qemu-img counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Clusters {
    /// Guest clusters of the disk.
    pub total: u64,
    /// Those that have storage.
    pub allocated: u64,
    /// Those of them that do not follow the one before them in the file. All that are
    /// compressed count.
    pub fragmented: u64,
    /// Those that are compressed.
    pub compressed: u64,
}

/// Counts references.
pub(crate) struct Census<'c, 's, S> {
    pub(crate) header: &'c Header,
    pub(crate) context: EntryContext,
    pub(crate) file_bytes: u64,
    pub(crate) pages: Pages,
    pub(crate) stored: &'c mut Stored<'s, S>,
    pub(crate) journal: &'c mut Journal,
    pub(crate) clusters: Clusters,
    /// Whether entries are judged: once is enough.
    pub(crate) is_first: bool,
    /// Whether an entry does not say what it refers to.
    pub(crate) is_incomplete: bool,
    /// Streams that may be cut by the end of the file.
    pub(crate) tail: Vec<Range<u64>>,
}

/// Most streams at the end of the file that are kept.
const TAIL_MAX: usize = 1024;

impl<S: ReadAt> Census<'_, '_, S> {
    /// Counts the use of `bytes`. Says what is known of the first cluster.
    fn count(
        &mut self,
        bytes: &Range<u64>,
        used_as: Use,
        times: u32,
    ) -> Result<Option<Cell>, Error> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let bits = self.header.cluster_bits.bits();
        let first = bytes.start >> bits;
        let last = bytes.end.saturating_sub(1) >> bits;
        let last = last.min(self.file_bytes.saturating_sub(1) >> bits);
        let mut known = None;
        for cluster in first..=last {
            let cell = self.add(cluster, used_as, times)?;
            if cluster == first {
                known = cell;
            }
        }
        Ok(known)
    }

    #[inline]
    fn add(&mut self, cluster: u64, used_as: Use, times: u32) -> Result<Option<Cell>, Error> {
        let stored = &mut *self.stored;
        let mut load = |first: u64, refcounts: &mut [u64]| stored.load(first, refcounts);
        let added = self.pages.add(cluster, used_as, times, &mut load);
        added.map_err(|source| self.stored.unreadable(cluster, source))
    }

    /// The stored refcount of a cluster, of which `cell` is known.
    fn refcount(&mut self, cluster: u64, cell: Option<Cell>) -> Result<u64, Error> {
        match cell.and_then(Cell::stored) {
            Some(refcount) => Ok(refcount),
            None => self.stored.get(cluster),
        }
    }

    /// Holds the COPIED flag of an entry against the refcount.
    fn judge_copied(
        &mut self,
        raw: u64,
        host: u64,
        cell: Option<Cell>,
        owner: impl FnOnce() -> Owner,
    ) -> Result<(), Error> {
        if !self.is_first {
            return Ok(());
        }
        let is_set = raw & COPIED != 0;
        let is_one = match cell {
            Some(cell) => cell.stored() == Some(1),
            None => self.refcount(host >> self.header.cluster_bits.bits(), None)? == 1,
        };
        if is_set != is_one {
            let refcount = self.refcount(host >> self.header.cluster_bits.bits(), cell)?;
            let kind = FaultKind::Copied { is_set, refcount };
            self.report(kind, Repair::Copied, owner);
        }
        Ok(())
    }

    /// Counts a fault, and keeps it if there is room.
    fn report(&mut self, kind: FaultKind, repair: Repair, owner: impl FnOnce() -> Owner) {
        self.is_incomplete |= kind.hides_references();
        if self.journal.keeps(&kind) {
            self.journal.add(Fault::in_entry(kind, owner(), repair));
        } else {
            self.journal.count(&kind, 1);
        }
    }

    /// Judges an entry that is not a plain one in order, and counts what it names.
    fn entry(&mut self, place: &InTable<'_>, words: L2Words) -> Result<(), Error> {
        let rules = Rules {
            header: self.header,
            context: self.context,
            file_bytes: self.file_bytes,
        };
        let judged = rules.judge(place, words);
        let owner = || place.owner(&judged, words);
        if self.is_first {
            for (kind, repair) in &judged.faults {
                self.report(kind.clone(), *repair, owner);
            }
            if judged.may_be_cut && self.tail.len() < TAIL_MAX {
                self.tail.push(judged.host.clone());
            }
        }
        if !judged.is_counted {
            return Ok(());
        }
        let used_as = use_of(judged.structure);
        let cell = self.count(&judged.host, used_as, place.table.times)?;
        if judged.has_copied && place.table.active > 0 {
            self.judge_copied(words.first, judged.host.start, cell, owner)?;
        }
        Ok(())
    }

    /// Counts what an L1 table or another piece of metadata takes.
    fn metadata(&mut self, owner: &Owner) -> Result<(), Error> {
        self.count(&owner.host, use_of(owner.structure), 1)
            .map(drop)
    }
}

impl<S: ReadAt> Visitor for Census<'_, '_, S> {
    fn place(&mut self, owner: &Owner) -> Result<(), Error> {
        self.metadata(owner)
    }

    fn l1_entry(&mut self, l1: &L1, entry: Entry) -> Result<(), Error> {
        let header = self.header;
        let owner = || table_of(header, l1, entry);
        let host = owner().host;
        let file_bytes = self.file_bytes;
        let reserved = L1Entry::reserved_bits(entry.raw);
        let is_aligned = header.cluster_bits.is_aligned(host.start);
        if self.is_first {
            if reserved != 0 {
                self.report(
                    FaultKind::Reserved { bits: reserved },
                    Repair::Reserved,
                    owner,
                );
            }
            if host.start == 0 && entry.raw & COPIED != 0 {
                self.report(FaultKind::CopiedWithoutOffset, Repair::No, owner);
            } else if !is_aligned {
                let kind = FaultKind::Unaligned { offset: host.start };
                self.report(kind, Repair::No, owner);
            } else if host.start != 0 && host.end > file_bytes {
                self.report(FaultKind::PastEnd { file_bytes }, Repair::No, owner);
            }
        }
        if host.start == 0 {
            return Ok(());
        }
        let cell = self.count(&host, Use::L2Table, 1)?;
        if l1.disk == DiskId::Active {
            self.judge_copied(entry.raw, host.start, cell, owner)?;
        }
        Ok(())
    }

    fn table(&mut self, table: &Table<'_>) -> Result<(), Error> {
        if is_zero(table.bytes) {
            return Ok(());
        }
        let header = self.header;
        let is_extended = header.geometry().extended_l2;
        let quick = Quick::new(header, &self.context, self.file_bytes, &table.used);
        let is_active = table.used.active > 0;
        let mut run = Run::default();
        for (index, words) in (0..).zip(L2Words::all(table.bytes, is_extended)) {
            if words.is_zero() {
                continue;
            }
            run.add(words, self.context.external_data_file, quick.cluster_bytes);
            let place = InTable {
                header,
                table: &table.used,
                index,
            };
            if let Some(clusters) = quick.stream(words.first) {
                for cluster in clusters {
                    self.add(cluster, Use::Stream, table.used.times)?;
                }
            } else if let Some(host) = quick.cluster(words.first) {
                let cluster = host >> header.cluster_bits.bits();
                let cell = self.add(cluster, Use::Data, table.used.times)?;
                if is_active {
                    self.judge_copied(words.first, host, cell, || {
                        let judged = Judged::data(host, quick.cluster_bytes);
                        place.owner(&judged, words)
                    })?;
                }
            } else {
                self.entry(&place, words)?;
            }
        }
        if self.is_first {
            run.count(&mut self.clusters, table.used.active.into());
        }
        Ok(())
    }
}

/// Tells entries that nothing is wrong with at a glance: most of them.
struct Quick {
    cluster_bytes: u64,
    cluster_bits: ClusterBits,
    file_bytes: u64,
    /// Bits of the offset of a cluster.
    plain: u64,
    /// Bits of the offset of a stream.
    stream: u64,
    is_possible: bool,
}

impl Quick {
    fn new(header: &Header, context: &EntryContext, file_bytes: u64, table: &TableUse) -> Self {
        let cluster_bits = header.cluster_bits;
        let covered = coverage(header, table.l1_index.into());
        let stream_end = CompressedDescriptor::host_end(cluster_bits).0;
        Self {
            cluster_bytes: cluster_bits.bytes(),
            cluster_bits,
            file_bytes,
            plain: OFFSET_MASK & !cluster_bits.bytes().saturating_sub(1),
            stream: stream_end.saturating_sub(1),
            is_possible: !header.geometry().extended_l2
                && !context.external_data_file
                && covered.end <= table.disk_bytes,
        }
    }

    /// Where the cluster of a plain entry is.
    #[inline]
    fn cluster(&self, raw: u64) -> Option<u64> {
        let host = raw & self.plain;
        let is_plain = raw & !(self.plain | COPIED) == 0 && host != 0;
        let end = host.saturating_add(self.cluster_bytes);
        (self.is_possible && is_plain && end <= self.file_bytes).then_some(host)
    }

    /// The clusters of the stream of a compressed entry.
    #[inline]
    fn stream(&self, raw: u64) -> Option<RangeInclusive<u64>> {
        // The offsets of small clusters have bits that must be clear.
        if raw & (COMPRESSED | COPIED) != COMPRESSED || self.cluster_bits.bits() < 14 {
            return None;
        }
        let host = raw & self.stream;
        let sectors = (raw & !COMPRESSED) >> self.stream.trailing_ones();
        let last = (host >> 9).saturating_add(sectors);
        let end = last.saturating_add(1) << 9;
        let bits = self.cluster_bits.bits();
        let shift = bits.saturating_sub(9);
        (self.is_possible && end <= self.file_bytes).then(|| host >> bits..=last >> shift)
    }
}

/// The clusters of a table, as qemu-img counts them.
#[derive(Default)]
struct Run {
    allocated: u64,
    fragmented: u64,
    compressed: u64,
    next: u64,
}

impl Run {
    #[inline]
    fn add(&mut self, words: L2Words, is_external: bool, cluster_bytes: u64) {
        let raw = words.first;
        if raw & COMPRESSED != 0 {
            if is_external {
                return;
            }
            self.allocated = self.allocated.saturating_add(1);
            self.fragmented = self.fragmented.saturating_add(1);
            self.compressed = self.compressed.saturating_add(1);
            return;
        }
        let host = raw & OFFSET_MASK;
        if host == 0 && !(is_external && raw & COPIED != 0) {
            return;
        }
        self.allocated = self.allocated.saturating_add(1);
        if self.next != 0 && host != self.next {
            self.fragmented = self.fragmented.saturating_add(1);
        }
        self.next = host.saturating_add(cluster_bytes);
    }

    fn count(&self, clusters: &mut Clusters, times: u64) {
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more.saturating_mul(times));
        add(&mut clusters.allocated, self.allocated);
        add(&mut clusters.fragmented, self.fragmented);
        add(&mut clusters.compressed, self.compressed);
    }
}

/// How many clusters `bytes` are.
pub(crate) fn clusters_in(bytes: u64, header: &Header) -> u64 {
    bytes.div_ceil(header.cluster_bits.bytes())
}
