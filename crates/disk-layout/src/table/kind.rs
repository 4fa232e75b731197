//! Kinds of tables, and what identifies the disk.

use super::guid::Guid;

/// Kinds of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A master boot record.
    Mbr,
    /// A GUID partition table.
    Gpt,
    /// No table, and why. The disk is one gap then; its content may be a filesystem.
    None(NoTable),
}

/// Why a disk has no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NoTable {
    /// The disk is shorter than a boot record.
    #[error("the disk is shorter than 512 bytes")]
    TooShort,
    /// No 0x55 0xaa at the end of the first 512 bytes.
    #[error("the first sector does not end with 55 aa")]
    Signature,
    /// No entry has both a type and a length, as in the boot sector of a filesystem.
    #[error("the first sector has no partition entry in use")]
    Empty,
    /// The bytes in the place of the entries are not entries, but boot code.
    #[error("the first sector holds boot code in the place of partition entries")]
    BootCode,
    /// The only partition begins with the sector that holds its own entry, as
    /// `mkfs.fat --mbr` and hybrid ISO images have it. The disk is the content.
    #[error("the only partition begins at the first sector, with its own table")]
    OwnPartition,
}

/// What identifies a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiskId {
    /// Nothing.
    None,
    /// The disk signature of an MBR; 0 is none.
    Mbr(u32),
    /// The disk GUID of a GPT.
    Gpt(Guid),
}
