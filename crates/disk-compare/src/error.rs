//! Why two disks are not known to be the same.

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
    /// The progress callback stopped the job.
    #[error("stopped")]
    Stopped,
}

/// The families of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// One of the disks cannot be read.
    Io,
    /// The disks differ.
    Differs,
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
            Self::Stopped => ErrorKind::Stopped,
        }
    }
}
