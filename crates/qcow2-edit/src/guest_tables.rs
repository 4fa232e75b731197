//! The tables of the disk, changed in copies.

use std::collections::BTreeMap;
use std::ops::Range;

use blockio::Store;
use qcow2_format::{Geometry, GuestOffset, HostOffset, L1Entry, L2Words};
use qcow2_map::in_memory;

use crate::change::transaction::Transaction;
use crate::error::Error;
use crate::image::references::l1_entry;
use crate::image::state::State;
use crate::image::view::bytes_of;

/// The zero flag of a standard entry.
const ZERO: u64 = 1;

/// Both halves of the second word of an extended entry: all subclusters read as zeros.
const ALL_ZERO: u64 = 0xffff_ffff_0000_0000;

/// The L1 table of the disk, and copies of the L2 tables that change.
#[derive(Debug)]
pub(crate) struct GuestTables {
    geometry: Geometry,
    l1: Vec<u64>,
    old_l1: Vec<u64>,
    /// L2 tables that changed, by index, as words.
    changed: BTreeMap<u64, Vec<u64>>,
}

impl GuestTables {
    pub(crate) fn read<S: Store>(change: &Transaction<'_, S>) -> Result<Self, Error> {
        let l1 = change.active_l1()?;
        Ok(Self {
            geometry: change.old.header.geometry(),
            old_l1: l1.clone(),
            l1,
            changed: BTreeMap::new(),
        })
    }

    /// Words of an L2 entry.
    fn entry_words(&self) -> usize {
        if self.geometry.extended_l2 { 2 } else { 1 }
    }

    fn cluster_bytes(&self) -> u64 {
        self.geometry.cluster_bits.bytes()
    }

    /// A copy of an L2 table, to be changed; `None` if there is none.
    fn table<S: Store>(
        &mut self,
        change: &Transaction<'_, S>,
        index: u64,
    ) -> Result<Option<&mut Vec<u64>>, Error> {
        if !self.changed.contains_key(&index) {
            let raw = self.l1.get(in_memory(index)).copied().unwrap_or(0);
            let l1 = change.old.header.l1_table_offset;
            let Some(entry) = l1_entry(change.view, l1, index, raw)? else {
                return Ok(None);
            };
            let entries = self.cluster_bytes() / 8;
            let words = change.view.table("L2 table", entry.l2_table, entries)?;
            self.changed.insert(index, words);
        }
        Ok(self.changed.get_mut(&index))
    }

    /// The L2 entry of the cluster with guest byte `guest`.
    pub(crate) fn entry<S: Store>(
        &mut self,
        change: &Transaction<'_, S>,
        guest: u64,
    ) -> Result<L2Words, Error> {
        let (words, extended) = (self.entry_words(), self.geometry.extended_l2);
        let at = in_memory(self.geometry.l2_index(GuestOffset(guest))).saturating_mul(words);
        let index = self.geometry.l1_index(GuestOffset(guest));
        let table = self.table(change, index)?;
        let word = |at: usize| {
            let table = table.as_deref();
            table.and_then(|table| table.get(at)).copied().unwrap_or(0)
        };
        Ok(L2Words {
            first: word(at),
            bitmap: extended.then(|| word(at.saturating_add(1))),
        })
    }

    /// Changes the L2 entry of the cluster with guest byte `guest`.
    pub(crate) fn set_entry<S: Store>(
        &mut self,
        change: &Transaction<'_, S>,
        guest: u64,
        entry: L2Words,
    ) -> Result<(), Error> {
        let at = in_memory(self.geometry.l2_index(GuestOffset(guest)));
        let at = at.saturating_mul(self.entry_words());
        let index = self.geometry.l1_index(GuestOffset(guest));
        if self.table(change, index)?.is_none() {
            let empty = vec![0; in_memory(self.cluster_bytes() / 8)];
            self.changed.insert(index, empty);
        }
        let words = std::iter::once(entry.first).chain(entry.bitmap);
        if let Some(table) = self.changed.get_mut(&index) {
            for (word, new) in table.iter_mut().skip(at).zip(words) {
                *word = new;
            }
        }
        Ok(())
    }

