//! Which images can say exactly what is in use.

use qcow2_format::subcluster::SUBCLUSTERS;
use qcow2_format::{ClusterBits, Geometry, RefcountOrder, Version};

use crate::image::layout::Layout;

/// The geometry of an image with an [exact](crate::Allocation::Exact) allocation of
/// a disk of `disk_bytes` bytes in units of `unit_bytes`, whatever of the disk is in
/// use: clusters of that size, or where tables would pass their limits, extended L2
/// entries with subclusters of that size. `None` where there is none.
///
/// ```
/// use qcow2_writer::exact_geometry;
/// use qcow2_format::RefcountOrder;
///
/// let geometry = |disk_bytes| {
///     let geometry = exact_geometry(disk_bytes, 4096, RefcountOrder::DEFAULT)?;
///     Some((geometry.cluster_bits.bytes(), geometry.extended_l2))
/// };
/// assert_eq!(geometry(7 << 40), Some((4 << 10, false)));
/// assert_eq!(geometry(16 << 40), Some((128 << 10, true)));
/// ```
#[must_use]
pub fn exact_geometry(
    disk_bytes: u64,
    unit_bytes: u64,
    refcount_order: RefcountOrder,
) -> Option<Geometry> {
    let of = |cluster_bytes, extended_l2| {
        let geometry = Geometry {
            cluster_bits: ClusterBits::from_bytes(cluster_bytes).ok()?,
            extended_l2,
        };
        let layout = Layout::new(disk_bytes, Version::V3, geometry, refcount_order).ok()?;
        let clusters = disk_bytes.div_ceil(cluster_bytes);
        layout.check(layout.l1_entries, clusters).ok()?;
        Some(geometry)
    };
    of(unit_bytes, false).or_else(|| of(unit_bytes.checked_mul(SUBCLUSTERS.into())?, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1 << 10;
    const GIB: u64 = 1 << 30;
    const TIB: u64 = 1 << 40;

    /// Size of a cluster in KiB, and whether L2 entries are extended.
    fn shape(disk_bytes: u64, unit_bytes: u64, refcount_bits: u32) -> Option<(u64, bool)> {
        let order = RefcountOrder::from_bits(refcount_bits).unwrap();
        let geometry = exact_geometry(disk_bytes, unit_bytes, order)?;
        Some((geometry.cluster_bits.bytes() / KIB, geometry.extended_l2))
    }

    #[test]
    fn small_disks_have_clusters_of_one_unit() {
        for unit in [1, 2, 4, 8, 16, 32, 64, 128, 2048] {
            assert_eq!(shape(0, unit * KIB, 16), Some((unit, false)));
            assert_eq!(shape(400 * GIB, unit * KIB, 16), Some((unit, false)));
        }
    }

    #[test]
    fn large_disks_have_subclusters() {
        // Refcounts of 16 bits count 512 GiB of clusters of 1 KiB, those of tables
        // and refcounts included.
        assert_eq!(shape(507 * GIB, KIB, 16), Some((1, false)));
        assert_eq!(shape(512 * GIB, KIB, 16), Some((32, true)));
        assert_eq!(shape(7 * TIB, 4 * KIB, 16), Some((4, false)));
        assert_eq!(shape(8 * TIB, 4 * KIB, 16), Some((128, true)));
        assert_eq!(shape(8 * TIB + 1, 4 * KIB, 16), Some((128, true)));
        assert_eq!(shape(4000 * TIB, 64 * KIB, 16), Some((2048, true)));
        // Wide refcounts count fewer clusters, narrow ones do not help the L1 table.
        assert_eq!(shape(3 * TIB, 4 * KIB, 64), Some((128, true)));
        assert_eq!(shape(8 * TIB, 4 * KIB, 1), Some((4, false)));
        assert_eq!(shape(8 * TIB + 1, 4 * KIB, 1), Some((128, true)));
    }

    #[test]
    fn the_largest_and_the_strangest_have_none() {
        assert_eq!(shape(u64::MAX, 64 * KIB, 16), None);
        // 2^22 tables that map 2 GiB each.
        assert_eq!(shape(4096 * TIB, 4 * KIB, 1), Some((128, true)));
        assert_eq!(shape(8192 * TIB + 1, 4 * KIB, 1), None);
        // Its subclusters would be in clusters of 4 MiB.
        assert_eq!(shape(64 << 50, 128 * KIB, 16), None);
        for unit in [0, 1, 256, 3 * KIB, 4096 * KIB, 1 << 60, 1 << 63] {
            assert_eq!(shape(1, unit, 16), None);
        }
    }
}
