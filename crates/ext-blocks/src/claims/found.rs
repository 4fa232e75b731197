//! A claim that was found.

use ext_format::finding::Claim;

/// A claim, and where its signature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) claim: Claim,
    /// In bytes from the start of the disk.
    pub(crate) at: u64,
}
