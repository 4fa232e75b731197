//! Why two disks are not known to be the same.

use std::io;

use blockio::BoxError;

/// Why two disks are not known to be the same, or a disk has no digest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk that says what is expected cannot be read, or does not know which of its
    /// bytes matter.
    #[error("the expected disk cannot be read")]
    Expected(#[source] BoxError),
    /// The disk that is looked at cannot be read, or does not know where it has data.
    #[error("the disk cannot be read")]
    Found(#[source] BoxError),
    /// They differ in length.
    #[error("the disk has {found} bytes, {expected} are expected")]
    Size {
        /// Length of the expected disk in bytes.
        expected: u64,
        /// Length of the other one in bytes.
        found: u64,
    },
    /// They differ in a byte; it is the first one that does.
    #[error("byte {offset:#x} of the disk is {found:#04x}, {expected:#04x} is expected")]
    Differs {
        /// Where, in bytes from the start.
        offset: u64,
        /// What the expected disk has there; zero if the byte does not matter.
        expected: u8,
        /// What the other one has.
        found: u8,
    },
    /// Disks cannot be compared in units of this size.
    #[error("disks are not compared in units of {unit_bytes} bytes")]
    Unit {
        /// Its size in bytes.
        unit_bytes: u64,
    },
    /// The digests of a disk cannot be used.
    #[error("the digests cannot be used")]
    Index(#[from] IndexFault),
    /// The progress callback stopped the job.
    #[error("stopped")]
    Stopped,
}

/// Why the digests of a disk cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexFault {
    /// The file holds something else.
    #[error("the file is no index of digests")]
    Magic,
    /// The file has another version of the format.
    #[error("the index has version {found}, and only version 2 is read")]
    Version {
        /// The version.
        found: u32,
    },
    /// No unit has that size.
    #[error("the index has units of {found} bytes; a power of two from 512 to 2097152 is allowed")]
    Unit {
        /// The size in bytes.
        found: u32,
    },
    /// The file is longer or shorter than its records.
    #[error("the index has {records} records, and its {found} bytes are not as many")]
    Length {
        /// Records as the header counts them.
        records: u64,
        /// Length of the file in bytes.
        found: u64,
    },
    /// The file is not what was written.
    #[error("the index is damaged: its checksum is wrong")]
    Checksum,
    /// A record is of a unit that is not on the disk, or does not follow the last one.
    #[error("the index is damaged: a record of unit {found} is out of place")]
    Order {
        /// The number of the unit.
        found: u64,
    },
    /// The file cannot be read.
    #[error("the index cannot be read")]
    Read(#[source] io::Error),
    /// The file cannot be written.
    #[error("the index cannot be written")]
    Write(#[source] io::Error),
}

/// The families of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// One of the disks cannot be read.
    Io,
    /// The disks differ.
    Differs,
    /// The caller asked for what makes no sense.
    Invalid,
    /// The digests cannot be used.
    Index,
    /// The progress callback stopped the job.
    Stopped,
}

impl Error {
    /// The family this error belongs to.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Expected(_) | Self::Found(_) => ErrorKind::Io,
            Self::Size { .. } | Self::Differs { .. } => ErrorKind::Differs,
            Self::Unit { .. } => ErrorKind::Invalid,
            Self::Index(_) => ErrorKind::Index,
            Self::Stopped => ErrorKind::Stopped,
        }
    }
}
