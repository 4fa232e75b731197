//! All of one image file held against itself: every reference of every disk in it.
//!
//! ```text
//! header ──▶ roots ──▶ walk ─┬▶ census: references, entries ─▶ comparison ─▶ faults
//!                            ├▶ owners of the clusters with faults
//!                            └▶ streams, decoded
//! ```
//!
//! The references are counted in pages. If they take more memory than there is, the walk
//! is repeated for the rest of the file.

mod census;
mod compare;
mod data;
mod entry;
mod fault;
mod fault_text;
mod journal;
mod owners;
mod pages;
mod place;
mod roots;
mod stored;
mod walk;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use blockio::{Holes, ReadAt};
use qcow2_format::Header;
use qcow2_format::feature::IncompatibleFeatures;
use qcow2_map::{Structure, check_supported, read_header};

use crate::error::Error;
use crate::parts::Nothing;

use census::{Census, clusters_in};
use compare::Comparison;
use journal::Journal;
use pages::{PAGE_CLUSTERS, PAGES_MAX, Pages};
use roots::{Finder, Roots};
use stored::Stored;
use walk::Walker;

pub use census::Clusters;
pub use fault::{DiskId, Entry, Fault, FaultKind, Owner, Repair, Severity};

/// Most walks over one image.
const WALKS_MAX: u32 = 64;

/// How an image is checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuditOptions {
    /// Decompress every compressed cluster. Otherwise only those are decompressed that
    /// the end of the file may cut.
    pub data: bool,
    /// Most faults of each kind that are kept. All are counted.
    pub faults_max: usize,
    /// Bytes of memory for counts. If an image needs more, its tables are read again for
    /// each part of the file.
    pub count_bytes: usize,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            data: false,
            faults_max: 1000,
            count_bytes: 208 << 20,
        }
    }
}

/// What a check has found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Audit {
    /// The faults, up to [`AuditOptions::faults_max`] of each kind.
    pub faults: Vec<Fault>,
    /// How many faults there are of each kind, by its [name](FaultKind::name).
    pub totals: BTreeMap<&'static str, u64>,
    /// Faults that are corruptions.
    pub corruptions: u64,
    /// Host clusters with a refcount that is too high.
    pub leaks: u64,
    /// Host offset after the last cluster that is used or has a refcount.
    pub image_end: u64,
    /// Clusters of the active disk.
    pub clusters: Clusters,
}

/// Checks the image in `storage`, without the files that it depends on.
///
/// Memory is bounded by [`AuditOptions::count_bytes`], and by what the file holds: not by
/// what its header claims.
///
/// # Errors
///
/// Where the header is not right or needs an unknown feature, where metadata cannot be
/// read, and where what the image uses is scattered too far to be counted.
pub fn audit<S: ReadAt>(storage: &S, options: &AuditOptions) -> Result<Audit, Error> {
    let header = read_header(storage)?;
    check_supported(&header, true)?;
    let holes = Holes::new();
    let nothing = Nothing::new(&holes);
    let mut journal = Journal::new(options.faults_max);
    note_features(&header, &mut journal);
    let finder = Finder {
        storage,
        header: &header,
        nothing: &nothing,
        journal: &mut journal,
    };
    let roots = finder.find()?;
    let auditor = Auditor {
        storage,
        header: &header,
        roots: &roots,
        nothing: &nothing,
        options,
    };
    auditor.run(journal)
}

fn note_features(header: &Header, journal: &mut Journal) {
    let has = |feature| header.incompatible.contains(feature);
    if has(IncompatibleFeatures::DIRTY) {
        let dirty = Fault::of(FaultKind::Dirty, Structure::Header, Repair::Dirty);
        journal.add(dirty);
    }
    if has(IncompatibleFeatures::CORRUPT) {
        let kind = FaultKind::MarkedCorrupt;
        let corrupt = Fault::of(kind, Structure::Header, Repair::Doubtful);
        journal.add(corrupt);
    }
}

/// Checks an image.
struct Auditor<'a, S> {
    storage: &'a S,
    header: &'a Header,
    roots: &'a Roots,
    nothing: &'a Nothing<'a>,
    options: &'a AuditOptions,
}

