//! What the used bytes are known by, and why more are in use than the filesystem says.

use crate::finding::damage::{GroupDamage, InodeFault};
pub(crate) mod damage;

use crate::error::{ErrorKind, Halt};
use crate::log::LogFault;

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
    /// The free blocks that the superblock of a clean filesystem counts.
    #[error("the XFS superblock counts {stored} free blocks, the allocation groups {found}")]
    FreeCount {
        /// `sb_fdblocks`.
        stored: u64,
        /// As the groups count.
        found: u64,
    },
    /// The log holds another size of the filesystem than the superblock.
    #[error("the log holds another size of the filesystem than the superblock")]
    Resized,
    /// Nothing is known of many groups.
    #[error("{found} allocation groups are damaged; the first, group {group}: {damage}")]
    Damaged {
        /// How many were found damaged before the rest was not looked at.
        found: u64,
        /// The first of them.
        group: u32,
        /// What is wrong with it.
        damage: GroupDamage,
    },
    /// The inodes of a group are not known.
    #[error("the inodes of allocation group {group} are not known: {damage}")]
    Inodes {
        /// Which group.
        group: u32,
        /// What is wrong with it.
        damage: GroupDamage,
    },
    /// It is not known which blocks an inode refers to.
    #[error("inode {inode} is damaged: {fault}")]
    Inode {
        /// Its number.
        inode: u64,
        /// What is wrong with it.
        fault: InodeFault,
    },
    /// More separate runs of metadata than are followed.
    #[error("more than {limit} separate runs of metadata")]
    TooMuchMetadata {
        /// Most runs.
        limit: u64,
    },
    /// It is not known what the log changes.
    #[error("the log is not followed: {0}")]
    Log(LogFault),
    /// The log is on another device, and may have changes that this one does not.
    #[error("the log is on another device")]
    ExternalLog,
}

impl Distrust {
    /// The family it belongs to.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Unsupported { .. }
            | Self::TooManyGroups { .. }
            | Self::TooMuchMetadata { .. }
            | Self::ExternalLog => ErrorKind::Unsupported,
            Self::NeedsRepair | Self::Resized | Self::Log(_) => ErrorKind::Unclean,
            Self::Field { .. }
            | Self::Checksum { .. }
            | Self::Cut { .. }
            | Self::FreeCount { .. }
            | Self::Inodes { .. }
            | Self::Inode { .. }
            | Self::Damaged { .. } => ErrorKind::Corrupt,
        }
    }
}

/// What ends the examination of a filesystem.
pub(crate) type Stop = Halt<Distrust>;

impl From<Distrust> for Stop {
    fn from(distrust: Distrust) -> Self {
        Self::Distrust(distrust)
    }
}

/// Something wrong or unusual in a filesystem that is trusted all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// A damaged allocation group.
    #[error("allocation group {group}: {damage}; all of it is kept")]
    Group {
        /// Which group.
        group: u32,
        /// What is wrong with it.
        damage: GroupDamage,
    },
    /// A realtime section, which has no map of free space that is followed.
    #[error("the realtime section from byte {start:#x} is kept whole")]
    Realtime {
        /// Where it begins on the disk.
        start: u64,
    },
    /// A realtime section on another device.
    #[error("the contents of realtime files are on another device")]
    RealtimeElsewhere,
}

/// What was found wrong, the first of it in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    findings: Vec<Finding>,
    total: u64,
}

/// Most findings that are kept.
const FINDINGS_MAX: usize = 100;

impl Damage {
    /// The first findings.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many there are in all.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        self.total = self.total.saturating_add(1);
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}
