//! What is found, as values.

use std::fmt;
use std::ops::Range;

use qcow2_format::{GuestOffset, HostOffset};
use qcow2_map::Structure;

/// What a host cluster is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Use {
    /// Guest data as it is.
    Data,
    /// Compressed guest data.
    Stream,
    /// An L2 table.
    L2Table,
    /// Header, L1 table, refcounts, snapshot table, bitmaps or LUKS header.
    Metadata,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Data => "data",
            Self::Stream => "compressed data",
            Self::L2Table => "L2 table",
            Self::Metadata => "other metadata",
        })
    }
}

/// A host cluster with something wrong. Its `Display` text says what.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// Index of the layer with the cluster: 0 is the image that was opened, 1 its
    /// backing file, and so on.
    pub layer: usize,
    /// The bytes of the cluster in the file of that layer.
    pub host: Range<u64>,
    /// Whether the disk that is read needs the cluster, so that it may hold what it
    /// should not.
    pub is_needed: bool,
    /// The first two guest ranges of that disk that need it, if they were looked
    /// for: of the first findings only, as each look goes over the whole disk.
    pub owners: Vec<Range<u64>>,
}

/// What is wrong with a host cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FindingKind {
    /// It is used more often than its refcount says, which may be never.
    Refcount {
        /// What it is used for.
        structure: Structure,
        /// How often it is used, at least.
        references: u64,
        /// The stored refcount.
        refcount: u64,
    },
    /// It is used for two things.
    Conflict {
        /// What it is used for.
        first: Use,
        /// What else.
        second: Use,
    },
}

impl Finding {
    /// A guest byte that needs the cluster.
    #[must_use]
    pub fn guest(&self) -> Option<GuestOffset> {
        self.owners.first().map(|owner| GuestOffset(owner.start))
    }

    /// The owners, if what they had there may have been overwritten.
    fn crossed(&self) -> &[Range<u64>] {
        match self.kind {
            // Compressed clusters in a host cluster follow each other, and a single owner has
            // no other to overwrite it.
            FindingKind::Refcount { structure, .. }
                if structure == Structure::Stream || self.owners.len() < 2 =>
            {
                &[]
            }
            _ => &self.owners,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = HostOffset(self.host.start);
        let guest = of_guest(self.guest());
        let crossed = crossed(self.crossed());
        match self.kind {
            FindingKind::Refcount {
                structure,
                references,
                refcount,
            } => write!(
                f,
                "{structure}{guest} at host offset {host}: used {references} times, but its refcount is {refcount}{crossed}"
            ),
            FindingKind::Conflict { first, second } => write!(
                f,
                "host cluster at {host}{guest} is used both as {first} and as {second}{crossed}"
            ),
        }
    }
}

impl std::error::Error for Finding {}

/// Where a cluster is needed, as the end of its name.
fn of_guest(guest: Option<GuestOffset>) -> String {
    guest.map_or_else(String::new, |guest| format!(" of guest offset {guest}"))
}

/// Who owns a cluster that has two owners, as the end of a message.
fn crossed(owners: &[Range<u64>]) -> String {
    let guest = |range: &Range<u64>| format!("{:#x}..{:#x}", range.start, range.end);
    match owners {
        [] => String::new(),
        [one] => format!(
            ": what guest bytes {} had there was probably overwritten",
            guest(one)
        ),
        [one, other, ..] => format!(
            ": guest bytes {} and {} share it, and what one of them had there was probably overwritten",
            guest(one),
            guest(other)
        ),
    }
}
