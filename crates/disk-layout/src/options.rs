//! What is asked of a disk.

use std::fmt;
use std::num::NonZeroUsize;

use blockio::NewSpool;
use ext_blocks::SuperblockAt;

/// What is asked of a disk, and what is known of it beforehand.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Options<'a> {
    /// What is kept.
    pub keep: Keep,
    /// What has to prove that a block is free.
    pub proof: Proof,
    /// Used bytes that are left out all the same.
    pub discard: Discard,
    /// Leaves out the bytes after the end of a filesystem that proves what is free in it.
    pub drop_tail: bool,
    /// Keeps the parts of inode tables that never held an inode as data; otherwise they
    /// read as zeros.
    pub keep_uninit: bool,
    /// The superblock to go by instead of the first. There has to be one.
    pub superblock: Option<SuperblockAt>,
    /// Who may write to the disk while it is read: nothing is proven free then. The text
    /// begins the reason in the report.
    pub in_use: Option<String>,
    /// If the content cannot be read, the disk is kept whole instead of an error. Metadata
    /// needs to be read all the same.
    pub salvage: bool,
    /// The disk is looked at only for a view of it, such as that after its journal was
    /// replayed: nothing is proven free, and every byte is used.
    pub preliminary: bool,
    /// Threads that look at the content; `None` is as many as the machine runs at once.
    /// What is found does not depend on them.
    pub threads: Option<NonZeroUsize>,
    /// Bytes of the sectors that an MBR on the disk counts in, which it does not store: the
    /// logical sectors of the device; `None` is 512.
    pub sector_bytes: Option<u32>,
    /// Where a provider keeps what is too large for memory. Without it, it reads such
    /// parts of the disk again.
    pub spool: Option<NewSpool<'a>>,
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("keep", &self.keep)
            .field("proof", &self.proof)
            .field("discard", &self.discard)
            .field("drop_tail", &self.drop_tail)
            .field("keep_uninit", &self.keep_uninit)
            .field("superblock", &self.superblock)
            .field("in_use", &self.in_use)
            .field("salvage", &self.salvage)
            .field("preliminary", &self.preliminary)
            .field("threads", &self.threads)
            .field("sector_bytes", &self.sector_bytes)
            .field("spool", &self.spool.is_some())
            .finish()
    }
}

/// What is kept of a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Keep {
    /// What a filesystem uses; everything where there is none, or something else claims
    /// the disk as well.
    #[default]
    Used,
    /// What an ext filesystem uses, whatever else claims the disk. There has to be one.
    Ext,
    /// The metadata of a filesystem, without the contents of files. There has to be one.
    Metadata,
    /// Everything, without looking at it.
    All,
}

/// What has to prove that a block is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Proof {
    /// The filesystem's map of free blocks, and that none of its files refers to the block.
    #[default]
    References,
    /// The map alone, if all of it has checksums that are right; else as
    /// [`References`](Self::References).
    Checksums,
}

/// What is in use, and yet never read. It is left out only of a filesystem that is clean
/// and sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Discard {
    /// The contents of unwritten extents, which read as zeros whatever they hold.
    pub unwritten: bool,
    /// The body of a journal in which nothing is left to be replayed.
    pub journal: bool,
}

impl Discard {
    /// Whether anything is to be left out.
    #[must_use]
    pub const fn is_any(self) -> bool {
        self.unwritten || self.journal
    }
}
