//! The place of a superblock, the first or a copy.

use crate::superblock::SUPERBLOCK_OFFSET;

/// Where a superblock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SuperblockAt {
    /// The block it is in; in block 0 it begins at byte 1024.
    pub block: u64,
    /// Size of a block in bytes.
    pub block_bytes: u64,
}

impl SuperblockAt {
    /// Offset on the disk in bytes.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        match self.block {
            0 => SUPERBLOCK_OFFSET,
            block => block.saturating_mul(self.block_bytes),
        }
    }
}
