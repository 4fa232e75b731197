//! The L1 table, and a bounded cache of L2 tables.

use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blockio::{ReadAt, len_u64};
use lru::LruCache;
use qcow2_format::snapshot::Snapshot;
use qcow2_format::{EntryContext, Geometry, GuestOffset, Header, HostOffset, L1Entry};

use crate::l2::Words;
use crate::layer::Files;
use crate::places::{Codec, Places};
use crate::{Error, Structure};

/// Bytes of an entry of an L1 table.
const L1_ENTRY_BYTES: u64 = 8;

/// A table of 64-bit words, as stored. Entries are decoded when used: most of
/// a large table is never looked at.
#[derive(Debug)]
pub(crate) struct Table(Vec<u8>);

impl Table {
    fn read<S: ReadAt + ?Sized>(
        storage: &S,
        structure: Structure,
        host: HostOffset,
        bytes: u64,
    ) -> Result<Self, Error> {
        let read = || {
            let length = usize::try_from(bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
            let mut table = vec![0; length];
            // A table of no entries may be anywhere.
            if length > 0 {
                storage.read_at(host.0, &mut table)?;
            }
            Ok(Self(table))
        };
        read().map_err(|source| Error::Read {
            structure,
            host,
            source,
        })
    }

    /// As much of a table as can be read.
    fn salvage<S: ReadAt + ?Sized>(storage: &S, host: HostOffset, bytes: u64) -> Self {
        Self::read(storage, Structure::L1Table, host, bytes).unwrap_or(Self(Vec::new()))
    }

    /// Bytes that were read.
    fn bytes(&self) -> u64 {
        len_u64(self.0.len())
    }

    /// Word `index`; zero, which maps nothing, behind the last that was read.
    fn word(&self, index: u64) -> u64 {
        let (words, _) = self.0.as_chunks::<8>();
        usize::try_from(index)
            .ok()
            .and_then(|index| words.get(index))
            .map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}

/// An L2 table, and where it is stored.
#[derive(Clone, Debug)]
pub(crate) struct L2Table {
    pub(crate) host: HostOffset,
    entries: Arc<Table>,
    extended: bool,
}

impl L2Table {
    /// Whether entry `index` was read: a table of a salvaged image may be cut.
    pub(crate) fn has(&self, index: u64) -> bool {
        let entry_bytes = if self.extended { 16 } else { 8 };
        let end = index.saturating_add(1).saturating_mul(entry_bytes);
        end <= self.entries.bytes()
    }

    /// Entry `index`.
    pub(crate) fn entry(&self, index: u64) -> Words {
        if !self.extended {
            return Words {
                first: self.entries.word(index),
                bitmap: None,
            };
        }
        let first = index.saturating_mul(2);
        Words {
            first: self.entries.word(first),
            bitmap: Some(self.entries.word(first.saturating_add(1))),
        }
    }
}

/// A disk in an image: the active one, or that of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MappedDisk {
    pub(crate) l1_host: HostOffset,
    /// Entries of its L1 table, at most 32 MiB of them.
    l1_entries: u64,
    /// Its length in bytes. What no L1 entry maps is unallocated.
    pub(crate) size: u64,
}

impl MappedDisk {
    /// The active disk.
    pub(crate) fn active(header: &Header) -> Self {
        Self {
            l1_host: header.l1_table_offset,
            l1_entries: header.l1_entries.into(),
            size: header.exact_size().unwrap_or(header.size),
        }
    }

    /// The disk of `snapshot`, entry `index` of the snapshot table.
    pub(crate) fn of_snapshot(
        header: &Header,
        snapshot: &Snapshot,
        index: u64,
    ) -> Result<Self, Error> {
        let wrong = |source| Error::SnapshotTable {
            table: header.snapshots_offset,
            source,
        };
        snapshot
            .check_l1(header.cluster_bits, index)
            .map_err(wrong)?;
        let size = snapshot.disk_size;
        let size = size.unwrap_or(Self::active(header).size);
        let max = header.geometry().size_max();
        if size > max {
            return Err(Error::SnapshotSize {
                index,
                found: size,
                max,
            });
        }
        Ok(Self {
            l1_host: snapshot.l1_table_offset,
            l1_entries: snapshot.l1_entries.into(),
            size,
        })
    }

