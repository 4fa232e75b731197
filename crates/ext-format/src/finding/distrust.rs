//! Why the block bitmaps are not believed at all.

use super::damage::JournalDamage;
use super::inode::WalkDamage;
use super::log::LogDamage;
use super::rule::{Allowed, FeatureWord};
use super::superblock_at::SuperblockAt;
use crate::error::Halt;

/// Why every byte of a disk with an ext superblock is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// `s_state` (bytes 0x3a..0x3c) lacks `EXT4_VALID_FS` (0x1).
    #[error("the filesystem was not cleanly unmounted (s_state {s_state:#x} lacks 0x1)")]
    NotClean {
        /// As found.
        s_state: u16,
    },
    /// `s_state` (bytes 0x3a..0x3c) has `EXT4_ERROR_FS` (0x2).
    #[error("the kernel found errors in the filesystem (s_state {s_state:#x} has 0x2)")]
    HasErrors {
        /// As found.
        s_state: u16,
    },
    /// `s_state` (bytes 0x3a..0x3c) has `EXT4_FC_REPLAY` (0x20).
    #[error("a replay of fast commits was interrupted (s_state {s_state:#x} has 0x20)")]
    FastCommitReplay {
        /// As found.
        s_state: u16,
    },
    /// `s_feature_incompat` has `needs_recovery` (0x4), or the journal is not
    /// empty: the newest state of the filesystem is there, and cannot be found
    /// out.
    #[error("the journal has not been replayed and cannot be replayed: {fault}")]
    NeedsRecovery {
        /// Why it cannot.
        fault: JournalFault,
    },
    /// `s_errno` of the journal: the kernel found an error, and has not noted it
    /// in the superblock yet.
    #[error("the kernel noted error {errno} in the journal")]
    JournalError {
        /// As found.
        errno: u32,
    },
    /// The filesystem was not left clean, so that what its inodes refer to counts,
    /// and that is not known.
    #[error(
        "the filesystem was not cleanly unmounted (s_state {s_state:#x}) and is damaged: {damage}"
    )]
    Inodes {
        /// As found.
        s_state: u16,
        /// What is wrong.
        damage: WalkDamage,
    },
    /// The filesystem says that it was left clean, and what some of its inodes
    /// refer to is not known: bitmaps alone prove nothing.
    #[error("the blocks in use cannot be determined: {damage}")]
    Unknown {
        /// What is wrong.
        damage: WalkDamage,
    },
    /// The superblock is damaged, and the filesystem was read by a copy, which
    /// does not say how it was left.
    #[error("the superblock is damaged; the backup superblock in block {} of {} bytes was used", at.block, at.block_bytes)]
    Backup {
        /// Where the copy is.
        at: SuperblockAt,
    },
    /// Something other than ext also claims the disk.
    #[error("the disk is also claimed by {claim} (signature at byte {at:#x})")]
    Ambiguous {
        /// What it is called.
        claim: &'static str,
        /// Where its signature is, in bytes from the start of the disk.
        at: u64,
    },
    /// Hashes over the whole filesystem are right only while its free blocks hold
    /// what they hold.
    #[error("{claim} (found at byte {at:#x}) also covers free blocks")]
    FreeBlocksCovered {
        /// What the hashes are called.
        claim: &'static str,
        /// Where it was found, in bytes from the start of the disk.
        at: u64,
    },
    /// The filesystem has a journal inside, which is damaged: so may be anything
    /// else of it, checksums or not.
    #[error("the journal in inode {inode} is damaged: {fault}")]
    Journal {
        /// `s_journal_inum`.
        inode: u32,
        /// What is wrong.
        fault: JournalFault,
    },
    /// The filesystem does not fit the disk.
    #[error("the filesystem of {filesystem_bytes} bytes is larger than the disk of {disk_bytes}")]
    LargerThanDisk {
        /// Blocks times block size; [`u64::MAX`] where that overflows.
        filesystem_bytes: u64,
        /// Size of the disk.
        disk_bytes: u64,
    },
    /// An external journal, whose log cannot be read.
    #[error("this is an external journal that cannot be read: {damage}")]
    JournalDevice {
        /// What is wrong with it.
        damage: LogDamage,
    },
    /// A feature that may change what a bitmap means.
    #[error("{word} has unknown features {bits:#x}")]
    UnknownFeatures {
        /// The word the bits are in.
        word: FeatureWord,
        /// The unknown bits alone.
        bits: u32,
    },
    /// Two features that exclude each other.
    #[error("the features {first} and {second} exclude each other")]
    FeatureConflict {
        /// One of them.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// Revision 0 has no feature words, yet one of them is not zero.
    #[error("{word} is {bits:#x} in a filesystem of revision 0, which has no features")]
    Revision0Features {
        /// The word.
        word: FeatureWord,
        /// As found.
        bits: u32,
    },
    /// `s_checksum` (bytes 0x3fc..0x400) does not match.
    #[error("the superblock's checksum is {stored:#010x}, its contents give {computed:#010x}")]
    SuperblockChecksum {
        /// As found.
        stored: u32,
        /// As it should be.
        computed: u32,
    },
    /// A field of the superblock has a value that no filesystem has.
    #[error("superblock field {field} at {offset:#x} is {found}, must be {allowed}")]
    Field {
        /// The kernel's name of the field.
        field: &'static str,
        /// Its offset in the superblock, in bytes.
        offset: u16,
        /// As found.
        found: u64,
        /// What it may be.
        allowed: Allowed,
    },
    /// A block of the group descriptor table lies outside the filesystem.
    #[error(
        "block {index} of the group descriptor table is at block {block}, outside the filesystem of {blocks} blocks"
    )]
    DescriptorTable {
        /// Which block of the table, from 0.
        index: u64,
        /// Where it would be, as a block number.
        block: u64,
        /// Blocks of the filesystem.
        blocks: u64,
    },
    /// More of something than this crate keeps in memory.
    #[error("{found} {what}, the limit is {limit}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are, or the first number over the limit.
        found: u64,
        /// How many there may be.
        limit: u64,
    },
}

