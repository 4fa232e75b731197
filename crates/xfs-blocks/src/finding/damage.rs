//! What is wrong with an allocation group, a btree or an inode.

use std::fmt;

use crate::tree::Tree;

/// What is wrong with an allocation group: all of it is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum GroupDamage {
    /// A field of a header.
    #[error("{header} field {field} is {found}")]
    Field {
        /// Which header.
        header: Header,
        /// Its name in the kernel.
        field: &'static str,
        /// As stored.
        found: u64,
    },
    /// The checksum of a header.
    #[error("{header} checksum is {stored:#010x}, its bytes give {computed:#010x}")]
    Checksum {
        /// Which header.
        header: Header,
        /// As stored.
        stored: u32,
        /// As it should be.
        computed: u32,
    },
    /// The UUID of a header is not that of the filesystem.
    #[error("{header} has the UUID of another filesystem")]
    Uuid {
        /// Which header.
        header: Header,
    },
    /// A btree.
    #[error("{tree} block {block}: {fault}")]
    Tree {
        /// Which tree.
        tree: Tree,
        /// The block, within the group.
        block: u32,
        /// What is wrong with it.
        fault: TreeFault,
    },
    /// A header counts something else than there is.
    #[error("AGF field {field} is {stored}, there are {found}")]
    Count {
        /// Its name in the kernel.
        field: &'static str,
        /// As stored.
        stored: u64,
        /// As counted.
        found: u64,
    },
    /// The two trees of free space do not have the same runs.
    #[error("the bnobt has {by_block} free runs, the cntbt {by_size}")]
    TreesDiffer {
        /// Runs of the bnobt.
        by_block: u64,
        /// Runs of the cntbt.
        by_size: u64,
    },
    /// A block is free and in use at once.
    #[error("block {block} is free, and is used by {by}")]
    Both {
        /// The block, within the group.
        block: u32,
        /// What uses it.
        by: User,
    },
    /// Blocks are neither free nor in use according to the rmapbt.
    #[error("block {block} is neither free nor has an owner in the rmapbt")]
    Neither {
        /// The first such block, within the group.
        block: u32,
    },
    /// More free runs than are followed.
    #[error("more than {limit} runs of free blocks")]
    TooManyRuns {
        /// Most runs.
        limit: u64,
    },
    /// More chunks of inodes than are followed.
    #[error("more than {limit} chunks of inodes")]
    TooManyChunks {
        /// Most chunks.
        limit: u64,
    },
    /// There is no more room for free runs, in memory or set aside.
    #[error("no room to take down its free blocks")]
    NoRoom,
    /// A file has a block that is free.
    #[error("inode {inode} has block {block}, which is free")]
    Referred {
        /// The inode.
        inode: u64,
        /// The block, within the group.
        block: u32,
    },
}

/// A header of an allocation group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Header {
    /// The copy of the superblock.
    Superblock,
    /// Free space.
    Agf,
    /// Inodes.
    Agi,
    /// Blocks set aside for the free space btrees.
    Agfl,
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Superblock => "the copy of the superblock's",
            Self::Agf => "AGF",
            Self::Agi => "AGI",
            Self::Agfl => "AGFL",
        })
    }
}

/// What uses a block of an allocation group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum User {
    /// The headers at the start of the group.
    Headers,
    /// The log.
    Log,
    /// The AGFL.
    FreeList,
    /// A block of a btree of the group.
    Btree,
    /// An owner in the rmapbt.
    Owner,
    /// A chunk of inodes.
    Inodes,
    /// The refcountbt, as shared or to be copied.
    Shared,
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Headers => "the headers of the group",
            Self::Log => "the log",
            Self::FreeList => "the AGFL",
            Self::Btree => "a btree of the group",
            Self::Owner => "an owner in the rmapbt",
            Self::Inodes => "inodes",
            Self::Shared => "the refcountbt",
        })
    }
}

/// What is wrong with a block of a btree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TreeFault {
    /// A tree with too many levels, or none.
    #[error("the tree has {found} levels")]
    Levels {
        /// As stored.
        found: u32,
    },
    /// A pointer to a block that does not exist.
    #[error("there is no block {block}")]
    Outside {
        /// The block.
        block: u64,
    },
    /// A field of the header.
    #[error("field {field} is {found}")]
    Field {
        /// Its name in the kernel.
        field: &'static str,
        /// As stored.
        found: u64,
    },
    /// The checksum.
    #[error("the checksum is {stored:#010x}, its bytes give {computed:#010x}")]
    Checksum {
        /// As stored.
        stored: u32,
        /// As it should be.
        computed: u32,
    },
    /// The UUID is not that of the filesystem.
    #[error("it has the UUID of another filesystem")]
    Uuid,
    /// It holds nothing, and is not the root.
    #[error("it is empty")]
    Empty,
    /// A key is not that of the first record below it.
    #[error("the key above it is not that of its first record")]
    Key,
    /// Records do not ascend.
    #[error("its records do not ascend")]
    Order,
    /// It names another neighbour than it has.
    #[error("its neighbour is said to be {found}")]
    Sibling {
        /// As stored.
        found: u32,
    },
    /// A record with numbers that cannot be.
    #[error("a record from {start} of {length} cannot be")]
    Record {
        /// Where it says that it starts.
        start: u64,
        /// How long it says that it is.
        length: u64,
    },
    /// A free run that the other tree of free space does not have.
    #[error("the bnobt has no {length} free blocks from {start}")]
    Unmatched {
        /// First block.
        start: u32,
        /// Blocks.
        length: u32,
    },
}

/// What is wrong with an inode, or with the blocks that it refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum InodeFault {
    /// It does not begin like one.
    #[error("it begins with {found:#06x}")]
    Magic {
        /// As stored.
        found: u16,
    },
    /// The checksum.
    #[error("the checksum is {stored:#010x}, its bytes give {computed:#010x}")]
    Checksum {
        /// As stored.
        stored: u32,
        /// As it should be.
        computed: u32,
    },
    /// The UUID is not that of the filesystem.
    #[error("it has the UUID of another filesystem")]
    Uuid,
    /// A field.
    #[error("field {field} is {found}")]
    Field {
        /// Its name in the kernel.
        field: &'static str,
        /// As stored.
        found: u64,
    },
    /// An extent whose blocks do not exist.
    #[error("it has {length} blocks from block {start:#x}, which do not exist")]
    Extent {
        /// The first block, as stored.
        start: u64,
        /// How many.
        length: u64,
    },
    /// Extents that do not ascend in the file.
    #[error("its extents do not ascend")]
    Order,
    /// A block of the tree of its extents.
    #[error("bmbt block {block:#x}: {fault}")]
    Tree {
        /// The block, as stored.
        block: u64,
        /// What is wrong with it.
        fault: TreeFault,
    },
    /// A block of the tree of its extents that another tree has, or the same one twice.
    #[error("bmbt block {block:#x} is met twice")]
    MetTwice {
        /// The block, as stored.
        block: u64,
    },
    /// More blocks of such trees than are followed.
    #[error("there are more than {limit} bmbt blocks")]
    TooManyNodes {
        /// The most.
        limit: u64,
    },
}
