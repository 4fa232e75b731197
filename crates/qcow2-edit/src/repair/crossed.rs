//! Clusters with two owners that should not share them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use blockio::{ReadAt, Store};
use qcow2_format::header::CryptMethod;
use qcow2_format::{Geometry, HostOffset, L1Entry, L2Words, Named};

use crate::change::refcounts::Stored;
use crate::change::transaction::Transaction;
use crate::error::Error;
use crate::image::counts::Counts;
use crate::image::references::l1_entry;
use crate::image::state::State;
use crate::image::view::bytes_of;
use crate::report::Doubt;

/// Bits 9 to 55 of an entry: the host offset.
const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;

/// The flag that a cluster has the refcount one.
const COPIED: u64 = 1 << 63;

/// Clusters that may have been overwritten by another owner.
#[derive(Debug, Default)]
pub(super) struct Crossed {
    /// Those that have two uses that exclude each other.
    conflicts: BTreeSet<u64>,
    /// Those that are data more often than their refcount says.
    shared: BTreeSet<u64>,
}

/// Finds the clusters whose refcounts do not allow what uses them.
pub(super) fn find<S: ReadAt>(
    counts: &Counts,
    stored: &mut Stored<'_, S>,
) -> Result<Crossed, Error> {
    let mut crossed = Crossed::default();
    for (cluster, count) in counts.used() {
        if count.conflict().is_some() {
            crossed.conflicts.insert(cluster);
        } else if count.times() > 1 && count.times() > stored.get(cluster)? {
            crossed.shared.insert(cluster);
        }
    }
    Ok(crossed)
}

/// Gives data in such clusters copies of its own, and returns what is doubtful.
pub(super) fn separate<S: Store>(
    change: &mut Transaction<'_, S>,
    state: &mut State,
    crossed: &Crossed,
) -> Result<Vec<Doubt>, Error> {
    if crossed.conflicts.is_empty() && crossed.shared.is_empty() {
        return Ok(Vec::new());
    }
    if state.header.crypt_method != CryptMethod::None {
        return Err(Error::Unsupported {
            operation: "the repair",
            because: "the image is encrypted, and data that is moved would need its keys",
        });
    }
    let mut separation = Separation {
        geometry: state.header.geometry(),
        crossed,
        owners: BTreeMap::new(),
        replaced: BTreeMap::new(),
        doubtful: Vec::new(),
        snapshot: None,
    };
    let (table, entries) = (state.header.l1_table_offset, state.header.l1_entries.into());
    state.header.l1_table_offset = separation.l1(change, table, entries)?;
    for (index, snapshot) in state.snapshots.iter_mut().enumerate() {
        separation.snapshot = Some(index);
        let (table, entries) = (snapshot.l1_table_offset, snapshot.l1_entries.into());
        snapshot.l1_table_offset = separation.l1(change, table, entries)?;
    }
    change.store_snapshots(state)?;
    let mut doubtful = separation.doubtful;
    doubtful.sort_by_key(|doubt| (doubt.snapshot, doubt.guest.start));
    doubtful.dedup();
    Ok(doubtful)
}

/// A walk over all tables, in which some are replaced.
struct Separation<'c> {
    geometry: Geometry,
    crossed: &'c Crossed,
    /// The first owner of each shared cluster: a part of a disk.
    owners: BTreeMap<u64, Doubt>,
    /// L2 tables that were looked at, by their L1 entries, and what replaces them.
    replaced: BTreeMap<(u64, u64), Option<HostOffset>>,
    doubtful: Vec<Doubt>,
    /// The disk that is looked at.
    snapshot: Option<usize>,
}

