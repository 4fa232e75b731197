//! Why an image could not be written.

use std::io;
use std::ops::RangeInclusive;

use blockio::BoxError;
use qcow2_format::HostOffset;

/// Why an image could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The format, or QEMU, has no room for such an image. Nothing was written
    /// yet, except by an [`ImageWriter`](crate::ImageWriter) that grew too large.
    #[error(transparent)]
    Unrepresentable(#[from] Unrepresentable),
    /// A write passes the end of the disk.
    #[error("a write of {length} bytes at {offset:#x} passes the end of the disk at {size:#x}")]
    OutOfRange {
        /// Guest offset of the write.
        offset: u64,
        /// Length of the write in bytes.
        length: u64,
        /// Length of the disk in bytes.
        size: u64,
    },
    /// New bytes would go where some were written already: a fault of this crate, found
    /// before it does harm.
    #[error(
        "internal error: {structure} starts at host offset {offset}, but everything before {done} is written"
    )]
    GoesBack {
        /// What would be written.
        structure: &'static str,
        /// Where it starts.
        offset: HostOffset,
        /// The end of what is written.
        done: HostOffset,
    },
    /// Bytes of the disk would be read that come before some that were read already: a
    /// fault of this crate, found before it does harm.
    #[error(
        "internal error: data of the disk at {offset:#x} comes after data up to {done:#x} was read"
    )]
    ReadsBack {
        /// Guest offset of the data.
        offset: u64,
        /// Guest offset of the end of what is read.
        done: u64,
    },
    /// [`PackOptions::progress`](crate::PackOptions::progress) said to stop.
    #[error("stopped")]
    Stopped,
    /// A write failed before, so what the image holds is not known.
    #[error("the image cannot be used after a write to it failed")]
    Broken,
    /// The extents leave a gap, overlap, or end at the wrong place.
    #[error(
        "extents must tile the disk of {size:#x} bytes, and {} at {expected:#x}, where {}",
        if expected < size { "go on" } else { "end" },
        found(.start, .length)
    )]
    NotTiled {
        /// Guest offset up to which the extents tile the disk.
        expected: u64,
        /// Guest offset of the extent that came, or none where they ended.
        start: Option<u64>,
        /// Length in bytes of the extent that came; zero where they ended.
        length: u64,
        /// Length of the disk in bytes.
        size: u64,
    },
    /// An extent cannot be told apart from its neighbours.
    #[error(
        "an exact allocation is made of units of {unit_bytes} bytes, and an extent of {length} \
         bytes at {start:#x} is not"
    )]
    Unaligned {
        /// Guest offset of the extent.
        start: u64,
        /// Its length in bytes.
        length: u64,
        /// Size of a cluster or, with extended L2 entries, of a subcluster.
        unit_bytes: u64,
    },
    /// Bytes that are in use are known to be unreadable.
    #[error("{length} bytes of the disk at {start:#x} are in use and cannot be read")]
    Unreadable {
        /// Guest offset of the first of them.
        start: u64,
        /// How many they are.
        length: u64,
    },
    /// What the disk holds could not be found out.
    #[error(transparent)]
    Extents(BoxError),
    /// The disk could not be read.
    #[error("cannot read {length} bytes of the disk at {offset:#x}")]
    ReadDisk {
        /// Guest offset of the read.
        offset: u64,
        /// Length of the read in bytes.
        length: u64,
        /// What the storage reported.
        #[source]
        source: io::Error,
    },
    /// A cluster could not be compressed: there is not enough memory.
    #[error("cannot compress the cluster at {offset:#x} of the disk")]
    Compress {
        /// Guest offset of the cluster.
        offset: u64,
        /// What the codec reported.
        #[source]
        source: io::Error,
    },
    /// The image could not be written.
    #[error("cannot write {structure} at {offset} of the image")]
    WriteImage {
        /// What was to be written.
        structure: &'static str,
        /// Where in the image.
        offset: HostOffset,
        /// What the storage reported.
        #[source]
        source: io::Error,
    },
    /// Image and disk must share blocks, and such an image cannot.
    #[error("the image cannot share blocks with the disk: {why}")]
    NoReflink {
        /// What is in the way.
        why: &'static str,
    },
    /// Image and disk must share blocks, and these cannot be shared.
    #[error(
        "the image cannot share {length} bytes of the disk at {offset:#x}, as its own at {host}"
    )]
    Reflink {
        /// Guest offset of the first of them.
        offset: u64,
        /// How many they are.
        length: u64,
        /// Where in the image they would be.
        host: HostOffset,
        /// What the storage reported.
        #[source]
        source: io::Error,
    },
    /// The disk, or what is known of it, changed while it was read twice.
    #[error(
        "the disk changed between two readings: other clusters of the {length} bytes at \
         {start:#x} hold data now"
    )]
    SourceChanged {
        /// Guest offset of the first byte that may have changed.
        start: u64,
        /// How many bytes these are.
        length: u64,
    },
    /// The spool could not be written.
    #[error("cannot write the part of the image at {offset} to the spool")]
    WriteSpool {
        /// Where in the image, and in the spool.
        offset: HostOffset,
        /// What the storage reported.
        #[source]
        source: io::Error,
    },
    /// What was put into the spool could not be read back.
    #[error("cannot read the part of the image at {offset} back from the spool")]
    ReadSpool {
        /// Where in the image, and in the spool.
        offset: HostOffset,
        /// What the storage reported.
        #[source]
        source: io::Error,
    },
    /// An L2 table could not be read back.
    #[error("cannot read the L2 table at {offset} of the image back")]
    ReadBack {
        /// Where in the image.
        offset: HostOffset,
        /// What the storage reported.
        #[source]
        source: io::Error,
    },
    /// An L2 table read back is not what was written.
    #[error(
        "L2 table at {table}: entry {index} was read back as {raw:#x}, which was never written"
    )]
    ChangedBelow {
        /// Where in the image the table is.
        table: HostOffset,
        /// Which entry.
        index: u64,
        /// What was read.
        raw: u64,
    },
    /// A structure could not be encoded.
    #[error(transparent)]
    Format(#[from] qcow2_format::Error),
}

