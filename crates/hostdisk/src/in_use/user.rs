//! Who uses a disk, and what we want it for.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

/// Who else uses a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InUse {
    /// It holds a filesystem that is mounted and can be written to.
    Mounted {
        /// Where, or one of the places.
        on: PathBuf,
    },
    /// Somebody has the block device to himself: it is mounted where we cannot
    /// see it, is one of a RAID's or volume group's, or has a partition or
    /// mapping that is.
    Exclusive,
    /// A loop device shows the file as a block device.
    Loop {
        /// Name of the loop device, without its folder.
        device: String,
    },
    /// A loop device shows a file of this size that may be this one.
    PerhapsLoop {
        /// Name of the loop device, without its folder.
        device: String,
    },
    /// It is swap space.
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
            Self::Exclusive => f.write_str(
                "another program has it to itself (mounted, or part of a RAID, a volume group or a mapping)",
            ),
            Self::Loop { device } => write!(f, "the loop device {device} shows it"),
            Self::PerhapsLoop { device } => write!(
                f,
                "the loop device {device} shows a file of this size that may be this one"
            ),
            Self::Swap => f.write_str("it is swap space"),
            Self::QemuWrites => f.write_str("QEMU has it open for writing"),
            Self::QemuReads => f.write_str("QEMU has it open"),
        }
    }
}

/// What a disk is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Nobody may write to it.
    Read,
    /// Nobody may use it.
    Write,
}
