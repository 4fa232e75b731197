//! Why no image can hold a disk.

use std::ops::RangeInclusive;

use super::kind::ErrorKind;
use crate::options::Allocation;

/// Why no image can hold a disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unrepresentable {
    /// The L1 table would be longer than QEMU accepts.
    #[error(
        "a disk of {size} bytes needs an L1 table of {l1_bytes} bytes with clusters of \
         {cluster_bytes} bytes; at most {l1_bytes_max} are allowed{}",
        hint(.smallest_cluster_bytes)
    )]
    L1Table {
        /// Length of the disk in bytes.
        size: u64,
        /// Size of a cluster in bytes.
        cluster_bytes: u64,
        /// Length the L1 table would have in bytes.
        l1_bytes: u64,
        /// Length the L1 table may have in bytes.
        l1_bytes_max: u64,
        /// The smallest cluster size that would do, if any.
        smallest_cluster_bytes: Option<u64>,
    },
    /// The refcount table would be longer than QEMU accepts.
    #[error(
        "an image of up to {clusters} clusters of {cluster_bytes} bytes is too large: \
         a refcount table of {table_bytes_max} bytes allows {clusters_max}{}",
        hint(.smallest_cluster_bytes)
    )]
    RefcountTable {
        /// Clusters the image may need beside the refcounts.
        clusters: u64,
        /// Clusters it may have beside the refcounts.
        clusters_max: u64,
        /// Size of a cluster in bytes.
        cluster_bytes: u64,
        /// Length the refcount table may have in bytes.
        table_bytes_max: u64,
        /// The smallest cluster size that would do, if any.
        smallest_cluster_bytes: Option<u64>,
    },
    /// The image would reach host offsets that an entry cannot hold.
    #[error(
        "an image of up to {clusters} clusters of {cluster_bytes} bytes is too large: \
         host offsets end at {end_max:#x}, which allows {clusters_max}{}",
        hint(.smallest_cluster_bytes)
    )]
    HostOffset {
        /// Clusters the image may need beside the refcounts.
        clusters: u64,
        /// Clusters it may have beside the refcounts.
        clusters_max: u64,
        /// Size of a cluster in bytes.
        cluster_bytes: u64,
        /// Where an image must end.
        end_max: u64,
        /// The smallest cluster size that would do, if any.
        smallest_cluster_bytes: Option<u64>,
    },
    /// Version 2 of the format has 16-bit refcounts only.
    #[error("refcounts of {bits} bits need version 3 of the format; version 2 has 16 bits")]
    RefcountWidth {
        /// Width of a refcount in bits.
        bits: u32,
    },
    /// Version 2 of the format has no zero clusters.
    #[error(
        "an exact allocation needs version 3 of the format (compat 1.1); version 2 (compat 0.10) \
         has no zero clusters"
    )]
    ZeroClusters,
    /// Version 2 of the format has no zero clusters, and a backing file holds more than
    /// zeros.
    #[error(
        "an overlay needs version 3 of the format (compat 1.1); version 2 (compat 0.10) cannot \
         say that what a backing file holds is zeros now"
    )]
    OverlayVersion,
    /// An overlay without a backing file, or a backing file below what is none.
    #[error(
        "{}",
        match .allocation {
            Allocation::Overlay => "an overlay needs a backing file",
            Allocation::Needed | Allocation::Exact => "only an overlay may have a backing file",
        }
    )]
    Backing {
        /// What was to be allocated.
        allocation: Allocation,
    },
    /// Version 2 of the format has no extended L2 entries.
    #[error(
        "extended L2 entries need version 3 of the format (compat 1.1); version 2 (compat 0.10) \
         has none"
    )]
    ExtendedL2Version,
    /// Subclusters would be too small.
    #[error(
        "extended L2 entries need clusters of {cluster_bytes_min} bytes at least; these have \
         {cluster_bytes}"
    )]
    ExtendedL2Clusters {
        /// Size of a cluster in bytes.
        cluster_bytes: u64,
        /// The smallest that would do, in bytes.
        cluster_bytes_min: u64,
    },
    /// Version 2 of the format has deflate only.
    #[error(
        "{name} compression needs version 3 of the format (compat 1.1); version 2 (compat 0.10) \
         has zlib only"
    )]
    CompressionType {
        /// The compression, as qemu-img spells it.
        name: &'static str,
    },
    /// There is no such level.
    #[error(
        "{name} has no level {level} here; {} to {} are allowed",
        .levels.start(),
        .levels.end()
    )]
    CompressionLevel {
        /// The compression, as qemu-img spells it.
        name: &'static str,
        /// The level that was asked for.
        level: u8,
        /// The levels there are.
        levels: RangeInclusive<u8>,
    },
}

fn hint(smallest_cluster_bytes: &Option<u64>) -> String {
    match smallest_cluster_bytes {
        Some(bytes) => format!("; clusters of {bytes} bytes would do"),
        None => "; no cluster size would do".to_owned(),
    }
}

impl Unrepresentable {
    /// What sort of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::L1Table { .. } | Self::RefcountTable { .. } | Self::HostOffset { .. } => {
                ErrorKind::Limit
            }
            Self::RefcountWidth { .. }
            | Self::ZeroClusters
            | Self::OverlayVersion
            | Self::Backing { .. }
            | Self::ExtendedL2Version
            | Self::ExtendedL2Clusters { .. }
            | Self::CompressionType { .. }
            | Self::CompressionLevel { .. } => ErrorKind::Invalid,
        }
    }
}
