//! The stored refcounts, wherever they are looked up.

use std::io;
use std::ops::Range;

use blockio::{ReadAt, len_u64};
use qcow2_format::{ClusterBits, Header, HostOffset, RefcountOrder};
use qcow2_map::{Structure, in_memory};

use crate::error::Error;

/// The refcount blocks of an image.
pub(crate) struct Stored<'s, S> {
    storage: &'s S,
    cluster_bits: ClusterBits,
    order: RefcountOrder,
    /// Host offset of each block, zero if there is none.
    blocks: Vec<u64>,
    buffer: Vec<u8>,
}

impl<'s, S: ReadAt> Stored<'s, S> {
    pub(crate) fn new(storage: &'s S, header: &Header, mut blocks: Vec<u64>) -> Self {
        let used = blocks.iter().rposition(|block| *block != 0);
        blocks.truncate(used.map_or(0, |last| last.saturating_add(1)));
        Self {
            storage,
            cluster_bits: header.cluster_bits,
            order: header.refcount_order,
            blocks,
            buffer: Vec::new(),
        }
    }

    /// Host offset of each block, zero if there is none.
    pub(crate) fn blocks(&self) -> &[u64] {
        &self.blocks
    }

    /// How many clusters a block counts.
    pub(crate) fn block_clusters(&self) -> u64 {
        self.order.entries_per_block(self.cluster_bits)
    }

    /// Index of the block that counts `cluster`, and of the refcount in it.
    fn place(&self, cluster: u64) -> (u64, u64) {
        // A power of two.
        let entries = self.block_clusters();
        (
            cluster >> entries.trailing_zeros(),
            cluster & entries.saturating_sub(1),
        )
    }

    fn block(&self, index: u64) -> Option<u64> {
        let index = usize::try_from(index).ok()?;
        let block = self.blocks.get(index).copied();
        block.filter(|block| *block != 0)
    }

    /// Whether a refcount block counts `cluster`.
    pub(crate) fn is_covered(&self, cluster: u64) -> bool {
        self.block(self.place(cluster).0).is_some()
    }

    /// Reads the refcounts of the clusters from `first` on.
    ///
    /// # Errors
    ///
    /// Where a block cannot be read.
    pub(crate) fn load(&mut self, first: u64, refcounts: &mut [u64]) -> io::Result<()> {
        let mut rest = refcounts;
        let mut at = first;
        while !rest.is_empty() {
            let (block, entry) = self.place(at);
            let left = self.block_clusters().saturating_sub(entry);
            let count = in_memory(left).clamp(1, rest.len());
            let (part, behind) = rest.split_at_mut(count);
            rest = behind;
            at = at.saturating_add(len_u64(count));
            match self.block(block) {
                None => part.fill(0),
                Some(host) => self.read(host, entry, part)?,
            }
        }
        Ok(())
    }

    /// Reads refcounts of the block at `host`, from entry `first` on.
    fn read(&mut self, host: u64, first: u64, refcounts: &mut [u64]) -> io::Result<()> {
        let bits = u64::from(self.order.bits());
        // The first entry of a byte.
        let start = first & !(8u64.checked_div(bits).unwrap_or(1).max(1)).wrapping_sub(1);
        let end = first.saturating_add(len_u64(refcounts.len()));
        let byte = |entry: u64| entry.saturating_mul(bits) >> 3;
        let length = end
            .saturating_mul(bits)
            .div_ceil(8)
            .saturating_sub(byte(start));
        let at = host.saturating_add(byte(start));
        let there = self.storage.size().saturating_sub(at).min(length);
        self.buffer.clear();
        self.buffer.resize(in_memory(length), 0);
        let part = self.buffer.get_mut(..in_memory(there)).unwrap_or_default();
        self.storage.read_at(at, part)?;
        if self.buffer.iter().all(|byte| *byte == 0) {
            refcounts.fill(0);
            return Ok(());
        }
        for (entry, refcount) in (first.saturating_sub(start)..).zip(refcounts) {
            *refcount = self.order.get(&self.buffer, entry).unwrap_or(0);
        }
        Ok(())
    }

    /// The refcount of a cluster.
    ///
    /// # Errors
    ///
    /// Where it cannot be read.
    pub(crate) fn get(&mut self, cluster: u64) -> Result<u64, Error> {
        let mut refcount = [0];
        self.load(cluster, &mut refcount)
            .map_err(|source| self.unreadable(cluster, source))?;
        let [refcount] = refcount;
        Ok(refcount)
    }

    /// The error that the refcounts from that of `cluster` on cannot be read.
    pub(crate) fn unreadable(&self, cluster: u64, source: io::Error) -> Error {
        let host = self.block(self.place(cluster).0).unwrap_or(0);
        qcow2_map::Error::Read {
            structure: Structure::RefcountBlock,
            host: HostOffset(host),
            source,
        }
        .into()
    }

    /// The first cluster from `cluster` on that a block counts, if there is one.
    pub(crate) fn next_covered(&self, cluster: u64) -> Option<u64> {
        let (index, _) = self.place(cluster);
        let first = usize::try_from(index).ok()?;
        let rest = self.blocks.get(first..)?;
        let found = rest.iter().position(|block| *block != 0)?;
        let block = index.saturating_add(blockio::len_u64(found));
        Some(self.clusters_of(block).start.max(cluster))
    }

    /// The clusters that block `index` counts.
    pub(crate) fn clusters_of(&self, index: u64) -> Range<u64> {
        let start = index.saturating_mul(self.block_clusters());
        start..start.saturating_add(self.block_clusters())
    }
}
