//! What ends a run: storage that cannot be read. Everything wrong with the filesystem
//! itself is no error: it makes more of the disk used.

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
    /// What was stored aside because it is too large for memory cannot be read back.
    #[error("free space that was stored aside cannot be read back")]
    Spool(#[source] io::Error),
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
    /// The filesystem was not unmounted, or needs a repair.
    Unclean,
}

impl Error {
    /// The family this error belongs to.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { .. } | Self::Spool(_) => ErrorKind::Io,
        }
    }
}

/// A structure on the disk that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// A superblock.
    Superblock,
    /// The headers of an allocation group: copy of the superblock, AGF, AGI and AGFL.
    GroupHeaders,
    /// A block of a btree.
    BtreeBlock,
    /// Inodes.
    Inodes,
    /// A block of a directory, of attributes, or of a symbolic link.
    FileBlock,
    /// The log.
    Log,
    /// Metadata that the log changes.
    LoggedMetadata,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Superblock => "XFS superblock",
            Self::GroupHeaders => "headers of an XFS allocation group",
            Self::BtreeBlock => "block of an XFS btree",
            Self::Inodes => "XFS inodes",
            Self::FileBlock => "block of an XFS directory or attribute",
            Self::Log => "XFS log",
            Self::LoggedMetadata => "metadata that the XFS log changes",
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

/// What ends an examination.
#[derive(Debug)]
pub(crate) enum Halt<D> {
    /// What was examined is not believed.
    Distrust(D),
    /// The storage failed.
    Read(Error),
}

impl<D> From<Error> for Halt<D> {
    fn from(error: Error) -> Self {
        Self::Read(error)
    }
}
