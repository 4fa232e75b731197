//! Options that decide which parts of a filesystem are stored.

use std::io;

use clap::Args;
use disk_layout::{Keep, Options, Proof, SuperblockAt};

use super::choice::{ContentArg, DropArg, TailArg, TrustArg, parse_block_size};

/// A temporary file without a name.
pub(crate) fn spool() -> io::Result<Box<dyn blockio::Spool>> {
    Ok(Box::new(hostdisk::Spool::new()?))
}

#[derive(Args, Debug)]
pub(crate) struct FilesystemArgs {
    /// What to store
    #[arg(long, default_value = "used")]
    pub(crate) content: ContentArg,

    /// Whether to store the bytes after the end of the filesystem
    #[arg(long, default_value = "keep")]
    pub(crate) tail: TailArg,

    /// Keep the bytes in inode tables that the filesystem has never initialized.
    /// They are not part of the filesystem and otherwise read as zeros
    #[arg(long)]
    pub(crate) keep_uninit: bool,

    /// What proves that a block is free. With bitmaps, the inodes of a filesystem that
    /// has checksums are not read, which saves time; but if a bitmap is wrong and its
    /// checksum is right, the blocks that it wrongly calls free are lost
    #[arg(long, value_name = "WHAT", default_value = "inodes")]
    pub(crate) trust: TrustArg,

    /// Leave out blocks that are in use but never read: those of unwritten extents,
    /// which read as zeros whatever they hold, and those of a journal that has nothing
    /// left to replay. This is done only if the filesystem is clean and every inode
    /// is sound
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    drop: Vec<DropArg>,

    /// Use the backup superblock in block BLOCK instead of the primary superblock.
    /// The filesystem then counts as not cleanly unmounted. Without this option, a
    /// backup is used if the primary is damaged but still recognizable as a superblock
    #[arg(long, value_name = "BLOCK", requires = "block_size")]
    superblock: Option<u64>,

    /// Block size that --superblock counts in: 1K to 64K
    #[arg(long, value_name = "SIZE", requires = "superblock", value_parser = parse_block_size)]
    block_size: Option<u64>,
}

impl FilesystemArgs {
    /// Returns the options for examining a disk.
    pub(crate) fn options(&self) -> Options<'static> {
        let mut options = Options::default();
        options.keep = match self.content {
            ContentArg::Used => Keep::Used,
            ContentArg::Ext => Keep::Ext,
            ContentArg::Metadata => Keep::Metadata,
            ContentArg::All => Keep::All,
        };
        options.proof = match self.trust {
            TrustArg::Inodes => Proof::References,
            TrustArg::Bitmaps => Proof::Checksums,
        };
        options.discard.unwritten = self.drop.contains(&DropArg::Unwritten);
        options.discard.journal = self.drop.contains(&DropArg::Journal);
        options.drop_tail = self.tail == TailArg::Drop;
        options.keep_uninit = self.keep_uninit;
        options.superblock = self.superblock();
        options.spool = Some(&spool);
        options
    }

    /// Returns whether anything in use is left out.
    pub(crate) fn discards(&self) -> bool {
        !self.drop.is_empty()
    }

    /// Returns where the superblock asked for is.
    pub(crate) fn superblock(&self) -> Option<SuperblockAt> {
        Some(SuperblockAt {
            block: self.superblock?,
            block_bytes: self.block_size?,
        })
    }
}
