//! What the used bytes are known by, and why all are in use if they are not known.

use crate::error::{Error, ErrorKind};
use crate::fault::{Fault, Kind};

/// What the used bytes are known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trust {
    /// `$Bitmap` alone.
    Bitmap,
    /// `$Bitmap`, and the run lists of all files, which were held against it.
    Records,
    /// Nothing: every byte is in use.
    Nothing(Distrust),
}

/// Why every byte of a volume is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// A field of the boot sector.
    #[error("boot sector field {field} is {found}")]
    Field {
        /// What it holds.
        field: &'static str,
        /// As stored.
        found: u64,
    },
    /// The volume is longer than the disk.
    #[error("the filesystem has {bytes} bytes, the disk {disk_bytes}")]
    Cut {
        /// Its length.
        bytes: u64,
        /// Size of the disk.
        disk_bytes: u64,
    },
    /// More clusters than are followed.
    #[error(
        "{found} clusters, at most {} are followed",
        crate::limits::CLUSTERS_MAX
    )]
    TooManyClusters {
        /// Clusters.
        found: u64,
    },
    /// More of something than is followed.
    #[error("more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The most that are followed.
        limit: u64,
    },
    /// A version of NTFS that is not known.
    #[error("NTFS version {major}.{minor}, which is not supported")]
    Version {
        /// Before the point.
        major: u8,
        /// After the point.
        minor: u8,
    },
    /// The flags of the volume say that it was not unmounted, or is being checked, or they
    /// are not known.
    #[error("the flags of the volume are {flags:#06x}: not unmounted, or not known")]
    Dirty {
        /// As stored.
        flags: u16,
    },
    /// The journal says, or does not deny, that something is left to be replayed.
    #[error("$LogFile {0}")]
    Log(LogFault),
    /// A system hibernates, and will write to the volume from memory when it wakes up.
    #[error("hiberfil.sys begins with {signature:02x?}: a system may be hibernated")]
    Hibernated {
        /// Its first bytes.
        signature: [u8; 4],
    },
    /// The hibernation file has no header that could be read.
    #[error("hiberfil.sys has {bytes} bytes that can be read, too few for its header")]
    HibernationFile {
        /// How many.
        bytes: u64,
    },
    /// Snapshots of the volume need clusters that were free later.
    #[error("shadow copies (catalog at byte {catalog:#x}) need what free clusters hold")]
    ShadowCopies {
        /// Where their catalog is, in bytes; 0 if it is on another volume, or the name of a
        /// file told of them.
        catalog: u64,
    },
    /// A file record that is damaged.
    #[error("file record {record} {fault}")]
    Record {
        /// Its number in the MFT.
        record: u64,
        /// What is wrong.
        fault: Fault,
    },
    /// An attribute of a file record that is damaged.
    #[error("attribute {kind} of file record {record} {fault}")]
    Attribute {
        /// The record that holds it.
        record: u64,
        /// Its type.
        kind: Kind,
        /// What is wrong.
        fault: Fault,
    },
    /// A part of a file that its attribute list names, and that is not there.
    #[error(
        "the attribute list of file record {record} needs a part of attribute {kind} in \
         record {holder}, which is not there"
    )]
    Lost {
        /// The record of the file.
        record: u64,
        /// The record that should have the part.
        holder: u64,
        /// Type of the attribute.
        kind: Kind,
    },
    /// The parts of an attribute, in several records, do not follow each other.
    #[error("the parts of attribute {kind} of file record {record} do not follow each other")]
    Gap {
        /// The record of the file.
        record: u64,
        /// Type of the attribute.
        kind: Kind,
    },
    /// A file record and its copy in `$MFTMirr` differ.
    #[error("file record {record} differs from its copy in $MFTMirr")]
    Mirror {
        /// Its number.
        record: u64,
    },
    /// A file of the system is not where the boot sector has it.
    #[error("file record {record} begins at cluster {found}, not at {expected}")]
    Place {
        /// The record of the file.
        record: u64,
        /// Its first cluster.
        found: u64,
        /// As the boot sector says.
        expected: u64,
    },
    /// The root directory cannot be searched.
    #[error("the index of the root directory: block {block} {fault}")]
    Index {
        /// Which block, from 1; 0 is the root of the index.
        block: u64,
        /// What is wrong.
        fault: Fault,
    },
    /// A bitmap that has not the length that it must have.
    #[error("the bitmap in file record {record} has {found} bytes, {needed} are needed")]
    BitmapLength {
        /// The record that has it.
        record: u64,
        /// Its length.
        found: u64,
        /// As many as it must have at least.
        needed: u64,
    },
    /// A bit of `$Bitmap` that stands for no cluster, and is not set.
    #[error("$Bitmap calls cluster {cluster} free, which does not exist")]
    BitmapEnd {
        /// The number of the bit.
        cluster: u64,
    },
    /// A cluster in two run lists.
    #[error("file record {record} refers to cluster {cluster}, as another one does")]
    Shared {
        /// The second record.
        record: u64,
        /// The cluster.
        cluster: u64,
    },
}

