//! What is reported on.

use std::fmt;
use std::ops::Range;

use blockio::{ReadAt, Tiling};
use qcow2_map::ImageMap;

/// Most parts that are counted: what comes after the first of them is left out.
pub const PARTS_MAX: usize = 256;

/// A disk that is reported on.
#[non_exhaustive]
pub struct Subject<'s, S> {
    /// What of the disk is in use.
    pub used: &'s dyn Tiling,
    /// Where its bytes are.
    pub storage: Storage<'s, S>,
    /// The ranges of parts of the disk, such as partitions, whose bytes are counted for
    /// themselves, too. Parts may lie in one another.
    pub parts: Vec<Vec<Range<u64>>>,
}

/// Where the bytes of a disk are.
pub enum Storage<'s, S> {
    /// In an image, and in the files that it depends on.
    Image(&'s ImageMap<S>),
    /// This is the disk.
    Raw(&'s S),
}

impl<'s, S: ReadAt> Subject<'s, S> {
    /// A disk without parts.
    #[must_use]
    pub fn new(used: &'s dyn Tiling, storage: Storage<'s, S>) -> Self {
        Self {
            used,
            storage,
            parts: Vec::new(),
        }
    }

    /// Length of the disk in bytes.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        match self.storage {
            Storage::Image(map) => map.size(),
            Storage::Raw(disk) => disk.size(),
        }
    }
}

impl<S> fmt::Debug for Subject<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for Storage<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(map) => f.debug_tuple("Image").field(map).finish(),
            Self::Raw(_) => f.write_str("Raw"),
        }
    }
}