    /// Bytes of the L1 table that are in use.
    pub(crate) fn l1_bytes(&self, geometry: Geometry) -> u64 {
        let l1_entries = geometry.l1_entries_for(self.size);
        l1_entries
            .min(self.l1_entries)
            .saturating_mul(L1_ENTRY_BYTES)
    }
}

/// All that is needed to look up where guest bytes are.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) geometry: Geometry,
    /// What the meaning of an L2 entry depends on.
    pub(crate) context: EntryContext,
    /// What compressed clusters give.
    pub(crate) codec: Codec,
    /// Where things may be.
    pub(crate) places: Places,
    /// Which files they are in.
    pub(crate) files: Files,
    /// Length of the external data file, if there is one.
    data_file_bytes: Option<u64>,
    /// Bytes of the disk.
    size: u64,
    l1_host: HostOffset,
    /// Bytes of the L1 table in use, whether they are there or not.
    l1_bytes: u64,
    l1: Table,
    /// L2 tables by L1 index. Not by host offset: of a table that is shared, the
    /// last L1 entry may need less.
    cache: Mutex<LruCache<u64, L2Table>>,
}

impl Tables {
    /// Reads the L1 table of `disk`. The tables are in `storage`, of which
    /// `cache_bytes` are kept, and all else at its place in `places`.
    pub(crate) fn open<S: ReadAt + ?Sized>(
        storage: &S,
        places: Places,
        header: &Header,
        disk: &MappedDisk,
        cache_bytes: u64,
    ) -> Result<Self, Error> {
        let geometry = header.geometry();
        let (l1_host, size) = (disk.l1_host, disk.size);
        let l1_entries = geometry.l1_entries_for(size);
        let l1_bytes = disk.l1_bytes(geometry);
        let l1 = if places.salvage {
            Table::salvage(storage, l1_host, places.there(l1_host, l1_bytes))
        } else {
            places.check(Structure::L1Table, 0..size, l1_host, l1_bytes)?;
            Table::read(storage, Structure::L1Table, l1_host, l1_bytes)?
        };
        let cached = cache_bytes / geometry.cluster_bits.bytes();
        let cached = usize::try_from(cached.min(l1_entries)).unwrap_or(usize::MAX);
        Ok(Self {
            geometry,
            context: header.entry_context(),
            codec: Codec::of(header),
            places,
            files: Files { image: 0, data: 0 },
            data_file_bytes: None,
            size,
            l1_host,
            l1_bytes,
            l1,
            cache: Mutex::new(LruCache::new(
                NonZeroUsize::new(cached).unwrap_or(NonZeroUsize::MIN),
            )),
        })
    }

    /// From now on things are in `files`, and plain clusters in a file of
    /// `data_file_bytes` bytes, if that is not the image.
    pub(crate) fn set_files(&mut self, files: Files, data_file_bytes: Option<u64>) {
        self.files = files;
        self.data_file_bytes = data_file_bytes;
    }

    /// How many of the plain bytes for `guest` at `host` are there.
    pub(crate) fn data_there(&self, guest: &Range<u64>, host: HostOffset) -> u64 {
        let bytes = guest.end.saturating_sub(guest.start);
        match self.data_file_bytes {
            None => self.places.there(host, bytes),
            Some(_) if host.0 != guest.start => 0,
            Some(file_bytes) => file_bytes.saturating_sub(host.0).min(bytes),
        }
    }

