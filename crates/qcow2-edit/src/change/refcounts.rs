//! The refcounts of an image: what is stored, and a new structure of them.

use std::collections::{BTreeMap, BTreeSet};

use blockio::{ReadAt, Store, len_u64};
use qcow2_check::Use;
use qcow2_format::limits::REFCOUNT_TABLE_BYTES_MAX;
use qcow2_format::refcount::RefcountTableEntry;
use qcow2_format::{ClusterBits, Header, HostOffset, RefcountOrder};
use qcow2_map::in_memory;

use crate::change::allocator::Allocator;
use crate::error::Error;
use crate::image::counts::Counts;
use crate::image::damage::Damage;
use crate::image::judge::Judge;
use crate::image::references::refcount_blocks;
use crate::image::state::State;
use crate::image::view::{View, WORD_BYTES};

/// The refcounts that an image has.
#[derive(Debug)]
pub(crate) struct Stored<'s, S> {
    view: View<'s, S>,
    order: RefcountOrder,
    blocks: BTreeMap<u64, HostOffset>,
    /// A block and its index.
    current: (u64, Vec<u8>),
}

impl<'s, S: ReadAt> Stored<'s, S> {
    /// Reads where the refcounts are.
    pub(crate) fn read(view: View<'s, S>, state: &State, judge: Judge) -> Result<Self, Error> {
        let mut blocks = BTreeMap::new();
        refcount_blocks(view, state, judge, |index, block| {
            blocks.insert(index, block);
            Ok(())
        })?;
        Ok(Self {
            view,
            order: state.header.refcount_order,
            blocks,
            current: (u64::MAX, Vec::new()),
        })
    }

    /// The refcount of a cluster.
    pub(crate) fn get(&mut self, cluster: u64) -> Result<u64, Error> {
        let per_block = self.order.entries_per_block(self.view.cluster_bits);
        let index = cluster.checked_div(per_block).unwrap_or(0);
        if index != self.current.0 {
            let block = self.blocks.get(&index).copied();
            let bytes = block.map(|block| self.view.read_cluster("refcount block", block));
            self.current = (index, bytes.transpose()?.unwrap_or_default());
        }
        let entry = cluster.checked_rem(per_block).unwrap_or(0);
        Ok(self.order.get(&self.current.1, entry).unwrap_or(0))
    }
}

/// Refuses an image that uses a cluster more often than its refcount says.
pub(crate) fn check<S: ReadAt>(
    view: View<'_, S>,
    state: &State,
    counts: &Counts,
) -> Result<(), Error> {
    let mut stored = Stored::read(view, state, Judge::Strict)?;
    for (cluster, count) in counts.used() {
        let refcount = stored.get(cluster)?;
        if count.times() > refcount {
            return Err(Error::Damaged(Damage::Refcount {
                host: counts.host(cluster),
                references: count.times(),
                refcount,
            }));
        }
    }
    Ok(())
}

/// A new refcount structure, which has its places.
#[derive(Debug)]
pub(crate) struct NewRefcounts {
    order: RefcountOrder,
    cluster_bits: ClusterBits,
    table: HostOffset,
    table_clusters: u64,
    blocks: BTreeMap<u64, HostOffset>,
}

impl NewRefcounts {
    /// Finds places for the refcounts of all that `counts` counts, and counts them too.
    pub(crate) fn place(
        header: &Header,
        counts: &mut Counts,
        allocator: &mut Allocator,
    ) -> Result<Self, Error> {
        let cluster_bits = header.cluster_bits;
        let mut new = Self {
            order: header.refcount_order,
            cluster_bits,
            table: HostOffset(0),
            table_clusters: 0,
            blocks: BTreeMap::new(),
        };
        let used = counts.used().map(|(cluster, _)| new.block_of(cluster));
        let mut needed: BTreeSet<u64> = used.collect();
        loop {
            let missing: Vec<u64> = needed
                .iter()
                .copied()
                .filter(|index| !new.blocks.contains_key(index))
                .collect();
            for index in &missing {
                let block = allocator.take(cluster_bits.bytes())?;
                new.count(block, 1, counts, &mut needed)?;
                new.blocks.insert(*index, block);
            }
            let entries = needed.last().map_or(0, |last| last.saturating_add(1));
            let table_bytes = entries.saturating_mul(WORD_BYTES);
            let clusters = table_bytes.div_ceil(cluster_bits.bytes());
            if clusters > new.table_clusters {
                new.move_table(clusters, counts, allocator, &mut needed)?;
            } else if missing.is_empty() {
                return Ok(new);
            }
        }
    }

