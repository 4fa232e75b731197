//! Which filesystem is looked for, and what of it counts.

use clap::Args;
use ext_blocks::SuperblockAt;
use ext_blocks::discardable::Discardable;

use super::choice::{ContentArg, DropArg, TailArg, TrustArg, parse_block_size};

#[derive(Args, Debug)]
pub(crate) struct FilesystemArgs {
    /// What to store
    #[arg(long, default_value = "used")]
    pub(crate) content: ContentArg,

    /// The bytes behind the end of the filesystem
    #[arg(long, default_value = "keep")]
    pub(crate) tail: TailArg,

    /// Keep what lies in inode tables that were never used, which is not part
    /// of the filesystem; otherwise they read as zeros
    #[arg(long)]
    pub(crate) keep_uninit: bool,

    /// What has to prove that a block is free. Bitmaps alone save the time to look at
    /// all inodes, where the filesystem has checksums; a block that a wrong bitmap
    /// with a right checksum calls free is lost then
    #[arg(long, value_name = "WHAT", default_value = "inodes")]
    pub(crate) trust: TrustArg,

    /// Leave out what is in use and yet never read: the blocks of unwritten extents,
    /// which read as zeros whatever they hold, and the body of a journal in which
    /// nothing is left to be replayed. Only where the filesystem is clean and
    /// every inode is sound
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    drop: Vec<DropArg>,

    /// Go by the copy of the superblock in block BLOCK, whatever is in the first.
    /// The filesystem then counts as one that was not left clean. A damaged
    /// superblock is replaced by a copy without this, if it can still be told to
    /// be one
    #[arg(long, value_name = "BLOCK", requires = "block_size")]
    superblock: Option<u64>,

    /// Size of the blocks that --superblock counts in: 1K to 64K
    #[arg(long, value_name = "SIZE", requires = "superblock", value_parser = parse_block_size)]
    block_size: Option<u64>,
}

impl FilesystemArgs {
    /// What is left out, if anything is.
    pub(crate) fn droppable(&self) -> Option<Discardable> {
        let mut what = Discardable::default();
        what.unwritten = self.drop.contains(&DropArg::Unwritten);
        what.journal = self.drop.contains(&DropArg::Journal);
        (!self.drop.is_empty()).then_some(what)
    }

    /// The superblock that was asked for.
    pub(crate) fn superblock(&self) -> Option<SuperblockAt> {
        Some(SuperblockAt {
            block: self.superblock?,
            block_bytes: self.block_size?,
        })
    }
}
