//! What ends a run: storage that cannot be read. Everything wrong with the
//! filesystem itself is not an error: it makes more of the disk used.

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
        /// What was to be read.
        structure: Structure,
        /// Where, in bytes from the start of the disk.
        offset: u64,
        /// What the storage reported.
        #[source]
        source: io::Error,
    },
    /// A temporary file failed.
    #[error("a temporary file cannot be used")]
    Spool(#[source] io::Error),
}

/// Why there is no answer: storage that failed, or a reason `W` in what is stored.
#[derive(Debug, thiserror::Error)]
pub enum Halt<W> {
    /// The storage failed.
    #[error(transparent)]
    Failed(#[from] Error),
    /// What is stored does not allow it.
    #[error("{0}")]
    Refused(W),
}

impl<W> Halt<W> {
    /// The same with another reason.
    pub fn map<V>(self, reason: impl FnOnce(W) -> V) -> Halt<V> {
        match self {
            Self::Failed(error) => Halt::Failed(error),
            Self::Refused(why) => Halt::Refused(reason(why)),
        }
    }

    /// The reason as a value, and what failed as the error.
    ///
    /// # Errors
    ///
    /// [`Error`] if the storage failed.
    pub fn reason(self) -> Result<W, Error> {
        match self {
            Self::Failed(error) => Err(error),
            Self::Refused(why) => Ok(why),
        }
    }
}

/// The families of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The storage below failed.
    Io,
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
    /// The superblock, 1024 bytes at byte 1024.
    Superblock,
    /// Blocks of the group descriptor table.
    Descriptors,
    /// Block bitmaps.
    BlockBitmap,
    /// Inode bitmaps.
    InodeBitmap,
    /// An inode.
    Inode,
    /// Blocks of a directory.
    Directory,
    /// A block of an extent tree, or an indirect block.
    MappingBlock,
    /// Contents of a file that is the filesystem's own, the target of a link or
    /// the value of an attribute.
    Contents,
    /// A block of extended attributes.
    Attributes,
    /// The multiple mount protection block.
    Mmp,
    /// Blocks of a journal.
    Journal,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Superblock => "superblock",
            Self::Descriptors => "group descriptor table",
            Self::BlockBitmap => "block bitmap",
            Self::InodeBitmap => "inode bitmap",
            Self::Inode => "inode",
            Self::Directory => "directory",
            Self::MappingBlock => "extent or indirect block",
            Self::Contents => "target of a link, attribute value or file of the filesystem",
            Self::Attributes => "extended attribute block",
            Self::Mmp => "multiple mount protection block",
            Self::Journal => "journal",
        })
    }
}

/// Fills `buf` with the bytes at `offset`, where `structure` lies.
///
/// # Errors
///
/// [`Error::Read`] if the storage fails.
pub fn read<R: ReadAt + ?Sized>(
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
