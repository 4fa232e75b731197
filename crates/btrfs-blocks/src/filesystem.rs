//! A btrfs filesystem on a disk.

use std::ops::Range;

use blockio::{AllData, Extents, ReadAt, Tiling};

use crate::finding::{Distrust, Finding, Trust};
use crate::layout::Layout;

/// How to look at a filesystem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// What is in use.
    pub keep: Keep,
    /// What has to prove that a byte is free.
    pub proof: Proof,
}

/// What of a filesystem is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Keep {
    /// All that it uses.
    #[default]
    Used,
    /// Superblocks and trees, without the contents of files, unless they are in a tree
    /// themselves.
    Metadata,
}

/// What has to prove that a byte is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// The extent tree, the free space tree if there is one, and that no tree refers to the
    /// byte.
    #[default]
    References,
    /// The extent tree, and the free space tree if there is one.
    Extents,
}

/// What a filesystem says of itself, and how its bytes are used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// Its UUID.
    pub uuid: [u8; 16],
    /// Its label; empty if there is none.
    pub label: Vec<u8>,
    /// The number of the last commit.
    pub generation: u64,
    /// Bytes of it on this device, from the start of the disk.
    pub bytes: u64,
    /// How many devices it has.
    pub devices: u64,
    /// The number of this one.
    pub device: u64,
    /// Bytes of a block of contents.
    pub sector_bytes: u32,
    /// Bytes of a block of a tree.
    pub node_bytes: u32,
    /// Bytes of the disk that are used.
    pub used_bytes: u64,
    /// Bytes proven free.
    pub free_bytes: u64,
}

/// What was synced since the last commit, and is in no other tree than that of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Log {
    /// Blocks of its trees.
    pub blocks: u64,
    /// References to contents of files.
    pub references: u64,
}

/// A filesystem on a disk; its [`Tiling`] is that of the disk.
#[derive(Debug)]
pub struct Filesystem<R> {
    pub(crate) disk: R,
    pub(crate) info: Info,
    pub(crate) findings: Vec<Finding>,
    pub(crate) log: Option<Log>,
    pub(crate) trust: Trust,
    pub(crate) layout: Option<Layout>,
}

impl<R: ReadAt> Filesystem<R> {
    /// What the filesystem says of itself, and how its bytes are used.
    pub const fn info(&self) -> &Info {
        &self.info
    }

    /// What the used bytes are known by.
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Why every byte is in use, if that is so.
    pub const fn distrust(&self) -> Option<&Distrust> {
        match &self.trust {
            Trust::Nothing(why) => Some(why),
            Trust::Extents | Trust::References => None,
        }
    }

    /// What waits in the log, if anything does. It is in use.
    pub const fn log(&self) -> Option<Log> {
        self.log
    }

    /// What is wrong in a filesystem that is trusted.
    pub fn damage(&self) -> &[Finding] {
        &self.findings
    }

    /// The disk that the filesystem is on.
    pub const fn disk(&self) -> &R {
        &self.disk
    }
}

impl<R: ReadAt> Tiling for Filesystem<R> {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        match &self.layout {
            Some(layout) => layout.extents(range),
            None => AllData.extents(range),
        }
    }
}