    fn block_of(&self, cluster: u64) -> u64 {
        let per_block = self.order.entries_per_block(self.cluster_bits);
        cluster.checked_div(per_block).unwrap_or(0)
    }

    /// Counts `clusters` new clusters at `host`, which need refcounts too.
    fn count(
        &self,
        host: HostOffset,
        clusters: u64,
        counts: &mut Counts,
        needed: &mut BTreeSet<u64>,
    ) -> Result<(), Error> {
        let length = clusters.saturating_mul(self.cluster_bits.bytes());
        let bytes = host.0..host.0.saturating_add(length);
        counts.add(&bytes, Use::Metadata, 1)?;
        needed.extend(
            counts
                .clusters(&bytes)
                .map(|cluster| self.block_of(cluster)),
        );
        Ok(())
    }

    /// Finds a place for a table of `clusters` clusters.
    fn move_table(
        &mut self,
        clusters: u64,
        counts: &mut Counts,
        allocator: &mut Allocator,
        needed: &mut BTreeSet<u64>,
    ) -> Result<(), Error> {
        let bytes = |clusters: u64| clusters.saturating_mul(self.cluster_bits.bytes());
        if bytes(clusters) > REFCOUNT_TABLE_BYTES_MAX {
            return Err(Error::Limit {
                what: "the length of the refcount table in bytes",
                found: bytes(clusters),
                min: 0,
                max: REFCOUNT_TABLE_BYTES_MAX,
            });
        }
        if self.table_clusters > 0 {
            let old = bytes(self.table_clusters);
            counts.clear(&(self.table.0..self.table.0.saturating_add(old)))?;
            allocator.give_back(self.table, old)?;
        }
        self.table = allocator.take(bytes(clusters))?;
        self.table_clusters = clusters;
        self.count(self.table, clusters, counts, needed)
    }

    /// Writes the structure, and names it in the header.
    pub(crate) fn write<S: Store>(
        &self,
        view: View<'_, S>,
        counts: &Counts,
        header: &mut Header,
    ) -> Result<(), Error> {
        let per_block = self.order.entries_per_block(self.cluster_bits);
        let mut block = vec![0; in_memory(self.cluster_bits.bytes())];
        let mut table = vec![0; in_memory(self.table_bytes())];
        let mut used = counts.used().peekable();
        for (index, host) in &self.blocks {
            block.fill(0);
            while let Some((cluster, _)) =
                used.next_if(|(cluster, _)| self.block_of(*cluster) == *index)
            {
                let entry = cluster.checked_rem(per_block).unwrap_or(0);
                let refcount = counts.get(cluster).times();
                let set = self.order.set(&mut block, entry, refcount);
                set.map_err(|_| too_wide(self.order, counts.host(cluster), refcount))?;
            }
            view.write("refcount block", *host, &block)?;
            let at = in_memory(index.saturating_mul(WORD_BYTES));
            let entry = RefcountTableEntry(Some(*host)).encode().to_be_bytes();
            if let Some(word) = table.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
                *word = entry;
            }
        }
        view.write("refcount table", self.table, &table)?;
        header.refcount_table_offset = self.table;
        let clusters = len_u64(table.len()) >> self.cluster_bits.bits();
        header.refcount_table_clusters = u32::try_from(clusters).unwrap_or(u32::MAX);
        Ok(())
    }

    fn table_bytes(&self) -> u64 {
        self.table_clusters
            .saturating_mul(self.cluster_bits.bytes())
    }
}

/// Refuses counts that do not fit.
pub(crate) fn check_width(order: RefcountOrder, counts: &Counts) -> Result<(), Error> {
    let mut used = counts.used();
    let wide = used.find(|(cluster, _)| counts.get(*cluster).times() > order.max());
    wide.map_or(Ok(()), |(cluster, _)| {
        Err(too_wide(
            order,
            counts.host(cluster),
            counts.get(cluster).times(),
        ))
    })
}

fn too_wide(order: RefcountOrder, host: HostOffset, found: u64) -> Error {
    Error::RefcountWidth {
        host,
        found,
        bits: order.bits(),
        max: order.max(),
    }
}
