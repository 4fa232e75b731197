//! What became of a directory.

use std::fmt;

use crate::directory::entries::Rewritten;

/// Why an indexed directory is one without an index now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unindexed {
    /// The names in the order of their new hashes need more blocks than the
    /// directory has.
    Overflow,
    /// The hash of a name depends on rules for case that are not on the disk.
    Casefold,
    /// Something was wrong with the index, or with a block of entries.
    Damaged,
    /// The directory is larger than what is held in memory, or has holes.
    Size,
}

impl fmt::Display for Unindexed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overflow => "its names need more blocks in the order of their new hashes",
            Self::Casefold => "the hashes of names that ignore case are not known",
            Self::Damaged => "its index or a block of entries is damaged",
            Self::Size => "it is larger than what is held in memory, or has holes",
        })
    }
}

/// What became of a directory, or of a block of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) names: u64,
    /// Blocks in which something that was no entry was zeroed.
    pub(crate) cleared_blocks: u64,
    /// Whether a name has other bytes than those of ASCII now.
    pub(crate) has_other_than_ascii: bool,
    /// There was an index and there is none.
    pub(crate) unindexed: Option<Unindexed>,
}

impl Outcome {
    pub(crate) fn add(&mut self, block: Rewritten) {
        self.names = self.names.saturating_add(block.names);
        let cleared = u64::from(block.cleared);
        self.cleared_blocks = self.cleared_blocks.saturating_add(cleared);
        self.has_other_than_ascii |= block.has_other_than_ascii;
    }
}
