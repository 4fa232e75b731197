//! What ends the reading of a table: storage that cannot be read.

use std::fmt;
use std::io;

use blockio::ReadAt;

/// Why the table of a disk cannot be read.
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

/// The families of [`Error`] and [`Damage`](super::Damage).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The storage below failed.
    Io,
    /// The table contradicts itself, or the disk.
    Corrupt,
    /// The table is made in a way that this crate does not know.
    Unsupported,
    /// Nothing is wrong; it is unusual.
    Notice,
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

/// A structure of a partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// The first sector.
    BootRecord,
    /// An extended boot record.
    ExtendedBootRecord,
    /// A GPT header.
    GptHeader,
    /// A GPT entry array.
    GptArray,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BootRecord => "master boot record",
            Self::ExtendedBootRecord => "extended boot record",
            Self::GptHeader => "GPT header",
            Self::GptArray => "GPT entry array",
        })
    }
}

/// Fills `buf` with the bytes at `offset`, where `structure` lies.
pub(super) fn fill(
    disk: &dyn ReadAt,
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
