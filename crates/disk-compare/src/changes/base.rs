//! What a disk is compared with.

use std::fmt;

use blockio::{ReadAt, Tiling};

use crate::index::DigestIndex;

/// What a disk is compared with.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Base<'a> {
    /// Another disk. `stored` tells where it holds data; elsewhere it reads as zeros, and
    /// is not read.
    Disk {
        /// Its bytes.
        disk: &'a dyn ReadAt,
        /// Where they may be other than zeros.
        stored: &'a dyn Tiling,
    },
    /// The digests of another disk, which is not read. The units must be those of the
    /// comparison.
    Index(&'a DigestIndex<'a>),
    /// Zeros.
    Nothing,
}

impl fmt::Debug for Base<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disk { .. } => "Disk",
            Self::Index(_) => "Index",
            Self::Nothing => "Nothing",
        })
    }
}
