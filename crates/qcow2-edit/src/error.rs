//! Why an image was not changed.

use std::io;

use qcow2_check::Fault;
use qcow2_format::HostOffset;
use qcow2_map::ErrorKind;

use crate::image::damage::Damage;

/// Why an image was not changed. Unless it is [`Self::Undecided`], the image is what it
/// was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The header, the snapshot table or the bitmap directory is wrong, or the image needs
    /// a feature that is not supported.
    #[error(transparent)]
    Map(#[from] qcow2_map::Error),
    /// The image does not agree with itself.
    #[error("the image is damaged: {0}")]
    Damaged(#[from] Damage),
    /// The check has found something that stands in the way.
    #[error("the image is damaged: {0}")]
    Fault(Box<Fault>),
    /// The image cannot be checked.
    #[error(transparent)]
    Check(#[from] qcow2_check::Error),
    /// A structure cannot be stored.
    #[error("{structure} cannot be stored")]
    Unstorable {
        /// The structure.
        structure: &'static str,
        /// Why.
        source: qcow2_format::Error,
    },
    /// A part of the image cannot be read.
    #[error("{structure} at host offset {host} cannot be read")]
    Read {
        /// The structure.
        structure: &'static str,
        /// Where it is.
        host: HostOffset,
        /// What the storage reported.
        source: io::Error,
    },
    /// What is to be written cannot be read.
    #[error("what the disk is to hold at byte {offset:#x} cannot be read")]
    Source {
        /// Where, in bytes from the start of the disk.
        offset: u64,
        /// What the storage reported.
        source: io::Error,
    },
    /// A part of the image cannot be written.
    #[error("{structure} at host offset {host} cannot be written")]
    Write {
        /// The structure.
        structure: &'static str,
        /// Where it would be.
        host: HostOffset,
        /// What the storage reported.
        source: io::Error,
    },
    /// What was written cannot be stored safely.
    #[error("what was written cannot be synced")]
    Sync(#[source] io::Error),
    /// The last step failed: the image is the old one or the new one, and which is not
    /// known.
    #[error("the header cannot be stored: the image is either what it was or what was asked for")]
    Undecided(#[source] io::Error),
    /// The operation is impossible with such an image.
    #[error("{operation} is not possible: {because}")]
    Unsupported {
        /// What was asked for.
        operation: &'static str,
        /// Why not.
        because: &'static str,
    },
    /// A host cluster would be used more often than its refcount can count.
    #[error(
        "the cluster at host offset {host} would be used {found} times, but refcounts of {bits} bits count up to {max}"
    )]
    RefcountWidth {
        /// The cluster.
        host: HostOffset,
        /// How often it would be used.
        found: u64,
        /// The width of a refcount, in bits.
        bits: u32,
        /// The largest refcount.
        max: u64,
    },
    /// What determines the image does not fit into the first sector of the file.
    #[error(
        "the header needs {needed} bytes with its extensions, and {max} can be replaced at once"
    )]
    HeaderTooLarge {
        /// Bytes needed.
        needed: u64,
        /// Bytes that can be replaced at once.
        max: u64,
    },
    /// A number exceeds what the format or its implementations can hold.
    #[error("{what} is {found}, must be {min} to {max}")]
    Limit {
        /// What the number is.
        what: &'static str,
        /// The number.
        found: u64,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// The clusters in use are too far apart for this crate.
    #[error("the image uses clusters in more than {max} parts of {part_bytes} bytes")]
    TooScattered {
        /// Most parts.
        max: usize,
        /// Bytes of a part.
        part_bytes: u64,
    },
    /// There is no such snapshot or bitmap.
    #[error("the image has no {kind} {:?}", String::from_utf8_lossy(name))]
    NotFound {
        /// "snapshot" or "bitmap".
        kind: &'static str,
        /// What was looked for: the image's own text.
        name: Vec<u8>,
    },
    /// There is one of that name already.
    #[error("the image already has a {kind} {:?}", String::from_utf8_lossy(name))]
    Exists {
        /// "snapshot" or "bitmap".
        kind: &'static str,
        /// The name.
        name: Vec<u8>,
    },
    /// A writer did not close the image properly, so that a bitmap missed some writes.
    #[error(
        "the bitmap {:?} was left open by a program that ended early: it can only be removed",
        String::from_utf8_lossy(name)
    )]
    BitmapInUse {
        /// Its name.
        name: Vec<u8>,
    },
    /// A smaller disk would lose its end.
    #[error("the disk would shrink from {found} to {wanted} bytes")]
    WouldShrink {
        /// Its size, in bytes.
        found: u64,
        /// The size asked for, in bytes.
        wanted: u64,
    },
}

impl Error {
    /// Returns the kind of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Map(source) => source.kind(),
            Self::Check(source) => source.kind(),
            Self::Damaged(_) | Self::Fault(_) => ErrorKind::Corrupt,
            Self::Unsupported { .. }
            | Self::HeaderTooLarge { .. }
            | Self::Exists { .. }
            | Self::BitmapInUse { .. }
            | Self::WouldShrink { .. } => ErrorKind::Unsupported,
            Self::Unstorable { .. }
            | Self::RefcountWidth { .. }
            | Self::Limit { .. }
            | Self::TooScattered { .. } => ErrorKind::Limit,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Read { .. }
            | Self::Source { .. }
            | Self::Write { .. }
            | Self::Sync(_)
            | Self::Undecided(_) => ErrorKind::Io,
        }
    }
}
