//! Uses of a disk that conflict with ours.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

/// What else uses a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InUse {
    /// It holds a filesystem that is mounted for writing.
    Mounted {
        /// One of the mount points.
        on: PathBuf,
    },
    /// A partition of it holds a filesystem that is mounted.
    PartitionMounted {
        /// Name of the partition, without its folder.
        partition: String,
        /// One of the mount points.
        on: PathBuf,
    },
    /// Another process holds the block device exclusively: it is mounted in another
    /// mount namespace, belongs to a RAID or volume group, or has a partition or
    /// mapping that does.
    Exclusive,
    /// A loop device presents the file as a block device.
    Loop {
        /// Name of the loop device, without its folder.
        device: String,
    },
    /// A loop device presents a file of the same size, which may be this one.
    PerhapsLoop {
        /// Name of the loop device, without its folder.
        device: String,
    },
    /// It is in use as swap space.
    Swap,
    /// QEMU writes to it, or a program that locks a file as QEMU does.
    QemuWrites,
    /// QEMU reads it, or a program that locks a file as QEMU does.
    QemuReads,
}

impl Display for InUse {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mounted { on } => write!(f, "it is mounted on {}", on.display()),
            Self::PartitionMounted { partition, on } => {
                write!(f, "its partition {partition} is mounted on {}", on.display())
            }
            Self::Exclusive => f.write_str(
                "another process holds it exclusively (mounted, or part of a RAID, a volume group or a mapping)",
            ),
            Self::Loop { device } => write!(f, "loop device {device} is backed by it"),
            Self::PerhapsLoop { device } => write!(
                f,
                "loop device {device} is backed by a file of the same size, which may be this one"
            ),
            Self::Swap => f.write_str("it is in use as swap space"),
            Self::QemuWrites => f.write_str("QEMU has it open for writing"),
            Self::QemuReads => f.write_str("QEMU has it open"),
        }
    }
}

/// What we want to do with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Read it: no one else may write to it.
    Read,
    /// Write to it: no one else may use it.
    Write,
}
