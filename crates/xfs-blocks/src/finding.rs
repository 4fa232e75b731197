//! What the used bytes are known by, and why more are in use than the filesystem says.

use crate::error::ErrorKind;

/// What the used bytes are known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust<'a> {
    /// The free space btrees of the allocation groups, which agree.
    Btrees,
    /// Nothing: every byte is in use.
    Nothing(&'a Distrust),
}

/// Why every byte of a filesystem is in use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// A field of the superblock.
    #[error("the XFS superblock's field {field} is {found}")]
    Field {
        /// Its name in the kernel.
        field: &'static str,
        /// As stored.
        found: u64,
    },
    /// Feature bits that are not known.
    #[error("the XFS superblock's field {field} has bits {bits:#x}, which are not supported")]
    Unsupported {
        /// Its name in the kernel.
        field: &'static str,
        /// Those that are not known.
        bits: u32,
    },
    /// The checksum of the superblock.
    #[error("the XFS superblock's checksum is {stored:#010x}, its bytes give {computed:#010x}")]
    Checksum {
        /// As stored.
        stored: u32,
        /// As it should be.
        computed: u32,
    },
    /// The filesystem is longer than the disk.
    #[error("the filesystem has {bytes} bytes, the disk {disk_bytes}")]
    Cut {
        /// Its length.
        bytes: u64,
        /// Size of the disk.
        disk_bytes: u64,
    },
    /// More allocation groups than are looked at.
    #[error(
        "{found} allocation groups, at most {} are looked at",
        crate::GROUPS_MAX
    )]
    TooManyGroups {
        /// How many.
        found: u32,
    },
    /// The filesystem says that it needs a repair.
    #[error("the filesystem says that it needs xfs_repair")]
    NeedsRepair,
    /// The log is on another device, and may have changes that this one does not.
    #[error("the log is on another device")]
    ExternalLog,
}

impl Distrust {
    /// The family it belongs to.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Unsupported { .. } | Self::TooManyGroups { .. } | Self::ExternalLog => {
                ErrorKind::Unsupported
            }
            Self::NeedsRepair => ErrorKind::Unclean,
            Self::Field { .. } | Self::Checksum { .. } | Self::Cut { .. } => ErrorKind::Corrupt,
        }
    }
}
