//! A disk in an image: where its L1 table is, and how long it is.

use qcow2_format::snapshot::Snapshot;
use qcow2_format::{Geometry, Header, HostOffset};

use crate::Error;
use crate::lookup::table_cache::WORD_BYTES;

/// A disk in an image: the active one, or that of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedDisk {
    /// Where its L1 table is.
    pub l1_host: HostOffset,
    /// Entries of its L1 table, at most 32 MiB of them.
    l1_entries: u64,
    /// Its length in bytes. What no L1 entry maps is unallocated.
    pub size: u64,
}

impl MappedDisk {
    /// The active disk.
    #[must_use]
    pub fn active(header: &Header) -> Self {
        Self {
            l1_host: header.l1_table_offset,
            l1_entries: header.l1_entries.into(),
            size: header.exact_size().unwrap_or(header.size),
        }
    }

    /// The disk of `snapshot`, entry `index` of the snapshot table.
    pub fn of_snapshot(header: &Header, snapshot: &Snapshot, index: u64) -> Result<Self, Error> {
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
    #[must_use]
    pub fn l1_bytes(&self, geometry: Geometry) -> u64 {
        let l1_entries = geometry.l1_entries_for(self.size);
        l1_entries.min(self.l1_entries).saturating_mul(WORD_BYTES)
    }
}
