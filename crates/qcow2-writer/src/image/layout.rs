//! Where things go in an image, and whether they fit. Pure arithmetic.

use std::ops::Range;

use qcow2_format::limits::{HOST_OFFSET_END, L1_BYTES_MAX, REFCOUNT_TABLE_BYTES_MAX};
use qcow2_format::{ClusterBits, Geometry, HostOffset, RefcountOrder, Version};

use crate::error::Unrepresentable;
use crate::units::to_u32;

/// Length of an entry of the L1 table and of the refcount table in bytes.
const TABLE_ENTRY_BYTES: u64 = 8;

/// What the header counts the disk's length in, in bytes.
const SECTOR_BYTES: u64 = 512;

/// Rounds that [`RefcountArea::place`] may take. The blocks that a round adds
/// are at most a 64th of the clusters the round before added, so 64-bit cluster
/// counts settle in 12.
const PLACE_ROUNDS_MAX: u32 = 32;

/// The shape of an image and the place of what comes first in it:
/// `header | L1 table | everything else`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) cluster_bits: ClusterBits,
    /// Size of what is allocated by itself: of a subcluster with extended L2
    /// entries, else of a cluster.
    pub(crate) unit_bits: ClusterBits,
    pub(crate) extended_l2: bool,
    pub(crate) refcount_order: RefcountOrder,
    /// Exact length of the disk in bytes.
    pub(crate) size: u64,
    /// Entries of the L1 table, at least one.
    pub(crate) l1_entries: u64,
}

impl Layout {
    /// The layout of an image for a disk of `size` bytes.
    pub(crate) fn new(
        size: u64,
        version: Version,
        geometry: Geometry,
        refcount_order: RefcountOrder,
    ) -> Result<Self, Unrepresentable> {
        let Geometry {
            cluster_bits,
            extended_l2,
        } = geometry;
        if extended_l2 && version == Version::V2 {
            return Err(Unrepresentable::ExtendedL2Version);
        }
        let Ok(unit_bits) = ClusterBits::from_bytes(geometry.unit_bytes()) else {
            return Err(Unrepresentable::ExtendedL2Clusters {
                cluster_bytes: cluster_bits.bytes(),
                cluster_bytes_min: ClusterBits::MIN_EXTENDED_L2.bytes(),
            });
        };
        if version == Version::V2 && refcount_order != RefcountOrder::DEFAULT {
            return Err(Unrepresentable::RefcountWidth {
                bits: refcount_order.bits(),
            });
        }
        let layout = Self {
            cluster_bits,
            unit_bits,
            extended_l2,
            refcount_order,
            size,
            l1_entries: l1_entries(size, geometry),
        };
        if layout.l1_bytes() > L1_BYTES_MAX {
            return Err(Unrepresentable::L1Table {
                size,
                cluster_bytes: cluster_bits.bytes(),
                l1_bytes: layout.l1_bytes(),
                l1_bytes_max: L1_BYTES_MAX,
                smallest_cluster_bytes: larger_clusters(cluster_bits)
                    .find(|&bits| layout.with_clusters(bits).l1_bytes() <= L1_BYTES_MAX)
                    .map(ClusterBits::bytes),
            });
        }
        Ok(layout)
    }

    /// Length of the disk as the header states it, in bytes.
    pub(crate) fn header_size(&self) -> u64 {
        self.size.next_multiple_of(SECTOR_BYTES)
    }

    /// The arithmetic on guest offsets.
    pub(crate) fn geometry(&self) -> Geometry {
        Geometry {
            cluster_bits: self.cluster_bits,
            extended_l2: self.extended_l2,
        }
    }

    /// The part within the disk of the cluster that begins at `guest`.
    pub(crate) fn cluster(&self, guest: u64) -> Range<u64> {
        guest..self.size.min(guest + self.cluster_bits.bytes())
    }

    /// The units that the bytes `guest` of one cluster lie in, bit by bit from the
    /// first of the cluster on.
    pub(crate) fn units(&self, guest: &Range<u64>) -> u32 {
        if !self.extended_l2 {
            return 1;
        }
        let cluster = self.cluster_bits.round_down(guest.start);
        let below = |units| 1u32.checked_shl(units).map_or(u32::MAX, |bit| bit - 1);
        let start = to_u32((guest.start - cluster) >> self.unit_bits.bits());
        let end = to_u32((guest.end - cluster).div_ceil(self.unit_bits.bytes()));
        below(end) & !below(start)
    }

    pub(crate) fn host_offset(&self, cluster: u64) -> HostOffset {
        HostOffset(cluster << self.cluster_bits.bits())
    }

    pub(crate) fn l1_offset(&self) -> HostOffset {
        self.host_offset(1)
    }

    fn l1_bytes(&self) -> u64 {
        self.l1_entries * TABLE_ENTRY_BYTES
    }

    /// Clusters of the header and the L1 table.
    pub(crate) fn front_clusters(&self) -> u64 {
        1 + self.l1_bytes().div_ceil(self.cluster_bits.bytes())
    }

