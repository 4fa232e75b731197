//! Where the stored bytes of a disk come from.

pub(crate) mod arrived;
pub(crate) mod files;
pub(crate) mod pipe;

use std::ops::Range;

use crate::error::Error;

/// Where the stored bytes of batches come from.
pub(crate) trait Source {
    /// Fills `bytes` with the plain bytes at `host` of the file with index `file`,
    /// which are those of `guest`.
    fn plain(
        &mut self,
        guest: &Range<u64>,
        file: usize,
        host: u64,
        bytes: &mut [u8],
    ) -> Result<(), Error>;

    /// Fills `bytes` with the streams at `host`, the first of which is for the
    /// guest offset `guest`, and says how many bytes there are: fewer only where
    /// the file ends.
    fn streams(
        &mut self,
        guest: u64,
        file: usize,
        host: u64,
        bytes: &mut [u8],
    ) -> Result<usize, Error>;

    /// Length of a file, or the largest number while that is not known.
    fn file_bytes(&self, file: usize) -> u64;
}
