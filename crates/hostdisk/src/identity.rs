//! Identifies files and detects whether one has changed.

use std::fs::{FileType, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

/// The identity of a file or block device, independent of its path.
///
/// All device nodes of one block device have the same identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The device that holds the file, or the block device itself.
    device: u64,
    /// The file's number on its device, or `None` for a block device.
    inode: Option<u64>,
}

impl Identity {
    /// Returns the device number, if this is a block device.
    pub(crate) fn block_device(self) -> Option<u64> {
        self.inode.is_none().then_some(self.device)
    }

    pub(crate) fn of(metadata: &Metadata) -> Self {
        if metadata.file_type().is_block_device() {
            Self {
                device: metadata.rdev(),
                inode: None,
            }
        } else {
            Self {
                device: metadata.dev(),
                inode: Some(metadata.ino()),
            }
        }
    }
}

/// The state of a file at one time.
///
/// If two states differ, the file was changed in between. A block device keeps no
/// times, so only its size is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    size_bytes: u64,
    times: Option<Times>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    /// Last change of the contents: seconds since 1970, and nanoseconds.
    modified: (i64, i64),
    /// Last change of contents or attributes, which no program can set.
    changed: (i64, i64),
}

impl Stamp {
    /// Length in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// When the contents changed last: seconds since 1970, and nanoseconds. `None` for a
    /// block device.
    #[must_use]
    pub fn modified(&self) -> Option<(i64, i64)> {
        self.times.map(|times| times.modified)
    }

    pub(crate) fn of_device(size_bytes: u64) -> Self {
        Self {
            size_bytes,
            times: None,
        }
    }

    pub(crate) fn of_file(metadata: &Metadata) -> Self {
        Self {
            size_bytes: metadata.len(),
            times: Some(Times {
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            }),
        }
    }
}

/// Names the type of a file that is not a disk, with an article; `None` for a regular
/// file or a block device.
pub(crate) fn not_a_disk(kind: FileType) -> Option<&'static str> {
    if kind.is_file() || kind.is_block_device() {
        None
    } else if kind.is_dir() {
        Some("a directory")
    } else if kind.is_fifo() {
        Some("a pipe")
    } else if kind.is_char_device() {
        Some("a character device")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a file of an unknown type")
    }
}