    /// Whether an image may hold `tables` L2 tables and `data_clusters` beside
    /// header and L1 table, and refcounts for them all.
    pub(crate) fn check(&self, tables: u64, data_clusters: u64) -> Result<(), Unrepresentable> {
        let allocated = self.front_clusters() + tables + data_clusters;
        if allocated <= self.allocated_max() {
            return Ok(());
        }
        Err(self.too_many(tables, data_clusters))
    }

    /// The error for so many L2 tables and data clusters, which are too many.
    pub(crate) fn too_many(&self, tables: u64, data_clusters: u64) -> Unrepresentable {
        // Neither grow in number when clusters grow in size.
        let smallest_cluster_bytes = larger_clusters(self.cluster_bits)
            .find(|&bits| {
                let larger = self.with_clusters(bits);
                let tables = tables.min(larger.l1_entries);
                let data = data_clusters.min(self.size.div_ceil(bits.bytes()));
                larger.front_clusters() + tables + data <= larger.allocated_max()
            })
            .map(ClusterBits::bytes);
        let clusters = self.front_clusters() + tables + data_clusters;
        let cluster_bytes = self.cluster_bits.bytes();
        let clusters_max = self.allocated_max();
        if self.countable_clusters() < self.addressable_clusters() {
            Unrepresentable::RefcountTable {
                clusters,
                clusters_max,
                cluster_bytes,
                table_bytes_max: REFCOUNT_TABLE_BYTES_MAX,
                smallest_cluster_bytes,
            }
        } else {
            Unrepresentable::HostOffset {
                clusters,
                clusters_max,
                cluster_bytes,
                end_max: HOST_OFFSET_END,
                smallest_cluster_bytes,
            }
        }
    }

    /// The most clusters that may be allocated beside the refcounts.
    pub(crate) fn allocated_max(&self) -> u64 {
        let clusters = self.countable_clusters().min(self.addressable_clusters());
        let blocks = clusters.div_ceil(self.entries_per_block());
        let table = (blocks * TABLE_ENTRY_BYTES).div_ceil(self.cluster_bits.bytes());
        clusters.saturating_sub(blocks + table)
    }

    /// Clusters that the largest refcount table counts.
    fn countable_clusters(&self) -> u64 {
        REFCOUNT_TABLE_BYTES_MAX / TABLE_ENTRY_BYTES * self.entries_per_block()
    }

    /// Clusters that lie below the end of all host offsets.
    fn addressable_clusters(&self) -> u64 {
        HOST_OFFSET_END >> self.cluster_bits.bits()
    }

    /// Clusters that a refcount block counts.
    pub(crate) fn entries_per_block(&self) -> u64 {
        self.refcount_order.entries_per_block(self.cluster_bits)
    }

    fn with_clusters(&self, cluster_bits: ClusterBits) -> Self {
        let larger = Self {
            cluster_bits,
            ..*self
        };
        Self {
            l1_entries: l1_entries(self.size, larger.geometry()),
            ..larger
        }
    }
}

/// Entries of the L1 table of a disk of `size` bytes: one at least, because
/// `qemu-img check` takes the cluster of an empty table for a leak.
fn l1_entries(size: u64, geometry: Geometry) -> u64 {
    geometry.l1_entries_for(size).max(1)
}

fn larger_clusters(than: ClusterBits) -> impl Iterator<Item = ClusterBits> {
    (than.bits() + 1..=ClusterBits::MAX.bits()).filter_map(|bits| ClusterBits::new(bits).ok())
}

/// Where the refcounts go: blocks, then the table, both after everything else.
/// All in clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RefcountArea {
    /// The first refcount block.
    pub(crate) first_block: u64,
    /// The first cluster of the refcount table.
    pub(crate) table: u64,
    /// Clusters of the refcount table, at least one.
    pub(crate) table_clusters: u64,
    /// Entries of the refcount table that are needed.
    pub(crate) table_entries: u64,
    /// The end of the image.
    pub(crate) end: u64,
}

impl RefcountArea {
    /// Places refcounts after `allocated` clusters. They count themselves too,
    /// so this looks for the smallest area that is large enough for itself.
    /// `needless_blocks` count only allocated clusters that are not used; the
    /// table has no block for them. `None` where the counts leave 64 bits.
    pub(crate) fn place(allocated: u64, needless_blocks: u64, layout: &Layout) -> Option<Self> {
        let mut end = allocated;
        for _ in 0..PLACE_ROUNDS_MAX {
            let table_entries = end.div_ceil(layout.entries_per_block());
            let blocks = table_entries.checked_sub(needless_blocks)?;
            let table_clusters = table_entries
                .checked_mul(TABLE_ENTRY_BYTES)?
                .div_ceil(layout.cluster_bits.bytes());
            let table = allocated.checked_add(blocks)?;
            let settled = end;
            end = table.checked_add(table_clusters)?;
            if end == settled {
                return Some(Self {
                    first_block: allocated,
                    table,
                    table_clusters,
                    table_entries,
                    end,
                });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
