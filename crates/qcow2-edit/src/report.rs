//! What became of an image.

use crate::error::Error;

/// What became of an image that was changed.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Changed {
    /// Length of the file before, in bytes.
    pub file_bytes_before: u64,
    /// Length of the file now, in bytes.
    pub file_bytes: u64,
    /// Why the last steps failed, if they did. The image is what was asked for all the
    /// same: flags that save a look at the refcounts are not set, or the file keeps
    /// space that nothing uses.
    pub unfinished: Option<Error>,
}
