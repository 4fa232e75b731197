//! The families of errors.

/// What sort of failure an [`Error`](crate::Error) is.
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
