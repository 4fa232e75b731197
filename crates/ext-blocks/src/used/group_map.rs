//! What a survey gives: which groups are trusted, and with what.

use ext_format::group::Verdict;
use ext_format::runs::BlockRun;

use crate::used::clusters::UsedClusters;

/// What must be known of the groups to tell which blocks are used.
#[derive(Debug)]
pub(crate) struct GroupMap {
    /// One a group.
    pub(crate) verdicts: Vec<Verdict>,
    /// What is used of the groups that are not used as a whole, so far as it is kept.
    pub(crate) clusters: UsedClusters,
    /// Blocks of inode tables that never held an inode: ascending, disjoint,
    /// all used according to the verdicts, and nothing else's.
    pub(crate) uninit: Vec<BlockRun>,
    /// Blocks that are used whatever the bitmaps say, ascending and disjoint,
    /// where bitmaps are joined with others; see [`Joiner`](crate::used::bitmap_union::Joiner).
    pub(crate) joined: Option<Vec<BlockRun>>,
}
