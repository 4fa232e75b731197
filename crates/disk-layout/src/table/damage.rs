//! What is wrong with a table, and what it costs.

use std::fmt;
use std::ops::Range;

use super::error::ErrorKind;
use super::gpt::array::ArrayFault;
use super::gpt::header::HeaderFault;

/// What some damage costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// Nothing: the table is known all the same.
    Nothing,
    /// Some bytes are [`Doubtful`](super::Owner::Doubtful): the partitions or the range
    /// named.
    Bytes,
    /// Programs may see different tables: every byte is doubtful, and nothing on the disk
    /// is proven free.
    Everything,
}

/// The two ends of a GPT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GptPlace {
    /// The header in the second sector, and its array.
    Primary,
    /// The header that the primary one names, or in the last sector, and its array.
    Backup,
}

impl fmt::Display for GptPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Backup => "backup",
        })
    }
}

/// Why a chain of extended boot records ends too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum LinkFault {
    /// It comes back to a record that it already went through.
    #[error("which the chain has been through")]
    Loop,
    /// It leaves the extended partition, or the disk.
    #[error("outside the extended partition")]
    Outside,
    /// What it leads to does not end with 0x55 0xaa.
    #[error("which does not end with 55 aa")]
    Signature,
    /// It has more than [`LINKS_MAX`](super::LINKS_MAX) records.
    #[error("which is one more than are followed")]
    TooMany,
}

/// Something wrong or unusual. Numbers are those of partitions; ranges and places are in
/// bytes of the disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// A partition that ends, or lies, past the end of the disk.
    #[error(
        "partition {number} ends at byte {}, past the end of the disk at byte {size}",
        stored.end
    )]
    PastEnd {
        /// The partition.
        number: u32,
        /// Where the table says it is.
        stored: Range<u64>,
        /// Size of the disk.
        size: u64,
    },
    /// A partition that shares bytes with another one.
    #[error("partition {number} overlaps another partition")]
    Overlap {
        /// The partition.
        number: u32,
    },
    /// A partition that shares bytes with the table itself.
    #[error("partition {number} overlaps the partition table")]
    OverlapsTable {
        /// The partition.
        number: u32,
    },
    /// A status byte of an MBR that is neither 0 nor 0x80, beside entries that look like
    /// partitions. Linux takes the sector for boot code, other programs do not.
    #[error("slot {slot} of the MBR has the status {status:#04x}, allowed are 0x00 and 0x80")]
    Status {
        /// The slot, 1 to 4.
        slot: u32,
        /// The byte.
        status: u8,
    },
    /// An entry of type 0 that has a length, in an MBR or an extended boot record. It is
    /// what is left of a partition.
    #[error("an entry without a type names bytes {} to {}", range.start, range.end)]
    Leftover {
        /// The bytes that it names, as far as they are on the disk.
        range: Range<u64>,
    },
    /// An MBR in which such entries are the only ones.
    #[error("no partition of the MBR has a type")]
    OnlyLeftovers,
    /// A chain of extended boot records that is broken. Logical partitions may be missing.
    #[error("the chain of logical partitions leads to byte {at}, {fault}")]
    Link {
        /// Where it leads to.
        at: u64,
        /// Why it ends there.
        fault: LinkFault,
    },
    /// An extended boot record with more than one link, of which Linux follows the first.
    #[error("the extended boot record at byte {at} has more than one link")]
    Links {
        /// The record.
        at: u64,
    },
    /// An extended boot record with a partition in its third or fourth slot.
    #[error("the extended boot record at byte {at} has an entry in slot {slot}")]
    OddSlot {
        /// The record.
        at: u64,
        /// The slot, 3 or 4.
        slot: u32,
    },
    /// A logical partition that is not inside its extended partition.
    #[error("partition {number} is not inside its extended partition")]
    OutsideExtended {
        /// The partition.
        number: u32,
    },
    /// A slot of a hybrid MBR that is not the same as a partition of the GPT.
    #[error("slot {slot} of the hybrid MBR is not a partition of the GPT")]
    Hybrid {
        /// The slot, 1 to 4.
        slot: u32,
    },
    /// A protective MBR without a GPT header that can be used.
    #[error("the MBR says that there is a GPT, and no sound GPT header is found")]
    NoHeader,
    /// A protective entry that does not begin at sector 1. Linux ignores the GPT then.
    #[error("the protective MBR entry begins at sector {start}, allowed is 1")]
    ProtectiveStart {
        /// Its first sector.
        start: u32,
    },
    /// A sound GPT and a first sector that is no MBR.
    #[error("a sound GPT without a protective MBR")]
    NoProtectiveMbr,
    /// A sound GPT header beside an MBR that says nothing of it, or at the end of a disk
    /// without a table.
    #[error("a sound {place} GPT header at byte {at}, of which the first sector says nothing")]
    Disagreement {
        /// Which header.
        place: GptPlace,
        /// Where it is.
        at: u64,
    },
    /// What is left of a GPT header, which nothing uses.
    #[error("the remains of a GPT header at byte {at}: {fault}")]
    Remains {
        /// Where it is.
        at: u64,
        /// What is wrong with it.
        fault: HeaderFault,
    },
    /// Sound GPT headers for sectors of 512 and of 4096 bytes.
    #[error("sound GPT headers for sectors of 512 and of 4096 bytes")]
    SectorSizes,
    /// A GPT header that cannot be used.
    #[error("{place} GPT header at byte {at}: {fault}")]
    Header {
        /// Which header.
        place: GptPlace,
        /// Where it is, or where it should be.
        at: u64,
        /// What is wrong.
        fault: HeaderFault,
        /// Whether the other one describes the same table for certain.
        is_covered: bool,
    },
    /// A GPT entry array that cannot be used.
    #[error("{place} GPT entry array at byte {at}: {fault}")]
    Array {
        /// Which array.
        place: GptPlace,
        /// Where it is.
        at: u64,
        /// What is wrong.
        fault: ArrayFault,
        /// Whether the other one describes the same table for certain.
        is_covered: bool,
    },
    /// The two ends of a GPT name different partitions.
    #[error("the primary and the backup GPT name different partitions")]
    Differ,
    /// The two ends of a GPT name the same partitions and differ in something else, such
    /// as names or attributes. The primary one counts.
    #[error("the primary and the backup GPT differ in something other than places")]
    DifferInDetail,
    /// The backup header is not in the last sector: the disk became larger.
    #[error("the backup GPT header is at byte {at}, not in the last sector")]
    BackupInside {
        /// Where it is.
        at: u64,
    },
    /// A sound header in the last sector that the primary one does not name.
    #[error("a sound GPT header in the last sector, at byte {at}, that nothing names")]
    StaleBackup {
        /// Where it is.
        at: u64,
    },
    /// A GPT that uses more sectors than the disk has. Linux ignores the GPT then.
    #[error("the GPT uses sectors up to {last_usable}, the disk has {sectors}")]
    Cut {
        /// The last sector that partitions may have.
        last_usable: u64,
        /// Sectors of the disk.
        sectors: u64,
    },
    /// A partition outside the sectors that the GPT gives to partitions.
    #[error("partition {number} is outside the usable sectors of the GPT")]
    Unusable {
        /// The partition.
        number: u32,
    },
    /// A GPT entry that ends before it begins.
    #[error("partition {number} begins at sector {first} and ends at sector {last}")]
    Backwards {
        /// The partition.
        number: u32,
        /// Its first sector.
        first: u64,
        /// Its last sector.
        last: u64,
    },
}

