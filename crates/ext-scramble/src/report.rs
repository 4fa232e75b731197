//! What was done.

use crate::directory::{Outcome, Unindexed};

/// Directories without an index that are told one by one; the rest are only
/// counted.
const UNINDEXED_MAX: usize = 1000;

/// What scrambling a filesystem did to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScrambleReport {
    /// Directories, those in inodes included.
    pub directories: u64,
    /// Names in directories that were replaced, `.` and `..` counted.
    pub names: u64,
    /// Indexed directories that were sorted again.
    pub sorted_directories: u64,
    /// Indexed directories that have no index any more, by inode: the first
    /// 1000.
    pub unindexed: Vec<(u32, Unindexed)>,
    /// How many there are, those not told included.
    pub unindexed_total: u64,
    /// Targets of symbolic links that were replaced.
    pub links: u64,
    /// Blocks and inodes in which something was zeroed because it could not be
    /// told apart from names.
    pub cleared: u64,
    /// Inodes not in use that held something.
    pub cleared_inodes: u64,
    /// Inodes whose map is damaged, so that some of their blocks may be
    /// missing.
    pub damaged_maps: u64,
    /// Blocks that are claimed by a directory, a link or an attribute and by
    /// something else, and were left out.
    pub disputed_blocks: u64,
    /// Whether names that are not UTF-8 were allowed in directories that
    /// ignore case, because some are not any more.
    pub strict_encoding_dropped: bool,
}

impl ScrambleReport {
    pub(super) fn add_directory(&mut self, inode: u32, is_indexed: bool, outcome: Outcome) {
        self.directories = self.directories.saturating_add(1);
        self.names = self.names.saturating_add(outcome.names);
        self.cleared = self.cleared.saturating_add(outcome.cleared_blocks);
        match outcome.unindexed {
            Some(reason) => {
                self.unindexed_total = self.unindexed_total.saturating_add(1);
                if self.unindexed.len() < UNINDEXED_MAX {
                    self.unindexed.push((inode, reason));
                }
            }
            None if is_indexed => {
                self.sorted_directories = self.sorted_directories.saturating_add(1);
            }
            None => {}
        }
    }
}
