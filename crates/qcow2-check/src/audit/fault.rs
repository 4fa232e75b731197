//! What is found, as values with enough in them to repair by.

use std::ops::Range;

use qcow2_codec::StreamFault;
use qcow2_map::Structure;

use crate::finding::Use;

/// A disk in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiskId {
    /// The one that a guest writes to.
    Active,
    /// That of the snapshot with this index in the snapshot table.
    Snapshot(u32),
}

/// An entry of a table, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The table.
    pub table: Structure,
    /// Index of the entry in it.
    pub index: u64,
    /// Host offset of the entry, in bytes.
    pub host: u64,
    /// Its first eight bytes, as a number.
    pub raw: u64,
}

/// What refers to a part of the file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Owner {
    /// What the part is to it.
    pub structure: Structure,
    /// The disk, of L1 tables and what is below them.
    pub disk: Option<DiskId>,
    /// The guest bytes that depend on the part.
    pub guest: Option<Range<u64>>,
    /// The host bytes that it needs.
    pub host: Range<u64>,
    /// The table entry that refers to it; the header has no such entries.
    pub entry: Option<Entry>,
}

/// How bad a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is wrong with the image, but it is worth knowing.
    Note,
    /// Host clusters are allocated that nothing refers to: they only take space.
    Leak,
    /// The image contradicts itself: data is lost or will be.
    Corruption,
}

/// What a repair would do about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Repair {
    /// Lower the refcount to the number of references.
    Leaks,
    /// Raise the refcount to the number of references, with the refcount blocks and the
    /// refcount table that this takes.
    Refcounts,
    /// Set or clear the COPIED flag by the refcount.
    Copied,
    /// Clear reserved bits.
    Reserved,
    /// Clear the dirty bit, after the refcounts are right.
    Dirty,
    /// Nothing without a decision: one of several owners has lost its data, or the fault
    /// may hide references.
    Doubtful,
    /// Nothing: what is missing or damaged cannot be made up.
    No,
}

/// What is wrong. Numbers are those of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The dirty bit is set: the refcounts may be stale.
    Dirty,
    /// The corrupt bit is set: a writer has seen damage.
    MarkedCorrupt,
    /// The image has no refcount table.
    NoRefcountTable,
    /// A host cluster has a refcount that is too high.
    Leak {
        /// How often it is used.
        references: u64,
        /// The stored refcount.
        refcount: u64,
    },
    /// A host cluster has a refcount that is too low: it may be overwritten.
    Refcount {
        /// How often it is used.
        references: u64,
        /// The stored refcount.
        refcount: u64,
        /// Whether a refcount block holds that refcount. If not, it counts as zero.
        is_covered: bool,
    },
    /// A host cluster is used for things that exclude each other, or metadata is used
    /// twice.
    Conflict {
        /// How often it is used.
        references: u64,
        /// The stored refcount.
        refcount: u64,
    },
    /// The COPIED flag of an entry contradicts the refcount.
    Copied {
        /// Whether it is set.
        is_set: bool,
        /// The stored refcount.
        refcount: u64,
    },
    /// A compressed entry has the COPIED flag.
    CopiedCompressed,
    /// An entry has the COPIED flag and no host offset.
    CopiedWithoutOffset,
    /// An entry has reserved bits set.
    Reserved {
        /// The bits: of the first word of the entry, or if none of these is set, of the
        /// second.
        bits: u64,
    },
    /// The offset in an entry is no multiple of the cluster size.
    Unaligned {
        /// The offset.
        offset: u64,
    },
    /// Something that is referred to ends after the end of the file: the image is
    /// truncated.
    PastEnd {
        /// Length of the file.
        file_bytes: u64,
    },
    /// A zero flag in an image of version 2, which does not have it.
    ZeroFlagInVersion2,
    /// A compressed entry in an image with an external data file.
    CompressedWithDataFile,
    /// An entry for guest data in an external data file is not at its guest offset.
    DataFileOffset {
        /// The guest offset, where it must be.
        guest: u64,
    },
    /// A compressed entry has an offset beyond what the format allows.
    CompressedOffset {
        /// The offset.
        offset: u64,
    },
    /// Subclusters are both allocated and zero.
    SubclustersBoth {
        /// The subclusters, as bits.
        both: u32,
    },
    /// Subclusters are allocated in a cluster without a host offset.
    SubclustersWithoutHost {
        /// The subclusters, as bits.
        allocated: u32,
    },
    /// A compressed stream does not give its cluster.
    Stream(StreamFault),
    /// A compressed stream reaches into another one.
    StreamsOverlap {
        /// Host offset where the other one starts.
        other: u64,
    },
    /// A table beside the disk cannot be understood; what it refers to is not counted.
    Table {
        /// What is wrong with it.
        error: String,
    },
}

