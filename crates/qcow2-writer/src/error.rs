//! Why an image could not be written.

mod kind;
mod unrepresentable;

use std::io;

use blockio::BoxError;
use qcow2_format::HostOffset;

pub use kind::ErrorKind;
pub use unrepresentable::Unrepresentable;

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
