//! What became of an image.

use std::ops::Range;

use crate::damage::Damage;
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

/// What became of an image that was repaired.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Repaired {
    /// What was changed.
    pub changed: Changed,
    /// Parts of disks that shared a cluster with something else, and may hold what it
    /// wrote. Each has a cluster of its own now.
    pub doubtful: Vec<Doubt>,
    /// What needs a decision, and was left as it is; at most 1,000 of each kind.
    pub left: Vec<Damage>,
}

/// A part of a disk that may not hold what was written to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Index in the snapshot table, or `None` for the disk.
    pub snapshot: Option<usize>,
    /// The bytes of the disk.
    pub guest: Range<u64>,
}
