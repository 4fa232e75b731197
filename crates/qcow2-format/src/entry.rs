//! L1 and L2 entries, which map guest clusters to host clusters.

pub(crate) mod words;

use crate::header::Version;
use crate::limits::HOST_OFFSET_END;
use crate::rule::aligned;
use crate::{ClusterBits, Error, HostOffset};

/// Bits 9 to 55: the host offset in L1 entries and in standard L2 entries.
pub const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
/// Bit 63 of an L1 or standard L2 entry: the refcount is exactly one.
pub const COPIED: u64 = 1 << 63;
/// Bit 62 of an L2 entry: the cluster is compressed.
pub const COMPRESSED: u64 = 1 << 62;
const ZERO: u64 = 1 << 0;
const L1_RESERVED: u64 = 0x7f00_0000_0000_01ff;
const L2_RESERVED: u64 = 0x3f00_0000_0000_01fe;
const SECTOR_BYTES: u64 = 512;

/// Properties of an image that determine the meaning of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryContext {
    /// The cluster size.
    pub cluster_bits: ClusterBits,
    /// The version; version 2 has no zero flag.
    pub version: Version,
    /// Whether guest data is in another file, where offset 0 is a cluster like
    /// any other and nothing is compressed.
    pub external_data_file: bool,
}

impl EntryContext {
    /// Returns the host offset in `raw`, aligned; zero if there is none.
    pub(crate) fn aligned(&self, raw: u64, index: u64) -> Result<HostOffset, Error> {
        aligned(raw & OFFSET_MASK, self.cluster_bits, "L2 table", index)
    }

    /// Returns the host offset of a standard entry, if it has one.
    pub(crate) fn host(&self, raw: u64, index: u64) -> Result<Option<HostOffset>, Error> {
        let host = self.aligned(raw, index)?;
        if self.external_data_file && raw & COPIED != 0 {
            return Ok(Some(host));
        }
        somewhere(host, raw, "L2 table", index)
    }

    /// Returns the descriptor of a compressed entry.
    pub(crate) fn compressed(&self, raw: u64, index: u64) -> Result<CompressedDescriptor, Error> {
        if self.external_data_file {
            return Err(Error::CompressedWithDataFile { index });
        }
        CompressedDescriptor::decode(raw, self.cluster_bits, index)
    }
}

/// Returns `host` if it is not zero. An entry that is marked as having a refcount of one
/// but has no host offset is refused: its offset was lost.
fn somewhere(
    host: HostOffset,
    raw: u64,
    table: &'static str,
    index: u64,
) -> Result<Option<HostOffset>, Error> {
    if host.0 == 0 && raw & COPIED != 0 {
        return Err(Error::CopiedWithoutOffset {
            table,
            index,
            found: raw,
        });
    }
    Ok((host.0 != 0).then_some(host))
}

/// Returns the bits of `host` in an entry. A writer never allocates at other offsets.
pub(crate) fn offset_bits(host: HostOffset) -> u64 {
    debug_assert_eq!(
        host.0 & !OFFSET_MASK,
        0,
        "host offset {host} cannot be stored"
    );
    host.0 & OFFSET_MASK
}

pub(crate) fn copied_bit(copied: bool) -> u64 {
    if copied { COPIED } else { 0 }
}

/// An L1 entry that points to an L2 table. Spec: "Cluster mapping", "L1 table
/// entry".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct L1Entry {
    /// Where the L2 table is: cluster aligned, below
    /// [`HOST_OFFSET_END`], not zero.
    pub l2_table: HostOffset,
    /// Whether the refcount of the L2 table is exactly one.
    pub copied: bool,
}

impl L1Entry {
    /// Decodes entry `index` of an L1 table; `None` if nothing is allocated.
    /// Reserved bits are ignored, as by QEMU; see [`Self::reserved_bits`].
    ///
    /// # Errors
    ///
    /// [`Error::UnalignedEntry`] if the offset is not cluster aligned,
    /// [`Error::CopiedWithoutOffset`].
    pub fn decode(raw: u64, cluster_bits: ClusterBits, index: u64) -> Result<Option<Self>, Error> {
        let l2_table = aligned(raw & OFFSET_MASK, cluster_bits, "L1 table", index)?;
        let l2_table = somewhere(l2_table, raw, "L1 table", index)?;
        Ok(l2_table.map(|l2_table| Self {
            l2_table,
            copied: raw & COPIED != 0,
        }))
    }

