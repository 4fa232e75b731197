//! A walk over everything that refers to host clusters, as often as it is needed.

use std::num::NonZeroUsize;
use std::ops::Range;

use blockio::{ReadAt, is_zero};
use pipeline::{BufferPool, PooledBuffer, available_threads, ordered_map};
use qcow2_format::entry::OFFSET_MASK;
use qcow2_format::{Header, HostOffset};
use qcow2_map::{Structure, in_memory};

use crate::error::Error;
use crate::parts::Nothing;

use super::fault::{DiskId, Entry, Owner};
use super::roots::{L1, Roots, cluster_of, entries};

/// L1 entries that are looked at once: of L2 tables that several of them share, one is
/// read.
const TABLES_AT_ONCE: usize = 1 << 18;

/// Bytes of L2 tables that a thread reads at a time: one table at least.
const LOT_BYTES: u64 = 256 << 10;

/// So many lots are read by one thread: to start others takes longer.
const LOTS_ALONE: usize = 4;

const THREADS_MAX: NonZeroUsize = NonZeroUsize::new(4).unwrap();

/// An L2 table that L1 entries refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TableUse {
    pub(crate) host: u64,
    /// The first of the disks that use it.
    pub(crate) disk: DiskId,
    /// The first of the L1 entries of that disk.
    pub(crate) l1_index: u32,
    pub(crate) disk_bytes: u64,
    /// How often it is used.
    pub(crate) times: u32,
    /// How often of these by the active disk.
    pub(crate) active: u32,
}

/// An L2 table that was read. Bytes after the end of the file are zeros.
pub(crate) struct Table<'t> {
    pub(crate) used: TableUse,
    /// None if the table is a hole of the file.
    pub(crate) bytes: &'t [u8],
}

/// Sees all that refers to host clusters.
pub(crate) trait Visitor: Send {
    /// A reference to metadata that is no L2 table.
    fn place(&mut self, owner: &Owner) -> Result<(), Error>;

    /// An entry of an L1 table that is not zero.
    fn l1_entry(&mut self, l1: &L1, entry: Entry) -> Result<(), Error>;

    /// An L2 table that is in the file.
    fn table(&mut self, table: &Table<'_>) -> Result<(), Error>;
}

/// Walks over an image.
pub(crate) struct Walker<'w, S> {
    pub(crate) storage: &'w S,
    pub(crate) header: &'w Header,
    pub(crate) roots: &'w Roots,
    pub(crate) nothing: &'w Nothing<'w>,
}

/// L2 tables that were read, one after the other.
struct Lot<'l> {
    used: &'l [TableUse],
    /// Which of them are holes of the file.
    are_holes: Vec<bool>,
    bytes: PooledBuffer<'l>,
}

