//! What the used bytes are known by, and why all are in use if they are not known.

use crate::error::{ErrorKind, Halt};

/// What the used bytes are known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trust {
    /// The FAT or the allocation bitmap, and the directory tree, which agrees.
    Clusters,
    /// Nothing: every byte is in use.
    Nothing(Distrust),
}

/// Why every byte of a filesystem is in use. Clusters are cluster numbers, the first is 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// A field of the boot sector.
    #[error("boot sector field {field} is {found}")]
    Field {
        /// Its name in Microsoft's specifications.
        field: &'static str,
        /// As stored.
        found: u64,
    },
    /// A version, or a way to use the FATs, that is not known.
    #[error("boot sector field {field} is {found:#x}, which is not supported")]
    Unsupported {
        /// Its name in Microsoft's specifications.
        field: &'static str,
        /// As stored.
        found: u64,
    },
    /// The filesystem is longer than the disk.
    #[error("the filesystem has {bytes} bytes, the disk {disk_bytes}")]
    Cut {
        /// Its length.
        bytes: u64,
        /// Size of the disk.
        disk_bytes: u64,
    },
    /// More clusters than are followed.
    #[error("{found} clusters, at most {} are followed", crate::CLUSTERS_MAX)]
    TooManyClusters {
        /// Clusters.
        found: u64,
    },
    /// More directories within directories than are followed.
    #[error("more than {limit} directories wait to be read")]
    TooManyDirectories {
        /// Most that may wait.
        limit: u64,
    },
    /// A directory of FAT with more entries than it may have.
    #[error("the directory in cluster {directory} has more than {limit} entries")]
    LongDirectory {
        /// First cluster of the directory; 0 is the root of FAT12 and FAT16.
        directory: u32,
        /// Most entries.
        limit: u64,
    },
    /// An entry of a directory of FAT after the one that ends it. Some programs read it.
    #[error("entry {entry} of the directory in cluster {directory} comes after its end")]
    AfterEnd {
        /// First cluster of the directory; 0 is the root of FAT12 and FAT16.
        directory: u32,
        /// The entry, counted from 0.
        entry: u64,
    },
    /// The checksum of exFAT's boot region.
    #[error("the boot region's checksum is {stored:#010x}, its bytes give {computed:#010x}")]
    BootChecksum {
        /// As stored.
        stored: u32,
        /// As it should be.
        computed: u32,
    },
    /// The boot sector says that the filesystem is mounted, or has errors.
    #[error("the boot sector's state is {state:#x}: not unmounted, or with errors")]
    Dirty {
        /// The flags, as stored.
        state: u16,
    },
    /// The second entry of the FAT says that the filesystem is mounted, or has errors.
    #[error("the second entry of the FAT is {entry:#x}: not unmounted, or with errors")]
    DirtyTable {
        /// The entry.
        entry: u32,
    },
    /// The first entry of the FAT is not the media descriptor.
    #[error("the first entry of the FAT is {entry:#x}, the media descriptor {media:#x}")]
    Media {
        /// The entry.
        entry: u32,
        /// As in the boot sector.
        media: u8,
    },
    /// Two copies of the FAT differ in a page of 24 KiB.
    #[error("the copies of the FAT differ in the page at byte {at:#x} of each")]
    CopiesDiffer {
        /// Where, in bytes from the start of a copy.
        at: u64,
    },
    /// A file or directory refers to a cluster that cannot be its own.
    #[error("the chain from cluster {first} has cluster {cluster}, {fault}")]
    Cluster {
        /// The first cluster of the chain.
        first: u32,
        /// The cluster.
        cluster: u32,
        /// What is wrong with it.
        fault: ClusterFault,
    },
    /// A chain that is shorter than its file.
    #[error("the chain from cluster {first} has {found} clusters, its file has {needed}")]
    Short {
        /// The first cluster of the chain; 0 is none.
        first: u32,
        /// Clusters of the chain.
        found: u64,
        /// Clusters that the length of the file asks for.
        needed: u64,
    },
    /// A directory without a cluster.
    #[error(
        "entry {entry} of the directory in cluster {directory} is a directory without a cluster"
    )]
    NoCluster {
        /// First cluster of the directory that has it; 0 is the root of FAT12 and FAT16.
        directory: u32,
        /// The number of the entry.
        entry: u64,
    },
    /// A directory entry of a kind that is not known.
    #[error("a directory entry of the type {kind:#04x}, which is not known or misplaced")]
    EntryType {
        /// The type byte.
        kind: u8,
    },
    /// The checksum of a set of exFAT directory entries.
    #[error("the checksum of a file's entries is {stored:#06x}, their bytes give {computed:#06x}")]
    EntryChecksum {
        /// As stored.
        stored: u16,
        /// As it should be.
        computed: u16,
    },
    /// Not exactly one allocation bitmap.
    #[error("{found} allocation bitmaps, there must be one")]
    Bitmaps {
        /// How many.
        found: u64,
    },
    /// An allocation bitmap that is too short for the clusters.
    #[error("an allocation bitmap of {found} bytes, {needed} are needed")]
    BitmapLength {
        /// Its length.
        found: u64,
        /// What the clusters need.
        needed: u64,
    },
}

/// Why a cluster cannot be that of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterFault {
    /// There is no cluster of that number.
    #[error("which does not exist")]
    Outside,
    /// It is free.
    #[error("which is free")]
    Free,
    /// It is bad.
    #[error("which is bad")]
    Bad,
    /// Its entry in the FAT is none that a file may have.
    #[error("whose entry in the FAT is reserved")]
    Reserved,
    /// It is part of something else, or of the same chain, too.
    #[error("which is in use twice")]
    Shared,
}

impl Distrust {
    /// The family it belongs to.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Unsupported { .. }
            | Self::TooManyClusters { .. }
            | Self::TooManyDirectories { .. }
            | Self::EntryType { .. } => ErrorKind::Unsupported,
            Self::Dirty { .. } | Self::DirtyTable { .. } => ErrorKind::Unclean,
            _ => ErrorKind::Corrupt,
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

/// The result of a part of the examination.
pub(crate) type Step<T> = Result<T, Stop>;

/// Something unusual in a filesystem that is trusted all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// Clusters that are in use, and in no file or directory. They are kept.
    #[error("{clusters} clusters in use, or bad, that no file has")]
    Unreferenced {
        /// How many.
        clusters: u64,
    },
    /// The FAT has no entries for the last clusters. They are kept.
    #[error("the FAT has entries for {entries} of {clusters} clusters")]
    ShortTable {
        /// Clusters with an entry.
        entries: u64,
        /// Clusters that fit into the filesystem.
        clusters: u64,
    },
}