fn found(start: &Option<u64>, length: &u64) -> String {
    match start {
        Some(start) => format!("an extent of {length} bytes at {start:#x} came"),
        None => "they ended".to_owned(),
    }
}

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

/// What sort of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The image would pass a limit of the format or of QEMU.
    Limit,
    /// The caller asked for what makes no sense.
    Invalid,
    /// The disk to be packed could not be read, or its extents not be found.
    Source,
    /// The image could not be written or read back.
    Target,
    /// The caller stopped the job.
    Stopped,
}

impl Error {
    /// What sort of failure it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unrepresentable(why) => why.kind(),
            Self::OutOfRange { .. }
            | Self::NotTiled { .. }
            | Self::Unaligned { .. }
            | Self::NoReflink { .. } => ErrorKind::Invalid,
            Self::Unreadable { .. }
            | Self::Extents(_)
            | Self::ReadDisk { .. }
            | Self::SourceChanged { .. } => ErrorKind::Source,
            Self::Broken
            | Self::GoesBack { .. }
            | Self::ReadsBack { .. }
            | Self::Compress { .. }
            | Self::WriteImage { .. }
            | Self::Reflink { .. }
            | Self::WriteSpool { .. }
            | Self::ReadSpool { .. }
            | Self::ReadBack { .. }
            | Self::ChangedBelow { .. } => ErrorKind::Target,
            Self::Stopped => ErrorKind::Stopped,
            Self::Format(_) => ErrorKind::Limit,
        }
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
            | Self::ExtendedL2Version
            | Self::ExtendedL2Clusters { .. }
            | Self::CompressionType { .. }
            | Self::CompressionLevel { .. } => ErrorKind::Invalid,
        }
    }
}
