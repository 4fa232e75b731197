//! Partitions, as the tables describe them.

use std::fmt;
use std::ops::Range;

use super::guid::Guid;

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Partition {
    /// Its number, as Linux counts: 1 to 4 are the slots of an MBR, 5 and up are logical
    /// partitions, those of a GPT are the places in its array.
    pub number: u32,
    /// Its bytes, as far as they are on the disk; never empty.
    pub range: Range<u64>,
    /// What the table says it holds.
    pub kind: PartitionType,
    /// Its name, up to the first NUL; empty on an MBR. What is not UTF-16 became U+FFFD.
    pub name: String,
    /// What identifies it, on this disk and elsewhere.
    pub id: PartitionId,
    /// Whether firmware may boot it: "active" on an MBR, "legacy BIOS bootable" on a GPT.
    pub is_bootable: bool,
    /// The 64 attribute bits of a GPT entry; 0 on an MBR.
    pub attributes: u64,
    /// Whether it is an extended partition, which holds the logical ones and owns no byte
    /// itself.
    pub is_extended: bool,
    /// Whether it lies in an extended partition.
    pub is_logical: bool,
    /// Whether something is wrong with its place, so that its content must not be
    /// believed: all of it is in use.
    pub is_doubtful: bool,
}

/// What a table says a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PartitionType {
    /// The type byte of an MBR entry.
    Mbr(u8),
    /// The type GUID of a GPT entry.
    Gpt(Guid),
}

impl fmt::Display for PartitionType {
    /// As sfdisk prints it: `83`, or a GUID.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mbr(byte) => write!(f, "{byte:x}"),
            Self::Gpt(guid) => guid.fmt(f),
        }
    }
}

/// What identifies a partition: Linux's PARTUUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PartitionId {
    /// Of an MBR.
    Mbr {
        /// The disk signature; 0 is none, and the partition has no PARTUUID.
        disk_signature: u32,
        /// The number of the partition.
        number: u32,
    },
    /// The unique GUID of a GPT entry.
    Gpt(Guid),
}

impl fmt::Display for PartitionId {
    /// As in `/dev/disk/by-partuuid`: `90909090-01`, or a GUID, but in upper case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mbr {
                disk_signature,
                number,
            } => write!(f, "{disk_signature:08x}-{number:02x}"),
            Self::Gpt(guid) => guid.fmt(f),
        }
    }
}
