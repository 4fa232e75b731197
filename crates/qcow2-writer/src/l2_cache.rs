//! L2 tables in memory, as many as were used last.

use std::num::NonZeroUsize;

use blockio::Store;
use lru::LruCache;
use qcow2_format::{ClusterBits, EntryContext, HostOffset, L2Entry, Version};

use crate::error::Error;
use crate::output::{Gather, Output};
use crate::units::to_usize;

/// Length of an L2 entry in bytes.
const ENTRY_BYTES: usize = 8;

/// An L2 table in memory.
#[derive(Debug)]
pub(crate) struct L2Table {
    host: HostOffset,
    cluster_bits: ClusterBits,
    /// The table as it is stored: a cluster of big-endian entries.
    bytes: Vec<u8>,
    /// Whether the target does not hold these bytes yet.
    dirty: bool,
}

impl L2Table {
    fn entry(&self, index: u64) -> Option<&[u8; ENTRY_BYTES]> {
        let (entries, _) = self.bytes.as_chunks();
        entries.get(to_usize(index))
    }

    /// The host cluster of the guest cluster `index`, if it has one. None is
    /// compressed where this is asked for.
    pub(crate) fn get(&self, index: u64) -> Result<Option<HostOffset>, Error> {
        let raw = self.entry(index).map_or(0, |raw| u64::from_be_bytes(*raw));
        if raw == 0 {
            return Ok(None);
        }
        let context = EntryContext {
            cluster_bits: self.cluster_bits,
            version: Version::V3,
            external_data_file: false,
        };
        match L2Entry::decode(raw, &context, index) {
            Ok(L2Entry::Data { host, .. }) => Ok(Some(host)),
            _ => Err(Error::ChangedBelow {
                table: self.host,
                index,
                raw,
            }),
        }
    }

    /// Maps the guest cluster `index`, which is less than the number of entries.
    pub(crate) fn set(&mut self, index: u64, entry: L2Entry) {
        let entry = entry.encode(self.cluster_bits);
        let (entries, _) = self.bytes.as_chunks_mut();
        if let Some(raw) = entries.get_mut(to_usize(index)) {
            *raw = entry.to_be_bytes();
            self.dirty = true;
        }
    }
}

/// The L2 tables that were used last, by L1 index.
#[derive(Debug)]
pub(crate) struct L2Cache {
    tables: LruCache<u64, L2Table>,
    cluster_bits: ClusterBits,
}

impl L2Cache {
    /// A cache of at most `tables` tables and `bytes` bytes, but one table at least.
    pub(crate) fn new(tables: NonZeroUsize, bytes: u64, cluster_bits: ClusterBits) -> Self {
        let fitting = NonZeroUsize::new(to_usize(bytes / cluster_bits.bytes()));
        Self {
            tables: LruCache::new(tables.min(fitting.unwrap_or(NonZeroUsize::MIN))),
            cluster_bits,
        }
    }

    /// The table of entry `l1_index`, which is at `host`: an empty one where it
    /// `is_new`, else what was written there before.
    pub(crate) fn get<T: Store + ?Sized>(
        &mut self,
        l1_index: u64,
        host: HostOffset,
        is_new: bool,
        output: &Output<'_, T>,
    ) -> Result<&mut L2Table, Error> {
        let full = self.tables.len() >= self.tables.cap().get();
        let spare = if full && !self.tables.contains(&l1_index) {
            self.evict(output)?
        } else {
            Vec::new()
        };
        let cluster_bits = self.cluster_bits;
        self.tables.try_get_or_insert_mut(l1_index, || {
            let mut bytes = spare;
            bytes.clear();
            bytes.resize(to_usize(cluster_bits.bytes()), 0);
            if !is_new {
                output.read_back(host, &mut bytes)?;
            }
            Ok(L2Table {
                host,
                cluster_bits,
                bytes,
                dirty: is_new,
            })
        })
    }

    /// Drops the table that was not used for the longest time; its memory can
    /// be used again.
    ///
    /// Where it must be written, all are, so that neighbours are written at
    /// once. A table is not written more often for that: the others are clean
    /// then, and all must be changed before the next such round.
    fn evict<T: Store + ?Sized>(&mut self, output: &Output<'_, T>) -> Result<Vec<u8>, Error> {
        if self.tables.peek_lru().is_some_and(|(_, table)| table.dirty) {
            self.flush(output)?;
        }
        let evicted = self.tables.pop_lru();
        Ok(evicted.map(|(_, table)| table.bytes).unwrap_or_default())
    }

    /// Writes every table the target does not hold yet, in the order of their places.
    pub(crate) fn flush<T: Store + ?Sized>(&mut self, output: &Output<'_, T>) -> Result<(), Error> {
        let mut dirty: Vec<&mut L2Table> = self
            .tables
            .iter_mut()
            .map(|(_, table)| table)
            .filter(|table| table.dirty)
            .collect();
        dirty.sort_unstable_by_key(|table| table.host);
        let mut gather = Gather::new(*output, "an L2 table");
        for table in &dirty {
            gather.write(table.host, &table.bytes)?;
        }
        gather.flush()?;
        for table in dirty {
            table.dirty = false;
        }
        Ok(())
    }
}