    /// Returns the bits of `entry`.
    #[must_use]
    pub fn encode(entry: Option<Self>) -> u64 {
        entry.map_or(0, |entry| {
            offset_bits(entry.l2_table) | copied_bit(entry.copied)
        })
    }

    /// Returns the reserved bits that are set: bits 0 to 8 and 56 to 62.
    #[must_use]
    pub const fn reserved_bits(raw: u64) -> u64 {
        raw & L1_RESERVED
    }
}

/// A standard (8-byte) L2 entry: where one guest cluster is. Spec: "Cluster
/// mapping", "L2 table entry".
///
/// ```
/// use qcow2_format::{ClusterBits, EntryContext, HostOffset, L2Entry, Version};
///
/// let context = EntryContext {
///     cluster_bits: ClusterBits::DEFAULT,
///     version: Version::V3,
///     external_data_file: false,
/// };
/// let entry = L2Entry::decode(0x8000_0000_0005_0000, &context, 0)?;
/// assert_eq!(entry, L2Entry::Data { host: HostOffset(0x5_0000), copied: true });
/// assert_eq!(entry.encode(context.cluster_bits), 0x8000_0000_0005_0000);
/// # Ok::<(), qcow2_format::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum L2Entry {
    /// Nothing is stored: the backing file's bytes, or zeros without one.
    Unallocated,
    /// Reads as zeros.
    Zero {
        /// A host cluster kept for later writes; its bytes do not matter.
        host: Option<HostOffset>,
        /// Whether the refcount of that cluster is exactly one.
        copied: bool,
    },
    /// The bytes of a host cluster.
    Data {
        /// Where the cluster is: cluster aligned, below [`HOST_OFFSET_END`].
        host: HostOffset,
        /// Whether its refcount is exactly one.
        copied: bool,
    },
    /// A compressed cluster.
    Compressed(CompressedDescriptor),
}

impl L2Entry {
    /// Decodes entry `index` of an L2 table of standard entries. Reserved bits
    /// are ignored, as by QEMU; see [`Self::reserved_bits`].
    ///
    /// # Errors
    ///
    /// [`Error::UnalignedEntry`], [`Error::CopiedWithoutOffset`],
    /// [`Error::ZeroFlagInVersion2`], [`Error::CompressedWithDataFile`], or [`Error::CompressedEntryOffset`].
    pub fn decode(raw: u64, context: &EntryContext, index: u64) -> Result<Self, Error> {
        if raw & COMPRESSED != 0 {
            return context.compressed(raw, index).map(Self::Compressed);
        }
        let copied = raw & COPIED != 0;
        if raw & ZERO != 0 {
            if context.version == Version::V2 {
                return Err(Error::ZeroFlagInVersion2 { index });
            }
            let host = context.aligned(raw, index)?;
            return Ok(Self::Zero {
                host: (host.0 != 0).then_some(host),
                copied,
            });
        }
        Ok(context
            .host(raw, index)?
            .map_or(Self::Unallocated, |host| Self::Data { host, copied }))
    }

    /// Returns the bits of the entry.
    #[must_use]
    pub fn encode(self, cluster_bits: ClusterBits) -> u64 {
        match self {
            Self::Unallocated => 0,
            Self::Zero { host, copied } => host.map_or(0, offset_bits) | copied_bit(copied) | ZERO,
            Self::Data { host, copied } => offset_bits(host) | copied_bit(copied),
            Self::Compressed(descriptor) => descriptor.encode(cluster_bits),
        }
    }

    /// Returns the reserved bits that are set: bits 1 to 8 and 56 to 61 of a standard
    /// entry; bit 63, which must be clear, of a compressed one.
    #[must_use]
    pub const fn reserved_bits(raw: u64) -> u64 {
        if raw & COMPRESSED == 0 {
            raw & L2_RESERVED
        } else {
            raw & COPIED
        }
    }
}

