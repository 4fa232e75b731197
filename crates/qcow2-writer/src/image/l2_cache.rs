//! L2 tables in memory, as many as were used last.

use std::num::NonZeroUsize;
use std::ops::Range;

use blockio::Store;
use lru::LruCache;
use qcow2_format::{Geometry, HostOffset};

use crate::error::Error;
use crate::image::cluster::{Cluster, Mapping, never_written};
use crate::image::file::{Gather, ImageFile};
use crate::units::to_usize;

/// An L2 table in memory.
#[derive(Debug)]
pub(crate) struct L2Table {
    host: HostOffset,
    geometry: Geometry,
    /// The table as it is stored: a cluster of big-endian entries.
    bytes: Vec<u8>,
    /// Whether the target does not hold these bytes yet.
    dirty: bool,
}

impl L2Table {
    /// The entry of guest cluster `index`, which is less than the number of entries.
    pub(crate) fn entry(&mut self, index: u64) -> Entry<'_> {
        Entry { table: self, index }
    }
}

/// What an L2 table in memory says of one guest cluster.
#[derive(Debug)]
pub(crate) struct Entry<'t> {
    table: &'t mut L2Table,
    index: u64,
}

impl Entry<'_> {
    /// Where in the table it is.
    fn range(&self) -> Range<usize> {
        let entry_bytes = to_usize(self.table.geometry.l2_entry_bytes());
        let start = to_usize(self.index).saturating_mul(entry_bytes);
        start..start.saturating_add(entry_bytes)
    }

    /// The guest cluster. None is compressed where this is asked for.
    pub(crate) fn get(&self) -> Result<Cluster, Error> {
        let L2Table {
            bytes,
            geometry,
            host,
            ..
        } = &*self.table;
        let entry = bytes.get(self.range()).unwrap_or_default();
        // Most entries are looked at once, before anything is in them.
        if entry.as_chunks().0.iter().all(|word| *word == [0; 8]) {
            return Ok(Cluster::default());
        }
        match Mapping::decode(entry, *geometry, self.index) {
            Some(Mapping::Cluster(cluster)) => Ok(cluster),
            Some(Mapping::Compressed(_)) | None => Err(never_written(entry, *host, self.index)),
        }
    }

    /// Maps the guest cluster.
    pub(crate) fn set(&mut self, mapping: Mapping) {
        let (raw, bitmap) = mapping.encode(self.table.geometry);
        let range = self.range();
        let Some(entry) = self.table.bytes.get_mut(range) else {
            return;
        };
        for (word, new) in entry.as_chunks_mut().0.iter_mut().zip([raw, bitmap]) {
            *word = new.to_be_bytes();
        }
        self.table.dirty = true;
    }
}

/// The L2 tables that were used last, by L1 index.
#[derive(Debug)]
pub(crate) struct L2Cache {
    tables: LruCache<u64, L2Table>,
    geometry: Geometry,
}

impl L2Cache {
    /// A cache of at most `tables` tables and `bytes` bytes, but one table at least.
    pub(crate) fn new(tables: NonZeroUsize, bytes: u64, geometry: Geometry) -> Self {
        let fitting = NonZeroUsize::new(to_usize(bytes / geometry.cluster_bits.bytes()));
        Self {
            tables: LruCache::new(tables.min(fitting.unwrap_or(NonZeroUsize::MIN))),
            geometry,
        }
    }

    /// The table of entry `l1_index`, which is at `host`: an empty one where it
    /// `is_new`, else what was written there before.
    pub(crate) fn get<T: Store>(
        &mut self,
        l1_index: u64,
        host: HostOffset,
        is_new: bool,
        file: &ImageFile<T>,
    ) -> Result<&mut L2Table, Error> {
        let full = self.tables.len() >= self.tables.cap().get();
        let spare = if full && !self.tables.contains(&l1_index) {
            self.evict(file)?
        } else {
            Vec::new()
        };
        let geometry = self.geometry;
        self.tables.try_get_or_insert_mut(l1_index, || {
            let mut bytes = spare;
            bytes.clear();
            bytes.resize(to_usize(geometry.cluster_bits.bytes()), 0);
            if !is_new {
                file.read_back(host, &mut bytes)?;
            }
            Ok(L2Table {
                host,
                geometry,
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
    fn evict<T: Store>(&mut self, file: &ImageFile<T>) -> Result<Vec<u8>, Error> {
        if self.tables.peek_lru().is_some_and(|(_, table)| table.dirty) {
            self.flush(file)?;
        }
        let evicted = self.tables.pop_lru();
        Ok(evicted.map(|(_, table)| table.bytes).unwrap_or_default())
    }

    /// Writes every table the target does not hold yet, in the order of their places.
    pub(crate) fn flush<T: Store>(&mut self, file: &ImageFile<T>) -> Result<(), Error> {
        let mut dirty: Vec<&mut L2Table> = self
            .tables
            .iter_mut()
            .map(|(_, table)| table)
            .filter(|table| table.dirty)
            .collect();
        dirty.sort_unstable_by_key(|table| table.host);
        let mut gather = Gather::new("an L2 table");
        for table in &dirty {
            gather.write(table.host, &table.bytes, file)?;
        }
        gather.flush(file)?;
        for table in dirty {
            table.dirty = false;
        }
        Ok(())
    }
}
