//! Cluster size, offsets, and the arithmetic on them that cannot fail.

use core::fmt;

use crate::Error;
use crate::limits::{FILE_OFFSET_MAX, L1_BYTES_MAX};

/// A byte offset on the disk that the guest sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestOffset(pub u64);

/// A byte offset in the image file (or in its external data file).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostOffset(pub u64);

impl fmt::Display for GuestOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for HostOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Log2 of the cluster size in bytes: 9 (512 bytes, the specification's lower
/// bound) to 21 (2 MiB, QEMU's upper one). Spec: "Header", bytes 20 to 23.
///
/// ```
/// use qcow2_format::ClusterBits;
///
/// let bits = ClusterBits::from_bytes(65_536)?;
/// assert_eq!(bits, ClusterBits::DEFAULT);
/// assert_eq!(bits.l2_coverage_bytes(), 512 << 20);
/// assert_eq!(bits.l1_entries_for((1 << 30) + 1), 3);
/// # Ok::<(), qcow2_format::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterBits(u32);

impl ClusterBits {
    /// 512 bytes.
    pub const MIN: Self = Self(9);
    /// 2 MiB.
    pub const MAX: Self = Self(21);
    /// 64 KiB, as in QEMU.
    pub const DEFAULT: Self = Self(16);
    /// The least with extended L2 entries: subclusters of 512 bytes. Spec:
    /// "Extended L2 Entries".
    pub const MIN_EXTENDED_L2: Self = Self(14);

    /// Clusters of `1 << bits` bytes.
    ///
    /// # Errors
    ///
    /// [`Error::ClusterBits`] if `bits` is not in 9 to 21.
    pub fn new(bits: u32) -> Result<Self, Error> {
        if (Self::MIN.0..=Self::MAX.0).contains(&bits) {
            Ok(Self(bits))
        } else {
            Err(Error::ClusterBits { found: bits })
        }
    }

    /// Clusters of `cluster_bytes` bytes.
    ///
    /// # Errors
    ///
    /// [`Error::ClusterBytes`] if that is not a power of two in 512 to 2 MiB.
    pub fn from_bytes(cluster_bytes: u64) -> Result<Self, Error> {
        cluster_bytes
            .is_power_of_two()
            .then(|| Self::new(cluster_bytes.trailing_zeros()).ok())
            .flatten()
            .ok_or(Error::ClusterBytes {
                found: cluster_bytes,
            })
    }

    /// Returns log2 of the cluster size.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Returns the cluster size, in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        1 << self.0
    }

    /// Returns the number of standard (8-byte) entries in an L2 table, which is one
    /// cluster.
    #[must_use]
    pub const fn l2_entries(self) -> u64 {
        self.bytes() >> 3
    }

    /// Returns how many guest bytes one L2 table of standard entries maps.
    #[must_use]
    pub const fn l2_coverage_bytes(self) -> u64 {
        1 << self.l2_coverage_bits()
    }

    #[expect(
        clippy::arithmetic_side_effects,
        reason = "9..=21 doubled, less three: 15 to 39"
    )]
    const fn l2_coverage_bits(self) -> u32 {
        self.0 * 2 - 3
    }

    /// Returns the offset of byte `at` in its cluster.
    #[must_use]
    pub const fn offset_in_cluster(self, at: u64) -> u64 {
        at & (self.bytes().wrapping_sub(1))
    }

    /// Returns whether `at` is a multiple of the cluster size.
    #[must_use]
    pub const fn is_aligned(self, at: u64) -> bool {
        self.offset_in_cluster(at) == 0
    }

    /// Returns the first cluster boundary at or after `at`; `None` if it would not fit
    /// 64 bits.
    #[must_use]
    pub fn round_up(self, at: u64) -> Option<u64> {
        at.checked_next_multiple_of(self.bytes())
    }

    /// Returns the last cluster boundary at or before `at`.
    #[must_use]
    pub const fn round_down(self, at: u64) -> u64 {
        at & !(self.bytes().wrapping_sub(1))
    }

    /// Returns how many L1 entries a disk of `size` bytes needs with standard L2 entries.
    #[must_use]
    pub fn l1_entries_for(self, size: u64) -> u64 {
        size.div_ceil(self.l2_coverage_bytes())
    }
}

impl Default for ClusterBits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Returns the size of a subcluster in bytes: a 32nd of the cluster, and at least 512 if
/// extended L2 entries are allowed.
#[must_use]
pub const fn subcluster_bytes(cluster_bits: ClusterBits) -> u64 {
    cluster_bits.bytes() >> 5
}

/// Cluster size and kind of L2 entries, which is all that mapping a guest offset needs.
///
/// ```
/// use qcow2_format::{ClusterBits, Geometry, GuestOffset};
///
/// let geometry = Geometry { cluster_bits: ClusterBits::DEFAULT, extended_l2: false };
/// let at = GuestOffset(0x2003_4567);
/// assert_eq!((geometry.l1_index(at), geometry.l2_index(at)), (1, 3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// The cluster size.
    pub cluster_bits: ClusterBits,
    /// Whether L2 entries have 16 bytes and 32 subclusters instead of 8 bytes.
    pub extended_l2: bool,
}

impl Geometry {
    /// Returns the size of an L2 entry in bytes: 8 or 16.
    #[must_use]
    pub const fn l2_entry_bytes(self) -> u64 {
        if self.extended_l2 { 16 } else { 8 }
    }

    /// Returns the unit of allocation, in guest bytes: a cluster, or with extended L2
    /// entries a subcluster.
    #[must_use]
    pub const fn unit_bytes(self) -> u64 {
        if self.extended_l2 {
            subcluster_bytes(self.cluster_bits)
        } else {
            self.cluster_bits.bytes()
        }
    }

    /// Returns the number of entries in an L2 table.
    #[must_use]
    pub const fn l2_entries(self) -> u64 {
        if self.extended_l2 {
            self.cluster_bits.l2_entries() >> 1
        } else {
            self.cluster_bits.l2_entries()
        }
    }

    /// Returns how many guest bytes one L2 table maps.
    #[must_use]
    pub const fn l2_coverage_bytes(self) -> u64 {
        if self.extended_l2 {
            self.cluster_bits.l2_coverage_bytes() >> 1
        } else {
            self.cluster_bits.l2_coverage_bytes()
        }
    }

    /// Returns the index of the L1 entry that maps `at`.
    #[must_use]
    #[expect(clippy::arithmetic_side_effects, reason = "the divisor is not zero")]
    pub const fn l1_index(self, at: GuestOffset) -> u64 {
        at.0 / self.l2_coverage_bytes()
    }

    /// Returns the index, in its L2 table, of the entry that maps `at`.
    #[must_use]
    #[expect(clippy::arithmetic_side_effects, reason = "the divisor is not zero")]
    pub const fn l2_index(self, at: GuestOffset) -> u64 {
        at.0 % self.l2_coverage_bytes() / self.cluster_bits.bytes()
    }

    /// Returns how many L1 entries a disk of `size` bytes needs.
    #[must_use]
    pub fn l1_entries_for(self, size: u64) -> u64 {
        size.div_ceil(self.l2_coverage_bytes())
    }

    /// Returns the largest disk, in bytes: what an L1 table of the largest size maps.
    #[must_use]
    pub fn size_max(self) -> u64 {
        (L1_BYTES_MAX >> 3)
            .saturating_mul(self.l2_coverage_bytes())
            .min(FILE_OFFSET_MAX)
    }
}

#[cfg(test)]
mod tests;