/// The location of a compressed cluster. Spec: "Cluster mapping", "Compressed Clusters
/// Descriptor".
///
/// ```
/// use qcow2_format::entry::CompressedDescriptor;
/// use qcow2_format::{ClusterBits, HostOffset};
///
/// let packed = CompressedDescriptor::for_stream(HostOffset(0x5_01f0), 20, ClusterBits::DEFAULT)?;
/// assert_eq!(packed.sectors, 2, "sixteen bytes in one sector, four in the next");
/// assert_eq!(packed.bytes_max(), 528);
/// # Ok::<(), qcow2_format::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CompressedDescriptor {
    /// First byte of the compressed data; not aligned.
    pub host: HostOffset,
    /// 512-byte sectors that the data touches, including the one it starts in: 1 to `1 << (cluster_bits - 8)`.
    pub sectors: u32,
}

impl CompressedDescriptor {
    /// Returns the position of the sector count. Spec: `x = 62 - (cluster_bits - 8)`.
    #[expect(clippy::arithmetic_side_effects, reason = "cluster_bits is 9 to 21")]
    const fn sectors_shift(cluster_bits: ClusterBits) -> u32 {
        70 - cluster_bits.bits()
    }

    /// Returns the largest sector count that a descriptor can hold.
    #[expect(clippy::arithmetic_side_effects, reason = "cluster_bits is 9 to 21")]
    const fn sectors_max(cluster_bits: ClusterBits) -> u32 {
        1 << (cluster_bits.bits() - 8)
    }

    /// Returns the first host offset that a descriptor cannot hold: `1 << (70 - cluster_bits)`,
    /// or [`HOST_OFFSET_END`] if that is less.
    #[must_use]
    pub fn host_end(cluster_bits: ClusterBits) -> HostOffset {
        let field_end = 1u64 << Self::sectors_shift(cluster_bits);
        HostOffset(field_end.min(HOST_OFFSET_END))
    }

    fn decode(raw: u64, cluster_bits: ClusterBits, index: u64) -> Result<Self, Error> {
        let shift = Self::sectors_shift(cluster_bits);
        let host = raw & !(u64::MAX << shift);
        let end = Self::host_end(cluster_bits).0;
        if host >= end {
            return Err(Error::CompressedEntryOffset {
                index,
                found: host,
                end,
            });
        }
        let sectors_mask = u64::from(Self::sectors_max(cluster_bits)).saturating_sub(1);
        let additional = raw >> shift & sectors_mask;
        Ok(Self {
            host: HostOffset(host),
            sectors: u32::try_from(additional)
                .unwrap_or(u32::MAX)
                .saturating_add(1),
        })
    }

    pub(crate) fn encode(self, cluster_bits: ClusterBits) -> u64 {
        debug_assert!(self.host < Self::host_end(cluster_bits));
        debug_assert!((1..=Self::sectors_max(cluster_bits)).contains(&self.sectors));
        let shift = Self::sectors_shift(cluster_bits);
        let additional = u64::from(self.sectors.saturating_sub(1));
        COMPRESSED | additional << shift | self.host.0 & !(u64::MAX << shift)
    }

    /// Returns the length from the start of the data to the end of its last sector: at
    /// least the length of the data, and at most twice the cluster size.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        u64::from(self.sectors)
            .saturating_mul(SECTOR_BYTES)
            .saturating_sub(self.host.0 % SECTOR_BYTES)
    }

    /// Returns the descriptor of a stream of `stream_bytes` bytes at `host`.
    ///
    /// # Errors
    ///
    /// [`Error::CompressedOffset`] if `host` is not below
    /// [`Self::host_end`], [`Error::CompressedLength`] if the stream is
    /// empty or touches more sectors than can be stored.
    pub fn for_stream(
        host: HostOffset,
        stream_bytes: u64,
        cluster_bits: ClusterBits,
    ) -> Result<Self, Error> {
        let end = Self::host_end(cluster_bits).0;
        if host.0 >= end {
            return Err(Error::CompressedOffset { found: host.0, end });
        }
        let sectors_max = Self::sectors_max(cluster_bits);
        let sectors = (host.0 % SECTOR_BYTES)
            .saturating_add(stream_bytes)
            .div_ceil(SECTOR_BYTES);
        u32::try_from(sectors)
            .ok()
            .filter(|&sectors| stream_bytes > 0 && sectors <= sectors_max)
            .map(|sectors| Self { host, sectors })
            .ok_or(Error::CompressedLength {
                found: stream_bytes,
                max: Self {
                    host,
                    sectors: sectors_max,
                }
                .bytes_max(),
            })
    }
}

#[cfg(test)]
pub(crate) mod tests;
