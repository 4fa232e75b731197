//! Why there is no report.

use blockio::BoxError;
use qcow2_map::ErrorKind;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The tables of the image are damaged, or cannot be read.
    #[error(transparent)]
    Image(#[from] qcow2_map::Error),
    /// The image cannot be checked.
    #[error(transparent)]
    Check(#[from] qcow2_check::Error),
    /// What of the disk is in use cannot be told.
    #[error("what of the disk is in use cannot be told")]
    Used(#[source] BoxError),
    /// The disk cannot be read.
    #[error("the disk cannot be read")]
    Read(#[source] std::io::Error),
    /// What of the disk is in use, and where it is, do not tile it both.
    #[error("nothing is known of the disk from byte {at:#x} on, and it has {size} bytes")]
    Gap {
        /// The first byte of which nothing is known.
        at: u64,
        /// Bytes of the disk.
        size: u64,
    },
    /// The file has too many clusters in use for a picture.
    #[error("the image uses more than {max} clusters of its file, too many for a picture")]
    TooManyClusters {
        /// Most clusters.
        max: u64,
    },
    /// The disk is in too many pieces, which a small image may say by tables that it uses
    /// again and again.
    #[error("the disk is in more than {max} pieces, too many for a picture")]
    TooManyPieces {
        /// Most pieces.
        max: u64,
    },
    /// The caller ended it.
    #[error("ended before it was done")]
    Ended,
    /// The page could not be made.
    #[error("the page cannot be made")]
    Page(#[from] minijinja::Error),
    /// The numbers of the page could not be made.
    #[error("the page cannot be made")]
    Json(#[from] serde_json::Error),
}

impl Error {
    /// What sort of trouble this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Image(error) => error.kind(),
            Self::Check(error) => error.kind(),
            Self::Used(_) | Self::Read(_) => ErrorKind::Io,
            Self::TooManyClusters { .. } | Self::TooManyPieces { .. } => ErrorKind::Limit,
            Self::Ended => ErrorKind::Stopped,
            Self::Gap { .. } | Self::Page(_) | Self::Json(_) => ErrorKind::Internal,
        }
    }
}
