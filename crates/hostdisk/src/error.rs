//! What can go wrong with a path.

use std::io;
use std::path::{Path, PathBuf};

use crate::freeze::{Thawed, Unfreezable};
use crate::in_use::InUse;

/// Why a file or device cannot be used as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path names something that does not hold bytes by offset.
    #[error("{} is {found}, not a file or a block device", path.display())]
    NotADisk {
        /// The path as it was given.
        path: PathBuf,
        /// What it names, with its article.
        found: &'static str,
    },
    /// An output would overwrite something nobody asked to overwrite.
    #[error("{} already exists", path.display())]
    Exists {
        /// The path of the output.
        path: PathBuf,
    },
    /// Somebody else uses the file or device.
    #[error("{} is in use: {by}", path.display())]
    InUse {
        /// The path as it was given.
        path: PathBuf,
        /// Who uses it.
        by: InUse,
    },
    /// An output would overwrite what it is made from.
    #[error("{} is the source itself, or one that the source depends on", path.display())]
    SameFile {
        /// The path of the output.
        path: PathBuf,
    },
    /// Something that must lie beneath a folder does not.
    #[error("{} does not lie beneath {}", path.display(), folder.display())]
    Outside {
        /// The path, the folder in front.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// A device ends before what must be stored on it.
    #[error("{} is too small: it holds {device_bytes} bytes, {needed_bytes} are needed", path.display())]
    TooSmall {
        /// The path of the device.
        path: PathBuf,
        /// Size of the device.
        device_bytes: u64,
        /// Smallest size that would do.
        needed_bytes: u64,
    },
    /// The file system can give no file the name of an output once it is written.
    #[error("{} cannot be made: its file system does not rename files", path.display())]
    Unnameable {
        /// The path of the output.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// [`abandon_all`](crate::abandon_all) was called: no output appears any more.
    #[error("{} was abandoned", path.display())]
    Abandoned {
        /// The path of the output.
        path: PathBuf,
    },
    /// The filesystem on a device cannot be frozen.
    #[error("{} cannot be frozen: {why}", path.display())]
    Unfreezable {
        /// The path of the device.
        path: PathBuf,
        /// Why not.
        why: Unfreezable,
    },
    /// The filesystem on a device was frozen, but not up to the end: what was
    /// read of it may not be of one moment.
    #[error("{} did not stay frozen: {why}", path.display())]
    Thawed {
        /// The path of the device.
        path: PathBuf,
        /// What happened.
        why: Thawed,
    },
    /// The system refused.
    #[error("{} cannot be {action}", path.display())]
    Io {
        /// The file, device or folder concerned.
        path: PathBuf,
        /// What was tried, as a participle: "opened".
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// This cannot be done with such a file.
    Unsupported,
    /// This would destroy data, or would copy data that changes.
    Refused,
    /// A size is exceeded.
    Limit,
    /// The process is ending.
    Interrupted,
    /// The system refused.
    Io,
}

impl Error {
    /// The kind of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotADisk { .. } | Self::Unnameable { .. } => ErrorKind::Unsupported,
            Self::Exists { .. }
            | Self::InUse { .. }
            | Self::SameFile { .. }
            | Self::Unfreezable { .. }
            | Self::Thawed { .. }
            | Self::Outside { .. } => ErrorKind::Refused,
            Self::TooSmall { .. } => ErrorKind::Limit,
            Self::Abandoned { .. } => ErrorKind::Interrupted,
            Self::Io { .. } => ErrorKind::Io,
        }
    }

    /// For `map_err`: `action`, as a participle, could not be done to `path`.
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            path: path.into(),
            action,
            source,
        }
    }
}
