//! Faults in words.

use std::fmt::{self, Display, Formatter};
use std::ops::Range;

use super::fault::{DiskId, Fault, FaultKind, Owner, Repair};

/// A range of bytes.
struct Bytes<'r>(&'r Range<u64>);

impl Display for Bytes<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.0.start, self.0.end)
    }
}

impl Display for DiskId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active => f.write_str("the active disk"),
            Self::Snapshot(index) => write!(f, "snapshot {index}"),
        }
    }
}

impl Display for Owner {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.structure)?;
        if let Some(guest) = &self.guest {
            write!(f, " of guest bytes {}", Bytes(guest))?;
        }
        match self.disk {
            Some(disk @ DiskId::Snapshot(_)) => write!(f, " of {disk}"),
            _ => Ok(()),
        }
    }
}

impl Display for Repair {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leaks => "lowers the refcount",
            Self::Refcounts => "raises the refcount",
            Self::Copied => "corrects the flag",
            Self::Reserved => "clears the bits",
            Self::Dirty => "clears the dirty bit",
            Self::Doubtful => "needs a decision",
            Self::No => "cannot help",
        })
    }
}

impl Display for FaultKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dirty => f.write_str(
                "the dirty bit is set: the image was not closed, its refcounts may be stale",
            ),
            Self::MarkedCorrupt => {
                f.write_str("the corrupt bit is set: a program has seen damage in this image")
            }
            Self::NoRefcountTable => f.write_str("the image has no refcount table"),
            Self::Leak {
                references: 0,
                refcount,
            } => write!(f, "leaked: nothing uses it, but its refcount is {refcount}"),
            Self::Leak {
                references,
                refcount,
            } => write!(
                f,
                "leaked: used {references} times, but its refcount is {refcount}"
            ),
            Self::Refcount {
                references,
                refcount,
                is_covered,
            } => {
                write!(f, "used {references} times, but its refcount is {refcount}")?;
                let uncovered = ", as no refcount block covers it";
                f.write_str(if *is_covered { "" } else { uncovered })
            }
            Self::Conflict {
                references,
                refcount,
            } => write!(
                f,
                "used for different things, {references} times in all, refcount {refcount}: what one of them had there was probably overwritten"
            ),
            Self::Copied { is_set, refcount } => {
                let is_set = if *is_set { "set" } else { "clear" };
                write!(
                    f,
                    "the COPIED flag is {is_set}, but the refcount is {refcount}"
                )
            }
            other => other.write_entry(f),
        }
    }
}

impl FaultKind {
    /// Writes what is wrong with an entry, or with what it names.
    fn write_entry(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::CopiedCompressed => f.write_str("a compressed entry has the COPIED flag"),
            Self::CopiedWithoutOffset => {
                f.write_str("the entry has the COPIED flag and no host offset")
            }
            Self::Reserved { bits } => write!(f, "reserved bits {bits:#x} are set"),
            Self::Unaligned { offset } => {
                write!(
                    f,
                    "the offset {offset:#x} is no multiple of the cluster size"
                )
            }
            Self::PastEnd { file_bytes } => write!(
                f,
                "ends past the end of the file at {file_bytes:#x}: the image is truncated"
            ),
            Self::ZeroFlagInVersion2 => {
                f.write_str("the zero flag is set, which version 2 does not have")
            }
            Self::CompressedWithDataFile => {
                f.write_str("a compressed cluster in an image with an external data file")
            }
            Self::DataFileOffset { guest } => write!(
                f,
                "the offset in the external data file is not the guest offset {guest:#x}"
            ),
            Self::CompressedOffset { offset } => {
                write!(
                    f,
                    "the offset {offset:#x} is too large for a compressed cluster"
                )
            }
            Self::SubclustersBoth { both } => {
                write!(f, "subclusters {both:#010x} are both allocated and zero")
            }
            Self::SubclustersWithoutHost { allocated } => write!(
                f,
                "subclusters {allocated:#010x} are allocated without a host offset"
            ),
            Self::Stream(fault) => write!(f, "{fault}"),
            Self::StreamsOverlap { other } => {
                write!(
                    f,
                    "it reaches into the compressed cluster at host offset {other:#x}"
                )
            }
            Self::Table { error } => f.write_str(error),
            // The others are about a host cluster or the whole image.
            other => write!(f, "{}", other.name()),
        }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let is_whole = matches!(
            self.kind,
            FaultKind::Dirty
                | FaultKind::MarkedCorrupt
                | FaultKind::NoRefcountTable
                | FaultKind::Table { .. }
        );
        if is_whole {
            return write!(f, "{}", self.kind);
        }
        match (&self.host, self.owners.as_slice()) {
            (Some(host), []) => write!(f, "host cluster {}", Bytes(host))?,
            (Some(host), [owner]) => write!(f, "{owner} at host bytes {}", Bytes(host))?,
            (Some(host), [first, second, ..]) => {
                write!(f, "{first} and {second} at host bytes {}", Bytes(host))?;
            }
            (None, _) => write!(f, "{}", self.structure)?,
        }
        if let Some(entry) = self.entry() {
            write!(f, " ({} entry at {:#x})", entry.table, entry.host)?;
        }
        write!(f, ": {}", self.kind)
    }
}
