//! The kinds of errors.

/// What sort of trouble an [`Error`](crate::Error) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The image breaks the format's rules, or a part of it is missing.
    Corrupt,
    /// The image is right, and needs something this crate cannot do.
    Unsupported,
    /// The image is right, and larger than this crate accepts.
    Limit,
    /// What was asked for is not in the image.
    NotFound,
    /// The storage below failed.
    Io,
    /// This crate is at fault.
    Internal,
}