impl<S: ReadAt> Auditor<'_, S> {
    fn walker(&self) -> Walker<'_, S> {
        Walker {
            storage: self.storage,
            header: self.header,
            roots: self.roots,
            nothing: self.nothing,
        }
    }

    fn run(&self, mut journal: Journal) -> Result<Audit, Error> {
        let counted = self.count(&mut journal)?;
        match self.options.data {
            true => data::decode_all(&self.walker(), &mut journal)?,
            false => data::decode_tail(&self.walker(), counted.tail, &mut journal)?,
        }
        let dirty = IncompatibleFeatures::DIRTY;
        let is_dirty = self.header.incompatible.contains(dirty);
        let walker = self.walker();
        owners::find(&walker, &mut journal.kept, is_dirty, counted.is_incomplete)?;
        Ok(Audit {
            totals: journal.totals(),
            corruptions: journal.corruptions,
            leaks: journal.leaks,
            faults: journal.kept,
            image_end: counted.image_end,
            clusters: counted.clusters,
        })
    }

    /// Counts all references and compares them with the refcounts.
    fn count(&self, journal: &mut Journal) -> Result<Counted, Error> {
        let cluster_bits = self.header.cluster_bits;
        let file_clusters = clusters_in(self.storage.size(), self.header);
        let mut counted = Counted {
            clusters: Clusters {
                total: clusters_in(self.header.size, self.header),
                ..Clusters::default()
            },
            image_end: 0,
            is_incomplete: self.roots.is_incomplete,
            tail: Vec::new(),
        };
        let (mut last, mut blocks_alone) = (None, HashMap::new());
        let (mut next, mut made) = (Some((0, true)), 0u64);
        let mut walks = 0u32;
        let mut stored = Stored::new(self.storage, self.header, self.roots.blocks.clone());
        while let Some((start, is_used)) = next {
            let mut pages = Pages::new(start, file_clusters, self.options.count_bytes);
            if is_used {
                if walks == WALKS_MAX || made >= PAGES_MAX {
                    return Err(Error::TooScattered {
                        max: walks,
                        part_bytes: PAGE_CLUSTERS.saturating_mul(cluster_bits.bytes()),
                    });
                }
                let mut census = Census {
                    header: self.header,
                    context: self.header.entry_context(),
                    file_bytes: self.storage.size(),
                    pages,
                    stored: &mut stored,
                    journal: &mut *journal,
                    clusters: counted.clusters,
                    is_first: walks == 0,
                    is_incomplete: counted.is_incomplete,
                    tail: std::mem::take(&mut counted.tail),
                };
                self.walker().walk(&mut census)?;
                counted.clusters = census.clusters;
                counted.tail = census.tail;
                counted.is_incomplete = census.is_incomplete;
                pages = census.pages;
                made = made.saturating_add(pages.made);
                walks = walks.saturating_add(1);
            }
            let mut comparison = Comparison {
                storage: self.storage,
                nothing: self.nothing,
                cluster_bits,
                stored: &mut stored,
                journal,
                last,
                blocks_alone,
            };
            comparison.compare(&pages)?;
            (last, blocks_alone) = (comparison.last, comparison.blocks_alone);
            next = pages.next().map(|next| (next & !(PAGE_CLUSTERS - 1), true));
            // What nothing uses may still have refcounts.
            let covered = stored
                .next_covered(pages.end())
                .filter(|next| *next < file_clusters);
            next = next.or(covered.map(|next| (next & !(PAGE_CLUSTERS - 1), false)));
        }
        let end = last.map_or(0, |last| last.saturating_add(1));
        counted.image_end = end.saturating_mul(cluster_bits.bytes());
        Ok(counted)
    }
}

/// What the count gave.
struct Counted {
    clusters: Clusters,
    image_end: u64,
    /// Whether references may be missing.
    is_incomplete: bool,
    /// Streams that the end of the file may cut.
    tail: Vec<Range<u64>>,
}

#[cfg(test)]
mod tests;
