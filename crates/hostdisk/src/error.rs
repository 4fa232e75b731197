//! Errors about files and devices.

use std::io;
use std::path::{Path, PathBuf};

use crate::freeze::{Thawed, Unfreezable};
use crate::in_use::InUse;

/// Why a file or device cannot be used as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path names neither a regular file nor a block device.
    #[error("{} is {found}, not a file or a block device", path.display())]
    NotADisk {
        /// The path as it was given.
        path: PathBuf,
        /// What the path names, with an article.
        found: &'static str,
    },
    /// An output would overwrite something without being allowed to.
    #[error("{} already exists", path.display())]
    Exists {
        /// The path of the output.
        path: PathBuf,
    },
    /// An output in `/dev` is no device, so that it would be a file in memory.
    #[error("{} is no device, and files do not last in /dev", path.display())]
    NoDevice {
        /// The path of the output.
        path: PathBuf,
    },
    /// The file or device is in use by something else.
    #[error("{} is in use: {by}", path.display())]
    InUse {
        /// The path as it was given.
        path: PathBuf,
        /// What uses it.
        by: InUse,
    },
    /// An output would overwrite one of its sources.
    #[error("{} is the source itself, or a file or device that the source depends on", path.display())]
    SameFile {
        /// The path of the output.
        path: PathBuf,
    },
    /// A path that must stay below a folder does not.
    #[error("{} is not a relative path that stays below {}", path.display(), folder.display())]
    Outside {
        /// The path, with the folder in front.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// A device is too small for what must be stored on it.
    #[error("{} is too small: it holds {device_bytes} bytes, but {needed_bytes} are needed", path.display())]
    TooSmall {
        /// The path of the device.
        path: PathBuf,
        /// Size of the device, in bytes.
        device_bytes: u64,
        /// Size that is needed, in bytes.
        needed_bytes: u64,
    },
    /// The file system cannot give an output its name once it is written.
    #[error("{} cannot be created: its file system does not support renaming files", path.display())]
    Unnameable {
        /// The path of the output.
        path: PathBuf,
        /// What the system reported.
        source: io::Error,
    },
    /// [`abandon_all`](crate::abandon_all) was called: no more outputs appear.
    #[error("{} was discarded: the program is ending", path.display())]
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
    /// The filesystem on a device did not stay frozen until the end: what was
    /// read may mix several states.
    #[error("{} did not stay frozen: {why}", path.display())]
    Thawed {
        /// The path of the device.
        path: PathBuf,
        /// What happened.
        why: Thawed,
    },
    /// The file system or device cannot give blocks back.
    #[error("{} cannot give blocks back: {why}", path.display())]
    CannotPunch {
        /// The path of the file or device.
        path: PathBuf,
        /// What is missing.
        why: &'static str,
    },
    /// Blocks could not be given back: all, some or none of them were.
    #[error("{}: the {length} bytes at {offset} cannot be given back", path.display())]
    Punch {
        /// The path of the file or device.
        path: PathBuf,
        /// Where they are, in bytes.
        offset: u64,
        /// How many they are, in bytes.
        length: u64,
        /// What the system reported.
        source: io::Error,
    },
    /// Something else changed a file that was opened to be changed in place.
    #[error("{} was changed by something else", path.display())]
    Changed {
        /// The path of the file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{} cannot be {action}", path.display())]
    Io {
        /// The file, device or folder concerned.
        path: PathBuf,
        /// What was tried, as a participle: "opened".
        action: &'static str,
        /// What the system reported.
        source: io::Error,
    },
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The operation is impossible with such a file.
    Unsupported,
    /// The operation would destroy data, or would copy data that changes.
    Refused,
    /// A size is exceeded.
    Limit,
    /// The process is ending.
    Interrupted,
    /// The system refused.
    Io,
}

impl Error {
    /// Returns the kind of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotADisk { .. } | Self::Unnameable { .. } | Self::CannotPunch { .. } => {
                ErrorKind::Unsupported
            }
            Self::Exists { .. }
            | Self::NoDevice { .. }
            | Self::InUse { .. }
            | Self::SameFile { .. }
            | Self::Unfreezable { .. }
            | Self::Thawed { .. }
            | Self::Changed { .. }
            | Self::Outside { .. } => ErrorKind::Refused,
            Self::TooSmall { .. } => ErrorKind::Limit,
            Self::Abandoned { .. } => ErrorKind::Interrupted,
            Self::Io { .. } | Self::Punch { .. } => ErrorKind::Io,
        }
    }

    /// Returns the path that it is about, as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::NotADisk { path, .. }
            | Self::NoDevice { path }
            | Self::Exists { path }
            | Self::InUse { path, .. }
            | Self::SameFile { path }
            | Self::Outside { path, .. }
            | Self::TooSmall { path, .. }
            | Self::Unnameable { path, .. }
            | Self::Abandoned { path, .. }
            | Self::Unfreezable { path, .. }
            | Self::Thawed { path, .. }
            | Self::CannotPunch { path, .. }
            | Self::Punch { path, .. }
            | Self::Changed { path, .. }
            | Self::Io { path, .. } => path,
        }
    }

    /// Makes, for `map_err`, the error that `path` cannot be `action`, a participle.
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            path: path.into(),
            action,
            source,
        }
    }
}
