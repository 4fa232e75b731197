//! Holds the references that were counted against the stored refcounts.

use std::collections::HashMap;
use std::ops::Range;

use blockio::ReadAt;
use qcow2_format::ClusterBits;
use qcow2_map::Structure;

use crate::error::Error;
use crate::finding::Use;
use crate::parts::Nothing;

use super::fault::{Fault, FaultKind, Repair};
use super::journal::Journal;
use super::pages::{Cell, PAGE_BITS, PAGE_CLUSTERS, Pages, Used};
use super::stored::Stored;

/// Compares references and refcounts.
pub(crate) struct Comparison<'c, 's, S> {
    pub(crate) storage: &'c S,
    pub(crate) nothing: &'c Nothing<'c>,
    pub(crate) cluster_bits: ClusterBits,
    pub(crate) stored: &'c mut Stored<'s, S>,
    pub(crate) journal: &'c mut Journal,
    /// The last cluster that is used or has a refcount.
    pub(crate) last: Option<u64>,
    /// Refcounts that are not zero in blocks with nothing that is used, by the host offset
    /// of the block: many entries may name one.
    pub(crate) blocks_alone: HashMap<u64, (u64, Option<u64>)>,
}

impl<S: ReadAt> Comparison<'_, '_, S> {
    /// Compares the clusters that `pages` count.
    pub(crate) fn compare(&mut self, pages: &Pages) -> Result<(), Error> {
        let range = pages.start()..pages.end();
        let block_clusters = self.stored.block_clusters();
        let mut page = range.start;
        while page < range.end {
            let end = page.saturating_add(PAGE_CLUSTERS).min(range.end);
            if pages.has_page(page) {
                self.page(pages, page)?;
                page = end;
                continue;
            }
            // Nothing of it is used. Most often it has no refcounts, and nor have the pages
            // after it.
            let block = page / block_clusters;
            let within = self.stored.clusters_of(block);
            let end = match self.stored.is_covered(page) {
                false => within.end.max(end).min(range.end),
                true if self.is_alone(pages, &within, &range) => {
                    self.block_alone(block, &within)?;
                    within.end
                }
                true => {
                    self.unused(page..end)?;
                    end
                }
            };
            page = match pages.first_page(page..end) {
                Some(used) if !self.stored.is_covered(page) => used,
                _ => end,
            };
        }
        Ok(())
    }

    /// Whether a block is compared as a whole, and counts no page that exists.
    fn is_alone(&self, pages: &Pages, within: &Range<u64>, range: &Range<u64>) -> bool {
        within.start >= range.start
            && within.end <= range.end
            && within.end.saturating_sub(within.start) >= PAGE_CLUSTERS
            && pages.first_page(within.clone()).is_none()
    }

    /// Judges the clusters of a page.
    fn page(&mut self, pages: &Pages, first: u64) -> Result<(), Error> {
        let (wrong, last) = pages.wrong_in(first);
        self.last = self.last.max(last);
        if wrong.iter().all(|(_, cell)| cell.stored().is_some()) {
            for (cluster, cell) in wrong {
                self.judge(cluster, cell, cell.stored().unwrap_or(0));
            }
            return Ok(());
        }
        let mut refcounts = [0; 1 << PAGE_BITS];
        let loaded = self.stored.load(first, &mut refcounts);
        loaded.map_err(|source| self.stored.unreadable(first, source))?;
        for (cluster, cell) in wrong {
            let index = qcow2_map::in_memory(cluster.saturating_sub(first));
            self.judge(cluster, cell, refcounts.get(index).copied().unwrap_or(0));
        }
        Ok(())
    }

    fn judge(&mut self, cluster: u64, cell: Cell, refcount: u64) {
        let references = cell.references();
        let (kind, repair) = match cell.used() {
            Used::Conflict => {
                let kind = FaultKind::Conflict {
                    references,
                    refcount,
                };
                (kind, Repair::Doubtful)
            }
            _ if references < refcount => {
                let kind = FaultKind::Leak {
                    references,
                    refcount,
                };
                (kind, Repair::Leaks)
            }
            _ if references > refcount => {
                let kind = FaultKind::Refcount {
                    references,
                    refcount,
                    is_covered: self.stored.is_covered(cluster),
                };
                (kind, Repair::Refcounts)
            }
            _ => return,
        };
        let structure = match cell.used() {
            Used::For(Use::Stream) => Structure::Stream,
            Used::For(Use::L2Table) => Structure::L2Table,
            Used::For(Use::Metadata) => Structure::Header,
            Used::Nothing | Used::Conflict | Used::For(Use::Data) => Structure::Data,
        };
        self.report(cluster, kind, structure, repair);
    }

    fn report(&mut self, cluster: u64, kind: FaultKind, structure: Structure, repair: Repair) {
        if !self.journal.keeps(&kind) {
            return self.journal.count(&kind, 1);
        }
        let start = cluster.saturating_mul(self.cluster_bits.bytes());
        let end = start.saturating_add(self.cluster_bits.bytes());
        self.journal.add(Fault {
            host: Some(start..end),
            ..Fault::of(kind, structure, repair)
        });
    }

    /// Reports the clusters of a range that have a refcount, which nothing uses.
    fn unused(&mut self, clusters: Range<u64>) -> Result<(u64, Option<u64>), Error> {
        let mut refcounts = vec![0; qcow2_map::distance(&clusters)];
        let loaded = self.stored.load(clusters.start, &mut refcounts);
        loaded.map_err(|source| self.stored.unreadable(clusters.start, source))?;
        let (mut leaked, mut last) = (0u64, None);
        for (cluster, refcount) in clusters.zip(refcounts) {
            if refcount != 0 {
                leaked = leaked.saturating_add(1);
                last = Some(cluster);
                let kind = FaultKind::Leak {
                    references: 0,
                    refcount,
                };
                self.report(cluster, kind, Structure::Data, Repair::Leaks);
            }
        }
        self.last = self.last.max(last);
        Ok((leaked, last))
    }

    /// Reports the clusters that block `index` has a refcount for, none of which is used.
    fn block_alone(&mut self, index: u64, clusters: &Range<u64>) -> Result<(), Error> {
        let host = usize::try_from(index)
            .ok()
            .and_then(|index| self.stored.blocks().get(index).copied())
            .unwrap_or(0);
        let kind = FaultKind::Leak {
            references: 0,
            refcount: 1,
        };
        if let Some((leaked, last)) = self.blocks_alone.get(&host)
            && (*leaked == 0 || !self.journal.keeps(&kind))
        {
            self.journal.count(&kind, *leaked);
            let last = last.map(|last| clusters.start.saturating_add(last));
            self.last = self.last.max(last);
            return Ok(());
        }
        let bytes = host..host.saturating_add(self.cluster_bits.bytes());
        let mut found = (0u64, None);
        if !self.nothing.is_hole(self.storage, &bytes) {
            let mut at = clusters.start;
            while at < clusters.end {
                let end = at.saturating_add(PAGE_CLUSTERS).min(clusters.end);
                let (leaked, last) = self.unused(at..end)?;
                found.0 = found.0.saturating_add(leaked);
                found.1 = last.or(found.1);
                at = end;
            }
        }
        if found.0 == 0 {
            self.nothing.read_zeros(self.cluster_bits.bytes());
        }
        let last = found.1.map(|last| last.saturating_sub(clusters.start));
        self.blocks_alone.insert(host, (found.0, last));
        Ok(())
    }
}
