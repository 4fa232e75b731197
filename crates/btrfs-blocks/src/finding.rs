//! What the used bytes are known by, and why all are in use if they are not known.

use crate::error::{Error, ErrorKind};

/// What the used bytes are known by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// The extent tree, and the free space tree if there is one, which agree.
    Extents,
    /// As [`Extents`](Self::Extents); and all trees were walked, and refer to nothing free.
    References,
    /// Nothing: every byte is in use.
    Nothing(Distrust),
}

/// Why every byte of a filesystem is in use. Trees are told by their numbers, and `at` is a
/// byte of the filesystem (logical) if it is not said to be one of the disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// The first superblock is damaged, and another one is not.
    #[error(
        "the first superblock is damaged, and the one at byte {mirror:#x} of the disk does not \
         know what the log holds"
    )]
    OnlyMirror {
        /// Where the newest other one is, in bytes of the disk.
        mirror: u64,
    },
    /// The checksum of the superblock.
    #[error("the superblock's checksum is wrong")]
    SuperblockChecksum,
    /// A field of the superblock.
    #[error("superblock field {field} is {found:#x}")]
    Field {
        /// Its name in the kernel's headers.
        field: &'static str,
        /// As stored.
        found: u64,
    },
    /// A feature that is not known.
    #[error("superblock field {field} is {found:#x}, of which {unknown:#x} is not supported")]
    Features {
        /// Its name in the kernel's headers.
        field: &'static str,
        /// As stored.
        found: u64,
        /// What of it is not supported.
        unknown: u64,
    },
    /// A superblock that is newer than the first one.
    #[error(
        "the superblock at byte {at:#x} of the disk is of generation {found}, the first one of \
         {generation}"
    )]
    NewerMirror {
        /// Where, in bytes of the disk.
        at: u64,
        /// Its generation.
        found: u64,
        /// That of the first one.
        generation: u64,
    },
    /// The filesystem is longer than the disk.
    #[error("the filesystem has {bytes} bytes on this device, the disk {disk_bytes}")]
    Cut {
        /// Its length on this device.
        bytes: u64,
        /// Size of the disk.
        disk_bytes: u64,
    },
    /// Something is under way that this crate does not follow.
    #[error("{0}")]
    Underway(&'static str),
    /// A block of a tree is not what refers to it says.
    #[error("tree {tree}: the block at {at:#x} {fault}")]
    TreeBlock {
        /// The tree.
        tree: i64,
        /// Where.
        at: u64,
        /// What is wrong with it.
        fault: BlockFault,
    },
    /// A block of a tree is on another device.
    #[error("tree {tree}: the block at {at:#x} is on another device")]
    Elsewhere {
        /// The tree.
        tree: i64,
        /// Where.
        at: u64,
    },
    /// The root tree does not name a tree.
    #[error("there is no tree {tree}")]
    NoTree {
        /// The tree.
        tree: i64,
    },
    /// An item of a tree.
    #[error("tree {tree}: the item ({object:#x} {kind} {offset:#x}) is unsound: {what}")]
    Item {
        /// The tree.
        tree: i64,
        /// The object of its key.
        object: u64,
        /// The type of its key.
        kind: u8,
        /// The offset of its key.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A chunk that cannot be, or of a kind that is not known.
    #[error("the chunk at {start:#x} is unsound: {what}")]
    Chunk {
        /// Where it starts.
        start: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The chunk tree and the device tree differ.
    #[error("chunk tree and device tree differ about byte {at:#x} of the disk")]
    DeviceExtent {
        /// Where, in bytes of the disk.
        at: u64,
    },
    /// A chunk without a block group, or the reverse.
    #[error("chunk tree and block groups differ at {start:#x}")]
    BlockGroup {
        /// Where it starts.
        start: u64,
    },
    /// The extent tree and the free space tree differ.
    #[error("extent tree and free space tree differ at {at:#x}")]
    FreeSpace {
        /// Where.
        at: u64,
    },
    /// A sum that is not that of its parts.
    #[error("{sum} is {stored}, its parts give {computed}")]
    Sum {
        /// What it counts.
        sum: &'static str,
        /// As stored.
        stored: u64,
        /// What it should be.
        computed: u64,
    },
    /// The bytes used of a block group.
    #[error("the block group at {start:#x} has {stored} bytes in use, its extents {computed}")]
    GroupSum {
        /// Where it starts.
        start: u64,
        /// As stored.
        stored: u64,
        /// Bytes of its extents.
        computed: u64,
    },
    /// A tree refers to something that the extent tree calls free.
    #[error("tree {tree} refers to {at:#x}, which the extent tree calls free")]
    Reference {
        /// The tree.
        tree: i64,
        /// What it refers to.
        at: u64,
    },
    /// More than is followed.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What.
        what: &'static str,
        /// Most.
        limit: u64,
    },
}

/// What is wrong with a block of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum BlockFault {
    /// Its place is none.
    #[error("is in no chunk")]
    Unmapped,
    /// Its checksum.
    #[error("has a wrong checksum")]
    Checksum,
    /// It is of another filesystem.
    #[error("is of another filesystem")]
    Filesystem,
    /// It says that it belongs elsewhere.
    #[error("belongs elsewhere")]
    Place,
    /// It is older or newer than what refers to it says.
    #[error("is of another generation")]
    Generation,
    /// Its level.
    #[error("is of another level")]
    Level,
    /// It is of another tree.
    #[error("is of another tree")]
    Owner,
    /// It begins with another key than what refers to it says.
    #[error("begins with another key")]
    FirstKey,
    /// Its items are out of order, or out of its bounds.
    #[error("has unsound items")]
    Items,
}

impl BlockFault {
    /// How much of a block is right, if this is wrong: of two bad copies, the better one is
    /// reported.
    pub(crate) const fn rank(self) -> u8 {
        match self {
            Self::Unmapped => 0,
            Self::Checksum => 1,
            Self::Filesystem => 2,
            Self::Place => 3,
            Self::Generation => 4,
            Self::Level => 5,
            Self::Owner => 6,
            Self::FirstKey => 7,
            Self::Items => 8,
        }
    }
}

impl Distrust {
    /// The family it belongs to.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Features { .. } | Self::TooMany { .. } => ErrorKind::Unsupported,
            Self::Underway(_) => ErrorKind::Unclean,
            Self::Elsewhere { .. } => ErrorKind::Incomplete,
            Self::OnlyMirror { .. }
            | Self::SuperblockChecksum
            | Self::Field { .. }
            | Self::NewerMirror { .. }
            | Self::Cut { .. }
            | Self::TreeBlock { .. }
            | Self::NoTree { .. }
            | Self::Item { .. }
            | Self::Chunk { .. }
            | Self::DeviceExtent { .. }
            | Self::BlockGroup { .. }
            | Self::FreeSpace { .. }
            | Self::Sum { .. }
            | Self::GroupSum { .. }
            | Self::Reference { .. } => ErrorKind::Corrupt,
        }
    }
}

/// What ends the examination of a filesystem.
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

/// Something wrong in a filesystem that is trusted all the same. All of it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// A superblock other than the first one.
    #[error("the superblock at byte {at:#x} is damaged")]
    Mirror {
        /// Where, in bytes of the disk.
        at: u64,
    },
    /// One of several copies of a block of a tree.
    #[error("a copy of a tree block at byte {at:#x} is damaged, another one is right")]
    Copy {
        /// Where, in bytes of the disk.
        at: u64,
    },
}