impl<S: ReadAt> Walker<'_, S> {
    /// Shows everything to `visitor`.
    pub(crate) fn walk(&self, visitor: &mut impl Visitor) -> Result<(), Error> {
        for owner in &self.roots.places {
            visitor.place(owner)?;
        }
        self.tables(visitor)?;
        self.bitmaps(visitor)?;
        self.blocks(visitor)
    }

    /// Shows the L1 entries and L2 tables.
    pub(crate) fn tables(&self, visitor: &mut impl Visitor) -> Result<(), Error> {
        let mut tables = Vec::new();
        for l1 in &self.roots.l1_tables {
            let mut result = Ok(());
            let structure = Structure::L1Table;
            entries(self.storage, self.nothing, structure, &l1.bytes, |entry| {
                if result.is_err() {
                    return;
                }
                result = visitor.l1_entry(l1, entry);
                tables.extend(self.table_use(l1, entry));
                if tables.len() >= TABLES_AT_ONCE && result.is_ok() {
                    result = self.read_tables(&mut tables, visitor);
                }
            })?;
            result?;
        }
        self.read_tables(&mut tables, visitor)
    }

    /// The table that an L1 entry names, if it is in the file.
    fn table_use(&self, l1: &L1, entry: Entry) -> Option<TableUse> {
        let host = entry.raw & OFFSET_MASK;
        let is_there = host != 0 && host < self.storage.size();
        let is_aligned = self.header.cluster_bits.is_aligned(host);
        (is_there && is_aligned).then(|| TableUse {
            host,
            disk: l1.disk,
            l1_index: u32::try_from(entry.index).unwrap_or(u32::MAX),
            disk_bytes: l1.disk_bytes,
            times: 1,
            active: u32::from(l1.disk == DiskId::Active),
        })
    }

    /// Reads L2 tables, shows them, and forgets them.
    fn read_tables(
        &self,
        tables: &mut Vec<TableUse>,
        visitor: &mut impl Visitor,
    ) -> Result<(), Error> {
        tables.sort_unstable();
        tables.dedup_by(|next, kept| {
            let same = next.host == kept.host;
            if same {
                kept.times = kept.times.saturating_add(next.times);
                kept.active = kept.active.saturating_add(next.active);
            }
            same
        });
        let cluster_bytes = self.header.cluster_bits.bytes();
        let at_once = in_memory((LOT_BYTES / cluster_bytes).max(1));
        let lots = tables.chunks(at_once);
        let threads = match lots.len() <= LOTS_ALONE {
            true => NonZeroUsize::MIN,
            false => available_threads().min(THREADS_MAX),
        };
        let pool = BufferPool::new();
        let read = ordered_map(
            threads,
            lots.map(Ok),
            |used| self.read_lot(used, &pool),
            |lot: Lot<'_>| {
                let bytes = lot.bytes.chunks_exact(in_memory(cluster_bytes));
                let tables = lot.used.iter().zip(&lot.are_holes).zip(bytes);
                for ((used, is_hole), bytes) in tables {
                    let bytes = if *is_hole { &[] } else { bytes };
                    visitor.table(&Table { used: *used, bytes })?;
                }
                Ok(())
            },
        );
        tables.clear();
        read
    }

    /// Reads L2 tables: those that lie side by side at once, and no holes.
    fn read_lot<'l>(&self, used: &'l [TableUse], pool: &'l BufferPool) -> Result<Lot<'l>, Error> {
        let cluster_bytes = self.header.cluster_bits.bytes();
        let length = in_memory(cluster_bytes).saturating_mul(used.len());
        let mut bytes = pool.take(length);
        let mut are_holes = Vec::with_capacity(used.len());
        let mut rest = &mut *bytes;
        let follows = |first: &TableUse, next: &TableUse| {
            first.host.saturating_add(cluster_bytes) == next.host
        };
        for run in used.chunk_by(follows) {
            let length = in_memory(cluster_bytes).saturating_mul(run.len());
            let (part, behind) = rest.split_at_mut(length.min(rest.len()));
            rest = behind;
            let is_hole = self.read_run(run.first().map_or(0, |table| table.host), part)?;
            are_holes.extend(run.iter().map(|_| is_hole));
        }
        Ok(Lot {
            used,
            are_holes,
            bytes,
        })
    }

    /// Reads the bytes at `host`; those after the end of the file are zeros. Returns
    /// whether there is nothing but a hole, of which no bytes are made.
    fn read_run(&self, host: u64, bytes: &mut [u8]) -> Result<bool, Error> {
        let end = host.saturating_add(blockio::len_u64(bytes.len()));
        if self.nothing.is_hole(self.storage, &(host..end)) {
            return Ok(true);
        }
        let there = self.storage.size().saturating_sub(host);
        let there = in_memory(there).min(bytes.len());
        let (part, missing) = bytes.split_at_mut(there);
        missing.fill(0);
        self.storage
            .read_at(host, part)
            .map_err(|source| qcow2_map::Error::Read {
                structure: Structure::L2Table,
                host: HostOffset(host),
                source,
            })?;
        if is_zero(part) {
            self.nothing.read_zeros(blockio::len_u64(part.len()));
        }
        Ok(false)
    }

    /// Shows the clusters of bitmaps.
    fn bitmaps(&self, visitor: &mut impl Visitor) -> Result<(), Error> {
        let cluster_bits = self.header.cluster_bits;
        for table in &self.roots.bitmap_tables {
            let mut result = Ok(());
            let structure = Structure::BitmapTable;
            entries(self.storage, self.nothing, structure, table, |entry| {
                let host = entry.raw & OFFSET_MASK;
                if host != 0 && result.is_ok() {
                    let owner = cluster_of(Structure::Bitmap, host, cluster_bits, entry);
                    result = visitor.place(&owner);
                }
            })?;
            result?;
        }
        Ok(())
    }

    /// Shows the refcount blocks.
    fn blocks(&self, visitor: &mut impl Visitor) -> Result<(), Error> {
        let table = self.header.refcount_table_offset.0;
        for (index, block) in (0..).zip(&self.roots.blocks) {
            if *block != 0 {
                let entry = Entry {
                    table: Structure::RefcountTable,
                    index,
                    host: table.saturating_add(index.saturating_mul(8)),
                    raw: *block,
                };
                let structure = Structure::RefcountBlock;
                let owner = cluster_of(structure, *block, self.header.cluster_bits, entry);
                visitor.place(&owner)?;
            }
        }
        Ok(())
    }
}

/// The guest bytes that entry `l1_index` of an L1 table maps.
pub(crate) fn coverage(header: &Header, l1_index: u64) -> Range<u64> {
    let bytes = header.geometry().l2_coverage_bytes();
    let start = l1_index.saturating_mul(bytes);
    start..start.saturating_add(bytes)
}