impl Separation<'_> {
    /// Where the L1 table is that replaces the one at `table`, which may be itself.
    fn l1<S: Store>(
        &mut self,
        change: &mut Transaction<'_, S>,
        table: HostOffset,
        entries: u64,
    ) -> Result<HostOffset, Error> {
        let view = change.view;
        let mut l1 = view.table("L1 table", table, entries)?;
        let mut is_changed = false;
        for (index, word) in (0..).zip(&mut l1) {
            let Some(entry) = l1_entry(view, table, index, *word)? else {
                continue;
            };
            let place = (entry.l2_table.0, index);
            let known = self.replaced.get(&place).copied();
            let new = match known {
                Some(new) => new,
                None => {
                    let new = self.l2(change, entry.l2_table, index)?;
                    self.replaced.insert(place, new);
                    new
                }
            };
            if let Some(l2_table) = new {
                let copied = false;
                *word = L1Entry::encode(Some(L1Entry { l2_table, copied }));
                is_changed = true;
            }
        }
        match is_changed {
            true => change.store_table("L1 table", &l1),
            false => Ok(table),
        }
    }

    /// Where the L2 table is that replaces the one at `table`, if one does.
    fn l2<S: Store>(
        &mut self,
        change: &mut Transaction<'_, S>,
        table: HostOffset,
        l1_index: u64,
    ) -> Result<Option<HostOffset>, Error> {
        let view = change.view;
        let cluster_bytes = view.cluster_bits.bytes();
        let cluster = table.0 >> view.cluster_bits.bits();
        if self.crossed.conflicts.contains(&cluster) {
            return Ok(None);
        }
        // The same table for two parts of a disk, without a refcount for that.
        let mut others = self.replaced.range((table.0, 0)..=(table.0, u64::MAX));
        let mut is_changed = self.crossed.shared.contains(&cluster) && others.next().is_some();
        let context = change.old.header.entry_context();
        let step = if self.geometry.extended_l2 { 2 } else { 1 };
        let mut words = view.table("L2 table", table, cluster_bytes / 8)?;
        for (index, entry) in (0u64..).zip(words.chunks_exact_mut(step)) {
            let (Some(first), bitmap) = (entry.first().copied(), entry.get(1).copied()) else {
                continue;
            };
            let counted = L2Words { first, bitmap }.counted(&context, index);
            let Ok(Some((named, host))) = counted else {
                continue;
            };
            let start = l1_index
                .saturating_mul(self.geometry.l2_coverage_bytes())
                .saturating_add(index.saturating_mul(cluster_bytes));
            let owner = Doubt {
                snapshot: self.snapshot,
                guest: start..start.saturating_add(cluster_bytes),
            };
            if !self.is_to_move(view.cluster_bits.bits(), named, &host, &owner) {
                continue;
            }
            let bytes = view.read_cluster("data", HostOffset(host.start))?;
            let copy = change.store("data", bytes)?;
            if let Some(word) = entry.first_mut() {
                *word = *word & !OFFSET_MASK & !COPIED | copy.0;
                is_changed = true;
            }
        }
        match is_changed {
            true => change.store("L2 table", bytes_of(&words)).map(Some),
            false => Ok(None),
        }
    }

    /// Whether what an entry names must have a copy of its own. Notes what is doubtful.
    fn is_to_move(&mut self, bits: u32, named: Named, host: &Range<u64>, owner: &Doubt) -> bool {
        let last = host.end.saturating_sub(1) >> bits;
        let mut clusters = host.start >> bits..last.saturating_add(1);
        if named == Named::Stream {
            // It stays, and what it shares its cluster with goes.
            if clusters.any(|cluster| self.crossed.conflicts.contains(&cluster)) {
                self.doubt(owner.clone());
            }
            return false;
        }
        let cluster = host.start >> bits;
        if self.crossed.conflicts.contains(&cluster) {
            self.doubt(owner.clone());
            return true;
        }
        if !self.crossed.shared.contains(&cluster) {
            return false;
        }
        match self.owners.get(&cluster).cloned() {
            // A snapshot shares it with the disk, or another snapshot.
            Some(first) if first.guest == owner.guest => false,
            Some(first) => {
                self.doubt(first);
                self.doubt(owner.clone());
                true
            }
            None => {
                self.owners.insert(cluster, owner.clone());
                false
            }
        }
    }

    fn doubt(&mut self, doubt: Doubt) {
        self.doubtful.push(doubt);
    }
}
