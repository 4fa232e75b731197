//! A claim that was found.

use super::claim::Claim;

/// A claim to a disk, and where its signature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The format.
    pub claim: Claim,
    /// Where its signature is, in bytes from the start of the disk.
    pub at: u64,
}
