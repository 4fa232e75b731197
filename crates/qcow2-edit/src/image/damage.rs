//! What stands in the way of changing an image.

use qcow2_check::Use;
use qcow2_codec::StreamFault;
use qcow2_format::HostOffset;

/// Something in an image that contradicts the rest of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// An entry of a table is wrong.
    #[error("entry {index} of the {table} at host offset {host}: {source}")]
    Entry {
        /// The table.
        table: &'static str,
        /// Where it is.
        host: HostOffset,
        /// Which entry.
        index: u64,
        /// What is wrong.
        source: qcow2_format::Error,
    },
    /// An entry of a table has bits that must be clear.
    #[error("entry {index} of the {table} at host offset {host} has reserved bits {bits:#x}")]
    Reserved {
        /// The table.
        table: &'static str,
        /// Where it is.
        host: HostOffset,
        /// Which entry.
        index: u64,
        /// The bits.
        bits: u64,
    },
    /// A structure passes the end of the file.
    #[error(
        "{structure} at host offset {host} ends at {end:#x}, past the end of the file at {file_bytes:#x}"
    )]
    PastEnd {
        /// The structure.
        structure: &'static str,
        /// Where it is.
        host: HostOffset,
        /// Where it ends.
        end: u64,
        /// Length of the file, in bytes.
        file_bytes: u64,
    },
    /// A structure is not at a multiple of the cluster size.
    #[error("{structure} at host offset {host} is not cluster aligned")]
    Unaligned {
        /// The structure.
        structure: &'static str,
        /// Where it is.
        host: HostOffset,
    },
    /// A compressed cluster cannot be read.
    #[error("compressed data at host offset {host}: {source}")]
    Stream {
        /// Where it is.
        host: HostOffset,
        /// What is wrong with it.
        source: StreamFault,
    },
    /// A cluster has two uses that exclude each other.
    #[error("the cluster at host offset {host} is used both as {first} and as {second}")]
    Conflict {
        /// The cluster.
        host: HostOffset,
        /// What it is used for.
        first: Use,
        /// What else.
        second: Use,
    },
    /// A cluster is used more often than its refcount.
    #[error(
        "the cluster at host offset {host} is used {references} times, but its refcount is {refcount}"
    )]
    Refcount {
        /// The cluster.
        host: HostOffset,
        /// How often it is used.
        references: u64,
        /// The stored refcount.
        refcount: u64,
    },
}
