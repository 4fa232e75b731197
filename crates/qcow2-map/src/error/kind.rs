//! The kinds of errors.

use std::io;

/// What sort of trouble an [`Error`](crate::Error) is, and the errors of the crates
/// that are built on this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The image breaks the format's rules, or a part of it is missing.
    Corrupt,
    /// The image is right, and needs something these crates cannot do.
    Unsupported,
    /// The image is right, and larger than these crates accept.
    Limit,
    /// What was asked for is not in the image.
    NotFound,
    /// The storage below failed.
    Io,
    /// A crate of this project is at fault.
    Internal,
    /// The caller wanted no more of it.
    Stopped,
}

impl ErrorKind {
    /// The kind of an [`io::Error`] that has such an error in it.
    #[must_use]
    pub fn as_io(self) -> io::ErrorKind {
        match self {
            Self::Unsupported => io::ErrorKind::Unsupported,
            Self::NotFound => io::ErrorKind::NotFound,
            Self::Internal => io::ErrorKind::Other,
            Self::Stopped => io::ErrorKind::Interrupted,
            Self::Corrupt | Self::Limit | Self::Io => io::ErrorKind::InvalidData,
        }
    }
}
