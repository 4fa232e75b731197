//! Where metadata of version 5 has its log sequence number, its UUID and its checksum.

use crate::bytes::{array, be16, be64, byte, usize_of};
use crate::geometry::Geometry;

/// Bytes from the start of a buffer in which all of that is.
pub(super) const HEAD: usize = 512;

/// Byte of the checksum of an inode of version 3.
pub(super) const INODE_CHECKSUM: u64 = 100;
/// First two bytes of an inode: "IN".
pub(super) const INODE_MAGIC: u16 = 0x494e;

/// Types of buffers in the log: `xfs_blft`.
const BTREE: u8 = 4;
const AGF: u8 = 5;
const AGFL: u8 = 6;
const AGI: u8 = 7;
const SYMLINK: u8 = 9;
const DIR_BLOCK: u8 = 10;
const DIR_DATA: u8 = 11;
const DIR_FREE: u8 = 12;
const DIR_LEAF1: u8 = 13;
const DIR_LEAFN: u8 = 14;
const DA_NODE: u8 = 15;
const ATTR_LEAF: u8 = 16;
const SUPERBLOCK: u8 = 18;

/// A structure with a log sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    ShortBtree,
    LongBtree,
    Agf,
    Agfl,
    Agi,
    Symlink,
    Directory,
    DirectoryOrAttributes,
    Superblock,
}

/// Byte offsets in a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) lsn: u64,
    pub(super) checksum: u64,
    uuid: usize,
}

impl Form {
    const fn places(self) -> Places {
        let (lsn, checksum, uuid) = match self {
            Self::ShortBtree => (24, 52, 32),
            Self::LongBtree => (32, 64, 40),
            Self::Agf => (208, 216, 64),
            Self::Agfl => (24, 32, 8),
            Self::Agi => (320, 312, 296),
            Self::Symlink => (48, 12, 16),
            Self::Directory => (16, 4, 24),
            Self::DirectoryOrAttributes => (24, 12, 32),
            // The UUID is not read from here: another may be in its place.
            Self::Superblock => (240, 224, 32),
        };
        Places {
            lsn,
            checksum,
            uuid,
        }
    }

    /// What begins with `head`, by its magic, and the type of a buffer that holds such a
    /// structure.
    fn of(head: &[u8]) -> Option<(Self, u8)> {
        Some(match &array::<4>(head, 0) {
            b"AB3B" | b"AB3C" | b"IAB3" | b"FIB3" | b"RMB3" | b"R3FC" => (Self::ShortBtree, BTREE),
            b"BMA3" | b"MAPR" | b"RCNT" => (Self::LongBtree, BTREE),
            b"XAGF" => (Self::Agf, AGF),
            b"XAFL" => (Self::Agfl, AGFL),
            b"XAGI" => (Self::Agi, AGI),
            b"XSLM" => (Self::Symlink, SYMLINK),
            b"XDB3" => (Self::Directory, DIR_BLOCK),
            b"XDD3" => (Self::Directory, DIR_DATA),
            b"XDF3" => (Self::Directory, DIR_FREE),
            b"XFSB" => (Self::Superblock, SUPERBLOCK),
            _ => match be16(head, 8) {
                0x3df1 => (Self::DirectoryOrAttributes, DIR_LEAF1),
                0x3dff => (Self::DirectoryOrAttributes, DIR_LEAFN),
                0x3ebe => (Self::DirectoryOrAttributes, DA_NODE),
                0x3bee => (Self::DirectoryOrAttributes, ATTR_LEAF),
                _ => return None,
            },
        })
    }
}

/// Where the log sequence number and the checksum are in a buffer of type `kind` that
/// begins with `head`; `None` if it has none, or is not what its type says.
pub(super) fn places(kind: u8, head: &[u8]) -> Option<Places> {
    let (form, needed) = Form::of(head)?;
    (needed == kind).then(|| form.places())
}

/// The log sequence number of the stored metadata that begins with `head`, if it is of this
/// filesystem. What is stored may be of another type than what is logged.
pub(super) fn stored_lsn(geometry: &Geometry, head: &[u8]) -> Option<u64> {
    if !geometry.has_crc {
        return None;
    }
    let (form, _) = Form::of(head)?;
    let places = form.places();
    let is_ours = match form {
        Form::Superblock => true,
        _ => array::<16>(head, places.uuid) == geometry.meta_uuid,
    };
    let lsn = be64(head, usize_of(places.lsn));
    (is_ours && lsn != 0 && lsn != u64::MAX).then_some(lsn)
}

/// Whether an inode with these bytes has a checksum.
pub(super) fn is_inode_with_checksum(bytes: &[u8]) -> bool {
    be16(bytes, 0) == INODE_MAGIC && byte(bytes, 4) >= 3
}