impl FaultKind {
    /// Returns a short name of the kind, as in the JSON output.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dirty => "dirty",
            Self::MarkedCorrupt => "marked-corrupt",
            Self::NoRefcountTable => "no-refcount-table",
            Self::Leak { .. } => "leak",
            Self::Refcount { .. } => "refcount",
            Self::Conflict { .. } => "conflict",
            Self::Copied { .. } => "copied",
            Self::CopiedCompressed => "copied-compressed",
            Self::CopiedWithoutOffset => "copied-without-offset",
            Self::Reserved { .. } => "reserved-bits",
            Self::Unaligned { .. } => "unaligned",
            Self::PastEnd { .. } => "past-end",
            Self::ZeroFlagInVersion2 => "zero-flag",
            Self::CompressedWithDataFile => "compressed-with-data-file",
            Self::DataFileOffset { .. } => "data-file-offset",
            Self::CompressedOffset { .. } => "compressed-offset",
            Self::SubclustersBoth { .. } => "subclusters-both",
            Self::SubclustersWithoutHost { .. } => "subclusters-without-host",
            Self::Stream(_) => "stream",
            Self::StreamsOverlap { .. } => "streams-overlap",
            Self::Table { .. } => "table",
        }
    }

    /// Whether an entry with this fault may have referred to something else than it does.
    pub(crate) fn hides_references(&self) -> bool {
        matches!(
            self,
            Self::CopiedWithoutOffset
                | Self::Unaligned { .. }
                | Self::PastEnd { .. }
                | Self::ZeroFlagInVersion2
                | Self::CompressedOffset { .. }
                | Self::SubclustersWithoutHost { .. }
                | Self::Table { .. }
        )
    }

    /// Returns how bad a fault of this kind is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Dirty => Severity::Note,
            Self::Leak { .. } => Severity::Leak,
            _ => Severity::Corruption,
        }
    }
}

/// A fault of an image. Its `Display` text says what is wrong and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// With what: the structure that is wrong or in the wrong place.
    pub structure: Structure,
    /// The host bytes: of a cluster, or of what an entry refers to.
    pub host: Option<Range<u64>>,
    /// What refers to these host bytes: that with the wrong entry, or the first two of a
    /// host cluster.
    pub owners: Vec<Owner>,
    /// What a repair would do.
    pub repair: Repair,
}

impl Fault {
    /// A fault of `structure` as a whole.
    pub(crate) fn of(kind: FaultKind, structure: Structure, repair: Repair) -> Self {
        Self {
            kind,
            structure,
            host: None,
            owners: Vec::new(),
            repair,
        }
    }

    /// A fault in the reference that `owner` has.
    pub(crate) fn in_entry(kind: FaultKind, owner: Owner, repair: Repair) -> Self {
        Self {
            kind,
            structure: owner.structure,
            host: Some(owner.host.clone()),
            owners: vec![owner],
            repair,
        }
    }

    /// Returns the table entry that is wrong, if it is a fault of one.
    #[must_use]
    pub fn entry(&self) -> Option<Entry> {
        match self.kind {
            FaultKind::Leak { .. } | FaultKind::Refcount { .. } | FaultKind::Conflict { .. } => {
                None
            }
            _ => self.owners.first().and_then(|owner| owner.entry),
        }
    }

    /// Returns the guest ranges of the owners.
    pub fn guest(&self) -> impl Iterator<Item = &Range<u64>> {
        self.owners.iter().filter_map(|owner| owner.guest.as_ref())
    }
}

/// The use of host clusters that a structure makes.
pub(crate) fn use_of(structure: Structure) -> Use {
    match structure {
        Structure::Data => Use::Data,
        Structure::Stream => Use::Stream,
        Structure::L2Table => Use::L2Table,
        _ => Use::Metadata,
    }
}