    /// Forgets all clusters that begin at guest byte `end` or after.
    pub(crate) fn cut<S: Store>(
        &mut self,
        change: &mut Transaction<'_, S>,
        end: u64,
    ) -> Result<(), Error> {
        let kept = in_memory(self.geometry.l1_entries_for(end));
        for entry in self.l1.iter_mut().skip(kept) {
            *entry = 0;
        }
        let Some(last) = end.checked_sub(1).map(GuestOffset) else {
            return Ok(());
        };
        let index = self.geometry.l1_index(last);
        let kept = in_memory(self.geometry.l2_index(last).saturating_add(1));
        let kept = kept.saturating_mul(self.entry_words());
        let Some(table) = self.table(change, index)? else {
            return Ok(());
        };
        let rest = table.get_mut(kept..).unwrap_or_default();
        if rest.iter().all(|word| *word == 0) {
            // As it is stored.
            self.changed.remove(&index);
        } else {
            rest.fill(0);
        }
        Ok(())
    }

    /// Forgets all clusters.
    pub(crate) fn clear(&mut self) {
        self.l1.fill(0);
        self.changed.clear();
    }

    /// Makes the L1 table as long as a disk of `size` bytes needs it.
    pub(crate) fn resize(&mut self, size: u64) {
        let entries = self.geometry.l1_entries_for(size).max(1);
        self.l1.resize(in_memory(entries), 0);
    }

    /// Marks the clusters as zeros that lie in `guest` from their first byte on.
    pub(crate) fn fill_zeros<S: Store>(
        &mut self,
        change: &mut Transaction<'_, S>,
        guest: Range<u64>,
    ) -> Result<(), Error> {
        let (first, bitmap) = match self.geometry.extended_l2 {
            true => (0, Some(ALL_ZERO)),
            false => (ZERO, None),
        };
        let bits = self.geometry.cluster_bits;
        let mut at = bits.round_up(guest.start).unwrap_or(u64::MAX);
        while at < guest.end {
            let index = self.geometry.l1_index(GuestOffset(at));
            let coverage = self.geometry.l2_coverage_bytes();
            let table_end = index.saturating_add(1).saturating_mul(coverage);
            while at < guest.end.min(table_end) {
                self.set_entry(change, at, L2Words { first, bitmap })?;
                at = at.saturating_add(bits.bytes());
            }
            // Large ranges do not stay in memory.
            self.store_table(change, index)?;
        }
        Ok(())
    }

    /// Writes an L2 table that changed.
    pub(crate) fn store_table<S: Store>(
        &mut self,
        change: &mut Transaction<'_, S>,
        index: u64,
    ) -> Result<(), Error> {
        let Some(table) = self.changed.remove(&index) else {
            return Ok(());
        };
        let l2_table = change.store("L2 table", bytes_of(&table))?;
        // The flag is set when the refcount is known.
        let copied = false;
        if let Some(entry) = self.l1.get_mut(in_memory(index)) {
            *entry = L1Entry::encode(Some(L1Entry { l2_table, copied }));
        }
        Ok(())
    }

    /// Writes what changed, and names it in the header.
    pub(crate) fn store<S: Store>(
        mut self,
        change: &mut Transaction<'_, S>,
        new: &mut State,
    ) -> Result<(), Error> {
        let changed: Vec<u64> = self.changed.keys().copied().collect();
        for index in changed {
            self.store_table(change, index)?;
        }
        if self.l1 == self.old_l1 {
            return Ok(());
        }
        let table: HostOffset = change.store_table("L1 table", &self.l1)?;
        new.header.l1_table_offset = table;
        new.header.l1_entries = u32::try_from(self.l1.len()).unwrap_or(u32::MAX);
        Ok(())
    }
}
