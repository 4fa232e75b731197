//! Whether the files that an image names are opened, and by whom.

#[cfg(feature = "files")]
pub(crate) mod files;

use std::error::Error;
use std::fmt;

/// What an image needs another file for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReferenceKind {
    /// What it does not allocate.
    BackingFile,
    /// Its guest data.
    DataFile,
}

impl fmt::Display for ReferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BackingFile => "backing file",
            Self::DataFile => "data file",
        })
    }
}

/// How a backing file is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackingFormat {
    /// As it is.
    Raw,
    /// As another image.
    Qcow2,
}

impl BackingFormat {
    /// The format that an image calls by this name.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"raw" => Some(Self::Raw),
            b"qcow2" => Some(Self::Qcow2),
            _ => None,
        }
    }
}

/// A file that an image needs. The names in it are the image's own text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'r> {
    /// What for.
    pub kind: ReferenceKind,
    /// Its name, where the image has one: a data file need not have one.
    pub name: Option<&'r [u8]>,
    /// The name of a backing file's format, where the image has one.
    pub format: Option<&'r [u8]>,
    /// The layer that needs it: 0 is the image that was opened, 1 its backing
    /// file, and so on.
    pub layer: usize,
}

/// Why a file that an image needs is not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceFault {
    /// It is not allowed.
    #[error("files that an image names are opened only if that is allowed")]
    NotAllowed,
    /// The image says that there is one, and not which.
    #[error("the image does not name it")]
    NoName,
    /// The name asks for more than to open a file.
    #[error("only plain paths are opened, no protocols and no JSON")]
    Protocol,
    /// The name is absolute or goes up.
    #[error("it does not lie beneath the folder of the image")]
    Outside,
    /// The image does not say how its backing file is stored, and that is never
    /// guessed: raw data may look like an image.
    #[error("the image does not name its format, which is never guessed")]
    NoFormat,
    /// A format that is not supported.
    #[error("its format is {name:?}, only raw and qcow2 are supported")]
    Format {
        /// The name, as stored; bytes that are not UTF-8 are replaced.
        name: String,
    },
    /// It is already one of the layers or data files.
    #[error("the image depends on it already: the files form a loop")]
    Loop,
    /// There are more layers than the limit.
    #[error("there are more than {max} layers")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// It cannot be opened.
    #[error("it cannot be used")]
    File(#[source] Box<dyn Error + Send + Sync>),
}

/// Decides which of the files that an image needs are opened, and opens them.
pub trait Gate<S> {
    /// Opens a backing file, and says how it is stored.
    ///
    /// # Errors
    ///
    /// Why it is not opened.
    fn backing_file(
        &mut self,
        reference: &Reference<'_>,
    ) -> Result<(S, BackingFormat), ReferenceFault>;

    /// Opens an external data file.
    ///
    /// # Errors
    ///
    /// Why it is not opened.
    fn data_file(&mut self, reference: &Reference<'_>) -> Result<S, ReferenceFault>;
}

/// The gate that is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closed;

impl<S> Gate<S> for Closed {
    fn backing_file(
        &mut self,
        _reference: &Reference<'_>,
    ) -> Result<(S, BackingFormat), ReferenceFault> {
        Err(ReferenceFault::NotAllowed)
    }

    fn data_file(&mut self, _reference: &Reference<'_>) -> Result<S, ReferenceFault> {
        Err(ReferenceFault::NotAllowed)
    }
}
