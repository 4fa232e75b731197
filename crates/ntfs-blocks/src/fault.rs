//! What can be wrong with a record, a page or an attribute.

use std::fmt;

/// What is wrong with a structure. The text follows its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It does not begin with the bytes that it must begin with.
    #[error("begins with {found:02x?}")]
    Signature {
        /// Its first bytes.
        found: [u8; 4],
    },
    /// The update sequence is not where one can be, or has not one entry for each stride
    /// of 512 bytes.
    #[error("has no update sequence for its length (offset {offset}, count {count})")]
    UpdateSequence {
        /// Where it should be, in bytes.
        offset: u16,
        /// Its entries.
        count: u16,
    },
    /// A stride of 512 bytes that was not written with the others.
    #[error("was written in part: stride {stride} of 512 bytes is of another time")]
    Torn {
        /// Which one, from 0.
        stride: u64,
    },
    /// It names another place as its own.
    #[error("says that it is number {found}")]
    Number {
        /// As stored.
        found: u64,
    },
    /// A length or an offset that does not fit.
    #[error("has {field} {found}, which does not fit")]
    Field {
        /// What it holds.
        field: &'static str,
        /// As stored.
        found: u64,
    },
    /// It ends without the mark that ends it.
    #[error("has no end")]
    NoEnd,
    /// It is not in use, or not of the file that refers to it.
    #[error("is not in use, or has been reused")]
    NotInUse,
    /// It is missing, or of another form.
    #[error("is missing, or not of the form it must have")]
    Missing,
    /// A run of clusters that is none.
    #[error("has a run at byte {at} of its run list that is none")]
    Run {
        /// Where in the run list.
        at: u64,
    },
    /// A run of clusters that do not exist.
    #[error("has a run of {length} clusters from {first} on, which do not exist")]
    Outside {
        /// The first cluster.
        first: i64,
        /// How many.
        length: u64,
    },
    /// Runs that are more or fewer clusters than its length asks for.
    #[error("has runs of {found} clusters, its length asks for {needed}")]
    Span {
        /// Clusters of all runs.
        found: u64,
        /// Clusters that there must be.
        needed: u64,
    },
    /// A part that must be stored is not.
    #[error("has holes, or is compressed or encrypted")]
    Holes,
    /// Longer than it can be.
    #[error("has {found} bytes, at most {limit} are followed")]
    TooLong {
        /// Its length.
        found: u64,
        /// The most.
        limit: u64,
    },
}

/// The type of an attribute, which prints as the name of the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(pub u32);

impl Kind {
    pub(crate) const LIST: Self = Self(0x20);
    pub(crate) const FILE_NAME: Self = Self(0x30);
    pub(crate) const VOLUME_NAME: Self = Self(0x60);
    pub(crate) const VOLUME_INFORMATION: Self = Self(0x70);
    pub(crate) const DATA: Self = Self(0x80);
    pub(crate) const INDEX_ROOT: Self = Self(0x90);
    pub(crate) const INDEX_ALLOCATION: Self = Self(0xa0);
    pub(crate) const BITMAP: Self = Self(0xb0);
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0x10 => "$STANDARD_INFORMATION",
            0x20 => "$ATTRIBUTE_LIST",
            0x30 => "$FILE_NAME",
            0x60 => "$VOLUME_NAME",
            0x70 => "$VOLUME_INFORMATION",
            0x80 => "$DATA",
            0x90 => "$INDEX_ROOT",
            0xa0 => "$INDEX_ALLOCATION",
            0xb0 => "$BITMAP",
            0xc0 => "$REPARSE_POINT",
            other => return write!(f, "{other:#x}"),
        };
        f.write_str(name)
    }
}