    /// Refuses plain bytes for `guest` at `host` that cannot be there.
    pub(crate) fn check_data(&self, guest: &Range<u64>, host: HostOffset) -> Result<(), Error> {
        let bytes = guest.end.saturating_sub(guest.start);
        let Some(file_bytes) = self.data_file_bytes else {
            return self
                .places
                .check(Structure::Data, guest.clone(), host, bytes);
        };
        if host.0 != guest.start {
            return Err(Error::DataFileOffset {
                guest: GuestOffset(guest.start),
                host,
            });
        }
        if guest.end > file_bytes {
            return Err(Error::Truncated {
                structure: Structure::DataFile,
                guest: guest.clone(),
                host,
                end: guest.end,
                file_bytes,
            });
        }
        Ok(())
    }

    /// The guest bytes that L1 entry `l1_index` maps.
    pub(crate) fn l1_coverage(&self, l1_index: u64) -> Range<u64> {
        let coverage_bytes = self.geometry.l2_coverage_bytes();
        let start = l1_index.saturating_mul(coverage_bytes);
        start..start.saturating_add(coverage_bytes).min(self.size)
    }

    /// Entries of the L1 table that are in use.
    pub(crate) fn l1_entries(&self) -> u64 {
        self.geometry.l1_entries_for(self.size)
    }

    /// Where the L2 table is that L1 entry `l1_index` names, and how many bytes
    /// of it are in use; `None` where all that the entry maps is unallocated.
    pub(crate) fn l2_place(&self, l1_index: u64) -> Result<Option<(HostOffset, u64)>, Error> {
        let raw = self.l1.word(l1_index);
        if raw == 0 {
            return match self.l1_is_lost(l1_index) {
                false => Ok(None),
                true => Err(self.places.truncated(
                    Structure::L1Table,
                    self.l1_coverage(l1_index),
                    self.l1_host,
                    self.l1_bytes,
                )),
            };
        }
        let guest = self.l1_coverage(l1_index);
        let entry =
            L1Entry::decode(raw, self.geometry.cluster_bits, l1_index).map_err(|source| {
                Error::L1Entry {
                    table: self.l1_host,
                    guest: GuestOffset(guest.start),
                    source,
                }
            })?;
        let Some(L1Entry { l2_table: host, .. }) = entry else {
            return Ok(None);
        };
        // The entries in use: the file may end behind them.
        let bytes = guest
            .end
            .saturating_sub(guest.start)
            .div_ceil(self.geometry.cluster_bits.bytes())
            .saturating_mul(self.geometry.l2_entry_bytes());
        if !self.places.salvage || self.places.there(host, bytes) == 0 {
            self.places.check(Structure::L2Table, guest, host, bytes)?;
        }
        Ok(Some((host, bytes)))
    }

    /// Whether an L1 entry in use was not read.
    fn l1_is_lost(&self, l1_index: u64) -> bool {
        let end = l1_index.saturating_add(1).saturating_mul(L1_ENTRY_BYTES);
        end <= self.l1_bytes && end > self.l1.bytes()
    }

    /// The L2 table that L1 entry `l1_index` names, or `None` where it names
    /// none and all it maps is unallocated.
    pub(crate) fn l2<S: ReadAt + ?Sized>(
        &self,
        storage: &S,
        l1_index: u64,
    ) -> Result<Option<L2Table>, Error> {
        if let Some(table) = self.cache().get(&l1_index) {
            return Ok(Some(table.clone()));
        }
        let Some((host, bytes)) = self.l2_place(l1_index)? else {
            return Ok(None);
        };
        // Not under the lock: a slow read must not stop the readers that have
        // their table. Two that miss the same one at once both read it.
        // What of it is there, where an image is salvaged.
        let there = self.places.there(host, bytes);
        let entries = Arc::new(Table::read(storage, Structure::L2Table, host, there)?);
        let table = L2Table {
            host,
            entries,
            extended: self.geometry.extended_l2,
        };
        self.cache().put(l1_index, table.clone());
        Ok(Some(table))
    }

    fn cache(&self) -> MutexGuard<'_, LruCache<u64, L2Table>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
