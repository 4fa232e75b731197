//! What knows a kind of content: one implementation of these traits for each.

use std::fmt;
use std::sync::Arc;

use blockio::{ReadAt, Tiling, Window};
use ext_blocks::Filesystem;

use crate::claims::{Claim, Found};
use crate::error::Error;
use crate::options::Options;
use crate::report::ContentReport;

/// The disk that is looked at.
pub type Source<'d> = Arc<dyn ReadAt + 'd>;

/// A part of a disk, such as a partition, or all of it. Offsets count from its start.
pub type Part<'d> = Window<Source<'d>>;

/// An ext filesystem on a disk.
pub type ExtFilesystem<'d> = Filesystem<Part<'d>>;

/// Knows a kind of content.
pub trait Provider: Send + Sync {
    /// Looks whether the content of `part` is of this kind, by a few reads.
    ///
    /// # Errors
    ///
    /// [`Error::Content`] if the part cannot be read.
    fn probe<'d>(&self, part: &Part<'d>, options: &Options<'_>) -> Result<Probe<'d>, Error>;
}

/// What a provider says of a part.
pub enum Probe<'d> {
    /// The content is of another kind.
    NotMine,
    /// The content is of another kind, and the superblock of something that was there
    /// once is left over.
    Relic {
        /// Where, in bytes from the start of the part.
        at: u64,
    },
    /// The content is of this kind, unless something else claims the part.
    Mine(Box<dyn Candidate<'d> + 'd>),
}

impl fmt::Debug for Probe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMine => f.write_str("NotMine"),
            Self::Relic { at } => f.debug_struct("Relic").field("at", at).finish(),
            Self::Mine(_) => f.write_str("Mine"),
        }
    }
}

/// Content that was found by its signature, and is not looked into yet.
pub trait Candidate<'d> {
    /// What of it is believed so far, which decides what other claims are looked for.
    fn belief(&self) -> Belief;

    /// Its own signatures among those of [`claims`](crate::claims), which do not stand
    /// against it.
    fn own(&self) -> &'static [Claim] {
        &[]
    }

    /// Looks into it, given what else claims the part.
    ///
    /// Nothing may be [`Free`](blockio::ExtentKind::Free) if there is such a claim, or if
    /// anything about the content is in doubt. What is wrong with it is no error: it makes
    /// more of the part used, and the report says so. Content that does not know its
    /// metadata refuses [`Keep::Metadata`](crate::Keep::Metadata).
    ///
    /// # Errors
    ///
    /// [`Error::Content`] or [`Error::Discard`] if the part cannot be read,
    /// [`Error::NoMetadata`].
    fn open(
        self: Box<Self>,
        claim: Option<OtherClaim>,
        options: &Options<'_>,
    ) -> Result<Box<dyn Content + 'd>, Error>;
}

/// What of a candidate is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Belief {
    /// Nothing: nothing of it will be free, whatever else is on the disk.
    Nothing,
    /// Its signature, but it has no end.
    Signature,
    /// Its signature, and where it ends.
    Bytes {
        /// Its length in bytes.
        bytes: u64,
    },
}

/// What else claims a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtherClaim {
    /// The part may be or hold something else.
    Part(Found),
    /// Hashes over the whole content are right only while its free bytes hold what they
    /// hold.
    FreeBytes(Found),
}

impl fmt::Display for OtherClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(Found { claim, at }) => write!(
                f,
                "the disk is also claimed by {claim} (signature at byte {at:#x})"
            ),
            Self::FreeBytes(Found { claim, at }) => write!(
                f,
                "{claim} (signature at byte {at:#x}) covers the free blocks, too"
            ),
        }
    }
}

/// Content that was looked into: it says what each byte of its part is, and why.
pub trait Content: Tiling {
    /// What is known of it.
    fn report(&self) -> ContentReport;

    /// The filesystem, if it is one of the ext family: for views that only it has, such as
    /// the disk after recovery.
    fn as_ext(&self) -> Option<&ExtFilesystem<'_>> {
        None
    }
}
