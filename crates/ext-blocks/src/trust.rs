//! What the used set rests on, and how the filesystem was left.

pub(crate) mod backup;
pub(crate) mod fingerprint;
pub mod mmp;

pub use ext_format::finding::{Allowed, Distrust, FeatureWord, JournalFault};

/// What the used set rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// The block bitmaps, group by group.
    Bitmaps,
    /// The log of a journal device, which holds no filesystem.
    Log,
    /// Nothing was asked, see [`Evidence::Nothing`]: every byte of the disk is used.
    NotAsked,
    /// Nothing: every byte of the disk is used, because of this.
    Nothing(Distrust),
}

/// What else claims the disk of a filesystem, by its name, and where its signature is in
/// bytes from the start of the disk: with it, no block is proven free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtherClaim {
    /// The disk may be or hold something else.
    Disk {
        /// What it is called.
        by: &'static str,
        /// Where.
        at: u64,
    },
    /// Hashes cover the whole filesystem.
    FreeBlocks {
        /// What they are called.
        by: &'static str,
        /// Where.
        at: u64,
    },
}

/// What has to prove that a block is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evidence {
    /// The block bitmaps, and all inodes: a block to which one of them refers is
    /// used, whatever the bitmaps say.
    #[default]
    Inodes,
    /// The block bitmaps alone, where all of them have checksums that are right;
    /// elsewhere the inodes, too.
    Checksums,
    /// The block bitmaps alone. For callers who leave nothing out by them, such as
    /// those who look for metadata.
    Bitmaps,
    /// Nothing is looked at but the superblock and the journal, and every byte is used.
    /// For callers who replay the journal, and look at what that gives.
    Nothing,
}

/// How a filesystem whose bitmaps are believed was left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unclean {
    /// What its journal holds.
    pub log: Option<LogState>,
    /// Why its bitmaps are not enough: they are joined with the blocks that
    /// inodes refer to.
    pub state: Option<Distrust>,
}

impl Unclean {
    /// Whether it was left as it should be.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.log.is_none() && self.state.is_none()
    }

    /// Whether the log holds fast commits.
    pub(crate) fn has_fast_commits(&self) -> bool {
        self.log.is_some_and(|log| log.fast_commits > 0)
    }
}

/// A journal that has not been replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error(
    "the journal holds {transactions} transactions and {fast_commits} fast commits that have not been replayed"
)]
pub struct LogState {
    /// Transactions that a replay takes in.
    pub transactions: u32,
    /// Fast commits after them.
    pub fast_commits: u32,
}
