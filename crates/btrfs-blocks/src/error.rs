//! What ends a run: storage that cannot be read. Everything wrong with the filesystem
//! itself is no error: it makes all of the disk used.

use std::fmt;
use std::io;

use blockio::ReadAt;

/// Why a disk could not be examined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The storage failed.
    #[error("{structure} at byte {offset:#x} cannot be read")]
    Read {
        /// What lies there.
        structure: Structure,
        /// Where, in bytes from the start of the disk.
        offset: u64,
        /// What the storage reported.
        #[source]
        source: io::Error,
    },
}

/// The families of [`Error`] and [`Distrust`](crate::Distrust).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The storage below failed.
    Io,
    /// The filesystem contradicts itself, or the disk.
    Corrupt,
    /// A feature, or a size, that this crate does not know.
    Unsupported,
    /// Something is under way, or the filesystem says that it has errors.
    Unclean,
    /// What decides is on another device.
    Incomplete,
}

impl Error {
    /// The family this error belongs to.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { .. } => ErrorKind::Io,
        }
    }
}

/// A structure on the disk that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// A superblock.
    Superblock,
    /// A block of a tree.
    TreeBlock,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Superblock => "superblock",
            Self::TreeBlock => "tree block",
        })
    }
}

/// Fills `buf` with the bytes at `offset`, where `structure` lies.
pub(crate) fn fill<R: ReadAt + ?Sized>(
    disk: &R,
    structure: Structure,
    offset: u64,
    buf: &mut [u8],
) -> Result<(), Error> {
    disk.read_at(offset, buf).map_err(|source| Error::Read {
        structure,
        offset,
        source,
    })
}
