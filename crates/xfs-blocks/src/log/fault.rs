//! Why a log is not understood.

use crate::error::{ErrorKind, Halt};

/// Why the log of a filesystem is not understood, so that nothing is known of its free
/// blocks. Blocks of the log are of 512 bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogFault {
    /// A log of a length that no log has.
    #[error("the log has {bytes} bytes")]
    Length {
        /// As the superblock says.
        bytes: u64,
    },
    /// The cycle numbers of the first and last block are none of one log.
    #[error("the log begins in cycle {first} and ends in cycle {last}")]
    Cycles {
        /// Of the first block.
        first: u32,
        /// Of the last block.
        last: u32,
    },
    /// A log whose first block is zeros, and others are not.
    #[error("the log begins with zeros, but has other bytes in block {block}")]
    PartlyZero {
        /// The first that is not zeros.
        block: u32,
    },
    /// No record ends where the log does.
    #[error("the log has no record before its head in block {head}")]
    NoRecord {
        /// The block after the newest.
        head: u32,
    },
    /// A field of a record's header.
    #[error("the log record in block {block} has {field} {found}")]
    Record {
        /// Where the record begins.
        block: u32,
        /// Its name in the kernel.
        field: &'static str,
        /// As stored.
        found: u64,
    },
    /// The checksum of a record.
    #[error(
        "the log record in block {block} has the checksum {stored:#010x}, its bytes give {computed:#010x}"
    )]
    Checksum {
        /// Where the record begins.
        block: u32,
        /// As stored.
        stored: u32,
        /// As it should be.
        computed: u32,
    },
    /// A block of a record that was not written with it.
    #[error("the log record in block {block} has blocks of another cycle")]
    Stamps {
        /// Where the record begins.
        block: u32,
    },
    /// A record of another filesystem.
    #[error("the log record in block {block} belongs to another filesystem")]
    Uuid {
        /// Where the record begins.
        block: u32,
    },
    /// Records that have to be replayed do not lead to the head of the log.
    #[error("the records from block {tail} on do not end at the head of the log, block {head}")]
    Broken {
        /// Where the first to be replayed begins.
        tail: u32,
        /// The block after the newest.
        head: u32,
    },
    /// The superblock was written after everything in the log.
    #[error(
        "the superblock was last written from log record {superblock:#x}, the log ends in {log:#x}"
    )]
    Ahead {
        /// Log sequence number of the superblock.
        superblock: u64,
        /// Log sequence number of the end of the log.
        log: u64,
    },
    /// An operation in a record.
    #[error("the log record in block {block} has an operation with {field} {found}")]
    Operation {
        /// Where the record begins.
        block: u32,
        /// What is wrong.
        field: &'static str,
        /// As stored.
        found: u64,
    },
    /// An item of a transaction.
    #[error("a log item of type {kind:#06x} has {field} {found}")]
    Item {
        /// Its type.
        kind: u16,
        /// What is wrong.
        field: &'static str,
        /// As stored.
        found: u64,
    },
    /// An item of a type that is not known.
    #[error("a log item of type {kind:#06x}, which is not supported")]
    UnknownItem {
        /// Its type.
        kind: u16,
    },
    /// A change of a superblock that makes it unsound.
    #[error("the log has a superblock that is not sound")]
    Superblock,
    /// More than is kept in memory.
    #[error("the log has more than {limit} {what}")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// The most.
        limit: u64,
    },
}

impl LogFault {
    /// The family it belongs to.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownItem { .. } | Self::TooLarge { .. } => ErrorKind::Unsupported,
            _ => ErrorKind::Corrupt,
        }
    }

    pub(crate) fn too_large(what: &'static str, limit: usize) -> Self {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        Self::TooLarge { what, limit }
    }
}

impl From<LogFault> for Halt<LogFault> {
    fn from(fault: LogFault) -> Self {
        Self::Distrust(fault)
    }
}

/// The result of a part of the examination of a log.
pub(crate) type Step<T> = Result<T, Halt<LogFault>>;
