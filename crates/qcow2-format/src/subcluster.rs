//! Extended (16-byte) L2 entries: clusters in 32 parts. Spec: "Extended L2
//! Entries".

use core::ops::Range;

use crate::entry::{COMPRESSED, COPIED, CompressedDescriptor, copied_bit, offset_bits};
pub use crate::geometry::subcluster_bytes;
use crate::{ClusterBits, EntryContext, Error, HostOffset};

/// Subclusters of one cluster.
pub const SUBCLUSTERS: u32 = 32;

/// Bits 0 to 8 and 56 to 61: extended entries have no zero flag.
const RESERVED: u64 = 0x3f00_0000_0000_01ff;

/// What one subcluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subcluster {
    /// Nothing is stored: the backing file's bytes, or zeros without one.
    Unallocated,
    /// Reads as zeros.
    Zero,
    /// Stored in the host cluster, at the same position as in the guest cluster.
    Data,
}

/// The state of all subclusters of a cluster. None is both allocated and zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubclusterBitmap {
    allocated: u32,
    zero: u32,
}

impl SubclusterBitmap {
    /// Creates the state from two bitmaps; `None` if a bit is set in both.
    ///
    /// Subcluster `i` is allocated if bit `i` of `allocated` is set, and reads as zeros
    /// if bit `i` of `zero` is.
    #[must_use]
    pub const fn new(allocated: u32, zero: u32) -> Option<Self> {
        if allocated & zero == 0 {
            Some(Self { allocated, zero })
        } else {
            None
        }
    }

    /// Returns the subclusters with data, bit by bit.
    #[must_use]
    pub const fn allocated(self) -> u32 {
        self.allocated
    }

    /// Returns the subclusters that read as zeros, bit by bit.
    #[must_use]
    pub const fn zero(self) -> u32 {
        self.zero
    }

    /// Returns subcluster `index`. Those from [`SUBCLUSTERS`] on are unallocated.
    #[must_use]
    pub fn get(self, index: u32) -> Subcluster {
        let bit = 1u32.checked_shl(index).unwrap_or(0);
        if self.allocated & bit != 0 {
            Subcluster::Data
        } else if self.zero & bit != 0 {
            Subcluster::Zero
        } else {
            Subcluster::Unallocated
        }
    }

    /// Returns the maximal runs of equal subclusters, which tile 0 to [`SUBCLUSTERS`].
    ///
    /// ```
    /// use qcow2_format::subcluster::{Subcluster, SubclusterBitmap};
    ///
    /// let map = SubclusterBitmap::new(0b11, 0xff00_0000).ok_or("both")?;
    /// let runs: Vec<_> = map.runs().collect();
    /// assert_eq!(runs, [
    ///     (0..2, Subcluster::Data),
    ///     (2..24, Subcluster::Unallocated),
    ///     (24..32, Subcluster::Zero),
    /// ]);
    /// # Ok::<(), &str>(())
    /// ```
    pub fn runs(self) -> impl Iterator<Item = (Range<u32>, Subcluster)> {
        let mut start = 0;
        core::iter::from_fn(move || {
            let state = (start < SUBCLUSTERS).then(|| self.get(start))?;
            let end = (start..SUBCLUSTERS)
                .find(|&index| self.get(index) != state)
                .unwrap_or(SUBCLUSTERS);
            let run = start..end;
            start = end;
            Some((run, state))
        })
    }
}

/// An extended L2 entry, which maps one guest cluster and its subclusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtendedL2Entry {
    /// A cluster in 32 parts.
    Standard {
        /// The host cluster, aligned; without one, no subcluster has data.
        host: Option<HostOffset>,
        /// Whether the refcount of that cluster is exactly one.
        copied: bool,
        /// What each subcluster is.
        subclusters: SubclusterBitmap,
    },
    /// A compressed cluster.
    Compressed(CompressedDescriptor),
}

impl ExtendedL2Entry {
    /// Decodes entry `index` of an L2 table of extended entries: `raw` is its
    /// first word, `bitmap` its second. Reserved bits are ignored; see
    /// [`Self::reserved_bits`].
    ///
    /// # Errors
    ///
    /// [`Error::UnalignedEntry`], [`Error::CopiedWithoutOffset`],
    /// [`Error::CompressedWithDataFile`], [`Error::CompressedEntryOffset`],
    /// [`Error::SubclustersBoth`], or [`Error::SubclustersWithoutHost`].
    pub fn decode(
        raw: u64,
        bitmap: u64,
        context: &EntryContext,
        index: u64,
    ) -> Result<Self, Error> {
        if raw & COMPRESSED != 0 {
            return context.compressed(raw, index).map(Self::Compressed);
        }
        let host = context.host(raw, index)?;
        let (allocated, zero) = halves(bitmap);
        let subclusters = SubclusterBitmap::new(allocated, zero).ok_or(Error::SubclustersBoth {
            index,
            both: allocated & zero,
        })?;
        if host.is_none() && allocated != 0 {
            return Err(Error::SubclustersWithoutHost { index, allocated });
        }
        Ok(Self::Standard {
            host,
            copied: raw & COPIED != 0,
            subclusters,
        })
    }

    /// Returns the two words of the entry.
    #[must_use]
    pub fn encode(self, cluster_bits: ClusterBits) -> (u64, u64) {
        match self {
            Self::Standard {
                host,
                copied,
                subclusters: SubclusterBitmap { allocated, zero },
            } => (
                host.map_or(0, offset_bits) | copied_bit(copied),
                u64::from(zero) << 32 | u64::from(allocated),
            ),
            Self::Compressed(descriptor) => (descriptor.encode(cluster_bits), 0),
        }
    }

    /// Returns the reserved bits that are set: bits 0 to 8 and 56 to 61 of the first
    /// word of a standard entry; bit 63 and the whole second word of a compressed one.
    #[must_use]
    pub const fn reserved_bits(raw: u64, bitmap: u64) -> (u64, u64) {
        if raw & COMPRESSED == 0 {
            (raw & RESERVED, 0)
        } else {
            (raw & COPIED, bitmap)
        }
    }
}

/// Returns the lower and the upper 32 bits.
fn halves(bitmap: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = bitmap.to_be_bytes();
    (
        u32::from_be_bytes([e, f, g, h]),
        u32::from_be_bytes([a, b, c, d]),
    )
}

#[cfg(test)]
mod tests;