impl Damage {
    /// What it costs.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        match self {
            Self::DifferInDetail
            | Self::BackupInside { .. }
            | Self::StaleBackup { .. }
            | Self::Backwards { .. }
            | Self::Remains { .. }
            | Self::Header {
                is_covered: true, ..
            }
            | Self::Array {
                is_covered: true, ..
            } => Effect::Nothing,
            Self::PastEnd { .. }
            | Self::Overlap { .. }
            | Self::OverlapsTable { .. }
            | Self::Leftover { .. }
            | Self::Link { .. }
            | Self::Links { .. }
            | Self::OddSlot { .. }
            | Self::OutsideExtended { .. }
            | Self::Hybrid { .. }
            | Self::Unusable { .. } => Effect::Bytes,
            Self::Status { .. }
            | Self::OnlyLeftovers
            | Self::NoHeader
            | Self::ProtectiveStart { .. }
            | Self::NoProtectiveMbr
            | Self::Disagreement { .. }
            | Self::SectorSizes
            | Self::Header { .. }
            | Self::Array { .. }
            | Self::Differ
            | Self::Cut { .. } => Effect::Everything,
        }
    }

    /// The family it belongs to.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::BackupInside { .. }
            | Self::Leftover { .. }
            | Self::Remains { .. }
            | Self::StaleBackup { .. } => ErrorKind::Notice,
            Self::Header { fault, .. } => fault.kind(),
            Self::Array { fault, .. } => fault.kind(),
            Self::Link {
                fault: LinkFault::TooMany,
                ..
            } => ErrorKind::Unsupported,
            _ => ErrorKind::Corrupt,
        }
    }
}
