//! What an image may need, found out before anything is written.

use blockio::{Extent, ExtentKind, len_u64};
use qcow2_format::GuestOffset;

use crate::error::Error;
use crate::image::layout::Layout;
use crate::units::to_usize;

/// The most that an image of a disk can need.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The L2 tables, by their indexes in the L1 table.
    pub(crate) tables: IndexSet,
    /// Guest clusters that hold data.
    pub(crate) data_clusters: u64,
    /// Bytes that must be read.
    pub(crate) data_bytes: u64,
}

impl Plan {
    /// The plan for a disk whose `extents`, which ascend, must be stored.
    pub(crate) fn new(
        extents: impl Iterator<Item = Result<Extent, Error>>,
        layout: &Layout,
    ) -> Result<Self, Error> {
        let (bits, geometry) = (layout.cluster_bits, layout.geometry());
        let mut plan = Self {
            tables: IndexSet::new(layout.l1_entries),
            data_clusters: 0,
            data_bytes: 0,
        };
        // The first cluster and the first table that no range before touched.
        let (mut next_cluster, mut next_table) = (0, 0);
        for extent in extents {
            let extent = extent?;
            let range = extent.range();
            if extent.kind == ExtentKind::Data {
                plan.data_bytes += extent.length;
                let cluster = (range.start >> bits.bits()).max(next_cluster);
                next_cluster = range.end.div_ceil(bits.bytes());
                plan.data_clusters += next_cluster - cluster;
            }
            let table = geometry.l1_index(GuestOffset(range.start)).max(next_table);
            next_table = geometry.l1_entries_for(range.end);
            for index in table..next_table {
                plan.tables.insert(index);
            }
        }
        Ok(plan)
    }
}

/// A set of indexes, in a bit each.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IndexSet {
    words: Vec<u64>,
    count: u64,
}

impl IndexSet {
    /// An empty set of indexes below `end`.
    fn new(end: u64) -> Self {
        Self {
            words: vec![0; to_usize(end.div_ceil(64))],
            count: 0,
        }
    }

    /// Adds `index`, which is not in the set.
    fn insert(&mut self, index: u64) {
        if let Some(word) = self.words.get_mut(to_usize(index / 64)) {
            *word |= 1 << (index % 64);
            self.count += 1;
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// All of them, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> {
        let words = self
            .words
            .iter()
            .enumerate()
            .filter(|(_, word)| **word != 0);
        words.flat_map(|(index, &word)| {
            let first = len_u64(index) * 64;
            (0..64)
                .filter(move |bit| word >> bit & 1 != 0)
                .map(move |bit| first + bit)
        })
    }
}

#[cfg(test)]
mod tests;
