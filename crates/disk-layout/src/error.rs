//! Why it cannot be said what of a disk must be kept.

use std::io;

use blockio::BoxError;

use crate::table::{self, Partition};

/// Why it cannot be said what of a disk must be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A place where something may have left its signature.
    #[error("signature of something other than ext at byte {offset:#x} cannot be read")]
    Signature {
        /// Where, in bytes from the start of the disk.
        offset: u64,
        /// What the storage reported.
        #[source]
        source: io::Error,
    },
    /// A provider could not look at the content.
    #[error(transparent)]
    Content(BoxError),
    /// A provider could not find out what of the content may be discarded.
    #[error(transparent)]
    Discard(BoxError),
    /// The disk became shorter while it was opened.
    #[error("the disk became shorter")]
    Shrunk,
    /// There has to be a filesystem, and there is none.
    #[error("there is no ext filesystem here")]
    NoFilesystem,
    /// There has to be a superblock at some place, and there is none.
    #[error("there is no ext superblock there")]
    NoSuperblock,
    /// The partition table could not be read.
    #[error(transparent)]
    Table(table::Error),
    /// There has to be one filesystem, and there is a partition table.
    #[error(
        "this needs one partition, and there are {}",
        list(partitions, volumes)
    )]
    NeedsPartition {
        /// The partitions there are.
        partitions: Vec<Partition>,
        /// The names of the logical volumes there are.
        volumes: Vec<String>,
    },
    /// There is no such partition, or more than one.
    #[error(
        "{matches} of the partitions {} match {wanted:?}",
        list(partitions, volumes)
    )]
    Partition {
        /// What was asked for.
        wanted: String,
        /// How many match.
        matches: usize,
        /// The partitions there are.
        partitions: Vec<Partition>,
        /// The names of the logical volumes there are.
        volumes: Vec<String>,
    },
    /// A logical volume that cannot be looked at as a disk.
    #[error("volume {name} cannot be opened: {why}")]
    Volume {
        /// Its name, as `group/volume`.
        name: String,
        /// Why not.
        why: String,
    },
    /// The metadata of the content is not known.
    #[error("no metadata can be told from data: {why}")]
    NoMetadata {
        /// Why.
        why: String,
    },
}

/// The families of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The storage below failed.
    Io,
    /// What was asked for is not on the disk.
    Missing,
}

impl Error {
    /// The family this error belongs to.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Signature { .. }
            | Self::Content(_)
            | Self::Discard(_)
            | Self::Table(_)
            | Self::Shrunk => ErrorKind::Io,
            Self::NoFilesystem
            | Self::NoSuperblock
            | Self::NoMetadata { .. }
            | Self::NeedsPartition { .. }
            | Self::Partition { .. }
            | Self::Volume { .. } => ErrorKind::Missing,
        }
    }
}

/// The numbers of `partitions` and the names of `volumes`, as text.
fn list(partitions: &[Partition], volumes: &[String]) -> String {
    let numbers = partitions.iter().map(|one| one.number.to_string());
    let all: Vec<_> = numbers.chain(volumes.iter().cloned()).collect();
    all.join(", ")
}