/// Why `$LogFile` is not clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum LogFault {
    /// It has no length that a journal can have.
    #[error("has {bytes} bytes, or does not store all of them")]
    Length {
        /// Its length.
        bytes: u64,
    },
    /// A restart page that is not one.
    #[error("has a damaged restart page at byte {at:#x}: it {fault}")]
    Page {
        /// Where in the file.
        at: u64,
        /// What is wrong with it.
        fault: Fault,
    },
    /// A version that leaves more in it than earlier ones.
    #[error("has the version {major}.{minor}, which is not supported")]
    Version {
        /// Before the point.
        major: u16,
        /// After the point.
        minor: u16,
    },
    /// Its user did not close it.
    #[error("was not closed (restart page at byte {at:#x}): it may have to be replayed")]
    Open {
        /// The restart page, in bytes from the start of the file.
        at: u64,
    },
}

impl Distrust {
    /// The family it belongs to.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::TooManyClusters { .. }
            | Self::TooMany { .. }
            | Self::Version { .. }
            | Self::ShadowCopies { .. }
            | Self::Log(LogFault::Version { .. }) => ErrorKind::Unsupported,
            Self::Dirty { .. }
            | Self::Log(LogFault::Open { .. })
            | Self::Hibernated { .. }
            | Self::HibernationFile { .. } => ErrorKind::Unclean,
            Self::Field { .. }
            | Self::Cut { .. }
            | Self::Log(LogFault::Length { .. } | LogFault::Page { .. })
            | Self::Record { .. }
            | Self::Attribute { .. }
            | Self::Lost { .. }
            | Self::Gap { .. }
            | Self::Mirror { .. }
            | Self::Place { .. }
            | Self::Index { .. }
            | Self::BitmapLength { .. }
            | Self::BitmapEnd { .. }
            | Self::Shared { .. } => ErrorKind::Corrupt,
        }
    }
}

/// Something wrong in a volume that is trusted all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// Clusters that `$Bitmap` calls free, and a file refers to. They are kept.
    #[error(
        "file record {record} refers to {clusters} clusters from {first} on that $Bitmap \
         calls free; they are kept"
    )]
    Referenced {
        /// The record that has the run.
        record: u64,
        /// The first of them.
        first: u64,
        /// How many.
        clusters: u64,
    },
    /// Clusters that are in use, and in no file. They are kept.
    #[error("{clusters} clusters in use that no file has; they are kept")]
    Unreferenced {
        /// How many.
        clusters: u64,
    },
    /// The bitmap of `$MFT` calls a record free that is in use. Its clusters are kept.
    #[error("file record {record} is in use, and the bitmap of $MFT calls it free")]
    RecordInUse {
        /// Its number.
        record: u64,
    },
}

/// What is wrong in a volume that is trusted all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    findings: Vec<Finding>,
    total: u64,
}

impl Damage {
    /// Most findings that are held.
    const HELD_MAX: usize = 100;

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

    pub(crate) fn push(&mut self, finding: Finding) {
        self.total = self.total.saturating_add(1);
        if self.findings.len() < Self::HELD_MAX {
            self.findings.push(finding);
        }
    }
}

/// What ends an examination.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The filesystem is not believed.
    Distrust(Distrust),
    /// The storage failed.
    Read(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Read(error)
    }
}

impl From<Distrust> for Stop {
    fn from(distrust: Distrust) -> Self {
        Self::Distrust(distrust)
    }
}

/// The result of a part of the examination.
pub(crate) type Step<T> = Result<T, Stop>;

/// That the file record `record` is damaged.
pub(crate) const fn odd(record: u64, fault: Fault) -> Distrust {
    Distrust::Record { record, fault }
}

/// That an attribute of the file record `record` is damaged.
pub(crate) const fn of(record: u64, kind: Kind, fault: Fault) -> Distrust {
    Distrust::Attribute {
        record,
        kind,
        fault,
    }
}

/// What was found among the attributes of the file record `record`.
pub(crate) fn attribute<T>(record: u64, found: Result<T, (Kind, Fault)>) -> Result<T, Distrust> {
    found.map_err(|(kind, fault)| of(record, kind, fault))
}
