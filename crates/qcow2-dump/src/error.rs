//! Why nothing can be said of an image.

use std::io;

/// Why nothing can be said of an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its header cannot be read, or is wrong.
    #[error(transparent)]
    Header(#[from] qcow2_map::Error),
    /// Bytes of it cannot be read.
    #[error("{length} bytes at offset {offset:#x} of the image cannot be read")]
    Read {
        /// Where they are.
        offset: u64,
        /// How many there are.
        length: u64,
        /// What the storage says.
        source: io::Error,
    },
}
