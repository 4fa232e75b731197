//! Why a log cannot be replayed in memory.

/// What is wrong with a journal. Blocks are block numbers within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogDamage {
    /// Its first block does not begin with a superblock.
    #[error("its first block is not a journal superblock")]
    NoSuperblock,
    /// Features that may change how a log is read.
    #[error(
        "unknown features: s_feature_incompat {incompat:#x}, s_feature_ro_compat {ro_compat:#x}"
    )]
    UnknownFeatures {
        /// The unknown bits.
        incompat: u32,
        /// All bits: none is known.
        ro_compat: u32,
    },
    /// More than one version of checksums.
    #[error("its features name two versions of checksums")]
    TwoChecksums,
    /// A checksum that is not CRC-32C.
    #[error("s_checksum_type is {found}, must be 4")]
    ChecksumType {
        /// As found.
        found: u8,
    },
    /// `s_checksum` does not match.
    #[error("its superblock's checksum is {stored:#010x}, its contents give {computed:#010x}")]
    SuperblockChecksum {
        /// As found.
        stored: u32,
        /// As it should be.
        computed: u32,
    },
    /// A field of the superblock is out of range.
    #[error("superblock field {field} is {found}, must be {min} to {max}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// As found.
        found: u32,
        /// The smallest value allowed.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// A descriptor block of a committed transaction has a wrong checksum.
    #[error("transaction {sequence}: the checksum of the descriptor in block {block} is wrong")]
    DescriptorChecksum {
        /// The transaction.
        sequence: u32,
        /// Where the descriptor is.
        block: u32,
    },
    /// A revocation block of a committed transaction has a wrong checksum, or a
    /// count that is not that of one.
    #[error("transaction {sequence}: block {block} is not a valid revocation block")]
    Revocation {
        /// The transaction.
        sequence: u32,
        /// Where it is.
        block: u32,
    },
    /// A copy in a committed transaction does not match its tag.
    #[error("transaction {sequence}: the checksum of the copy in block {block} is wrong")]
    CopyChecksum {
        /// The transaction.
        sequence: u32,
        /// Where the copy is.
        block: u32,
    },
    /// A committed transaction writes outside the filesystem.
    #[error("transaction {sequence} writes to block {target}, outside the filesystem")]
    OutOfRange {
        /// The transaction.
        sequence: u32,
        /// The block of the filesystem.
        target: u64,
    },
    /// The log gives the filesystem something else in place of its superblock.
    #[error("it overwrites the superblock with something else")]
    Superblock,
    /// The log holds more than is kept in memory.
    #[error("more than {limit} {what}")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: u64,
    },
    /// The commit block after the last good transaction is not sound, so
    /// that kernel and e2fsck may differ on where the log ends.
    #[error("transaction {sequence}: the checksum of the commit in block {block} is wrong")]
    CommitChecksum {
        /// The transaction.
        sequence: u32,
        /// Where the commit block is.
        block: u32,
    },
}
