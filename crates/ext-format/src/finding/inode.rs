//! What is wrong with inodes and their maps.

/// Why it is not known which blocks the inodes of a filesystem refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WalkDamage {
    /// An inode, or its map.
    #[error("inode {inode}: {damage}")]
    Inode {
        /// The inode.
        inode: u32,
        /// What is wrong.
        damage: InodeDamage,
    },
    /// A group whose inodes cannot be found.
    #[error("group {group}: the descriptor is not usable")]
    Descriptor {
        /// The group.
        group: u32,
    },
    /// A block of an extent tree, or an indirect block, of several inodes.
    #[error("block {block} is part of the block maps of several inodes")]
    SharedMap {
        /// The block.
        block: u64,
    },
    /// Inodes refer to more than the filesystem can hold.
    #[error("inodes refer to more blocks than a filesystem of {blocks} can hold")]
    TooMuch {
        /// How many blocks the filesystem has.
        blocks: u64,
    },
}

/// Why the blocks of an inode cannot all be found, or may be others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InodeDamage {
    /// The inode's checksum.
    #[error("the checksum is {stored:#x}, the contents give {computed:#x}")]
    Checksum {
        /// As found.
        stored: u32,
        /// As it should be, as many bits as are stored.
        computed: u32,
    },
    /// A node of its extent tree is not one, has a wrong checksum, or entries
    /// that are not in order.
    #[error("the extent tree is damaged at block {block}")]
    ExtentTree {
        /// The node's block; 0 is the root, in the inode.
        block: u64,
    },
    /// Its block of extended attributes is outside the filesystem.
    #[error("its extended attributes are in block {block}, outside the filesystem")]
    AttributeBlock {
        /// `i_file_acl`.
        block: u64,
    },
    /// It has blocks outside the filesystem.
    #[error("it has {count} blocks from block {block}, outside the filesystem")]
    OutOfRange {
        /// The first.
        block: u64,
        /// How many.
        count: u64,
    },
    /// A block of its extent tree, or an indirect block, was met before in the
    /// same place of a map.
    #[error("block {block} is in the block map more than once")]
    Repeated {
        /// The block.
        block: u64,
    },
    /// Its extent tree or indirect blocks are more than the filesystem can
    /// hold.
    #[error("more than {limit} blocks of extent trees or indirect blocks")]
    TooLarge {
        /// How many are read.
        limit: u64,
    },
}