/// Why a journal cannot be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalFault {
    /// The filesystem says that it has none.
    #[error("there is no journal")]
    Missing,
    /// It is on another device.
    #[error("it is on another device, so the filesystem is not self-contained")]
    External,
    /// Its blocks cannot all be found.
    #[error("{0}")]
    Map(JournalDamage),
    /// Its contents are damaged.
    #[error("{0}")]
    Log(LogDamage),
}

impl From<Distrust> for Halt<Distrust> {
    fn from(distrust: Distrust) -> Self {
        Self::Refused(distrust)
    }
}

impl Distrust {
    /// The log of a filesystem cannot be replayed, because of `damage`.
    #[must_use]
    pub const fn log(damage: LogDamage) -> Self {
        Self::NeedsRecovery {
            fault: JournalFault::Log(damage),
        }
    }

    /// Whether this is a superblock that was damaged, so that a copy may do.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        match self {
            Self::SuperblockChecksum { .. }
            | Self::Field { .. }
            | Self::FeatureConflict { .. }
            | Self::Revision0Features { .. }
            | Self::DescriptorTable { .. } => true,
            Self::NotClean { .. }
            | Self::HasErrors { .. }
            | Self::FastCommitReplay { .. }
            | Self::NeedsRecovery { .. }
            | Self::JournalError { .. }
            | Self::Inodes { .. }
            | Self::Unknown { .. }
            | Self::Backup { .. }
            | Self::Ambiguous { .. }
            | Self::FreeBlocksCovered { .. }
            | Self::Journal { .. }
            | Self::LargerThanDisk { .. }
            | Self::JournalDevice { .. }
            | Self::UnknownFeatures { .. }
            | Self::TooMany { .. } => false,
        }
    }
}

impl Allowed {
    /// Refuses the value `found` of `field`, at `offset` of the superblock,
    /// unless it is one of them.
    ///
    /// # Errors
    ///
    /// [`Distrust::Field`] if it is none of them.
    pub fn check(
        self,
        field: &'static str,
        offset: u16,
        found: impl Into<u64>,
    ) -> Result<(), Distrust> {
        let found = found.into();
        if self.contains(found) {
            return Ok(());
        }
        Err(Distrust::Field {
            field,
            offset,
            found,
            allowed: self,
        })
    }
}
