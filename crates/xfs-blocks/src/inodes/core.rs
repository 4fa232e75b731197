//! An inode as a checked type.

use crate::bytes::{array, be16, be32, be64, byte};
use crate::checksum;
use crate::finding::damage::InodeFault;
use crate::geometry::Geometry;

const MAGIC: u16 = 0x494e;
/// Bytes before the forks, without and with what version 5 of the filesystem has.
const CORE_BYTES: usize = 100;
const CORE5_BYTES: usize = 176;
const CHECKSUM_AT: usize = 100;

/// Bits of `di_flags` and `di_flags2`.
const FLAG_REALTIME: u16 = 1;
const FLAG2_NREXT64: u64 = 1 << 4;
const FLAG2_METADATA: u64 = 1 << 5;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has contents that are no metadata.
    Regular,
    /// A directory, a symbolic link, a device, ...
    Other,
}

/// An inode in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inode<'a> {
    pub(super) kind: Kind,
    /// The contents are in the realtime section.
    pub(super) is_realtime: bool,
    /// It belongs to the tree of metadata.
    pub(super) is_metadata: bool,
    pub(super) data: Fork<'a>,
    pub(super) attributes: Fork<'a>,
}

/// Where the blocks of a part of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fork<'a> {
    /// In no blocks.
    Inside,
    /// In a list of extents.
    Extents(&'a [u8]),
    /// In a tree of extents, whose root these bytes are.
    Tree(&'a [u8]),
}

impl<'a> Inode<'a> {
    /// Checks inode `number` in `bytes`.
    pub(super) fn new(
        bytes: &'a [u8],
        geometry: &Geometry,
        number: u64,
    ) -> Result<Self, InodeFault> {
        let field = |field, found: u64| InodeFault::Field { field, found };
        if be16(bytes, 0) != MAGIC {
            return Err(InodeFault::Magic {
                found: be16(bytes, 0),
            });
        }
        let version = byte(bytes, 4);
        let is_known = if geometry.has_crc {
            version == 3
        } else {
            matches!(version, 1 | 2)
        };
        if !is_known {
            return Err(field("di_version", version.into()));
        }
        let mut flags2 = 0;
        if geometry.has_crc {
            check_version3(bytes, geometry, number)?;
            flags2 = be64(bytes, 120);
        }
        let core = if geometry.has_crc {
            CORE5_BYTES
        } else {
            CORE_BYTES
        };
        let literal = bytes.get(core..).unwrap_or_default();
        let fork_offset = usize::from(byte(bytes, 82)).saturating_mul(8);
        if fork_offset > literal.len() {
            return Err(field("di_forkoff", byte(bytes, 82).into()));
        }
        let (extents, attribute_extents) = if flags2 & FLAG2_NREXT64 == 0 {
            (u64::from(be32(bytes, 76)), u64::from(be16(bytes, 80)))
        } else {
            (be64(bytes, 24), u64::from(be32(bytes, 76)))
        };
        let (data, attributes) = match fork_offset {
            0 => (literal, &[][..]),
            offset => literal.split_at_checked(offset).unwrap_or_default(),
        };
        let attributes = match fork_offset {
            0 => Fork::Inside,
            _ => fork("di_aformat", byte(bytes, 83), attributes, attribute_extents)?,
        };
        let kind = match be16(bytes, 2) & 0xf000 {
            0x8000 => Kind::Regular,
            _ => Kind::Other,
        };
        Ok(Self {
            kind,
            is_realtime: be16(bytes, 90) & FLAG_REALTIME != 0,
            is_metadata: flags2 & FLAG2_METADATA != 0,
            data: fork("di_format", byte(bytes, 5), data, extents)?,
            attributes,
        })
    }
}

/// What version 3 of inodes has besides.
fn check_version3(bytes: &[u8], geometry: &Geometry, number: u64) -> Result<(), InodeFault> {
    checksum::check(bytes, CHECKSUM_AT).map_err(|found| InodeFault::Checksum {
        stored: found.stored,
        computed: found.computed,
    })?;
    if be64(bytes, 152) != number {
        return Err(InodeFault::Field {
            field: "di_ino",
            found: be64(bytes, 152),
        });
    }
    if array(bytes, 160) != geometry.meta_uuid {
        return Err(InodeFault::Uuid);
    }
    Ok(())
}

/// A fork of `format` in `bytes`, with so many extents.
fn fork<'a>(
    name: &'static str,
    format: u8,
    bytes: &'a [u8],
    extents: u64,
) -> Result<Fork<'a>, InodeFault> {
    let fault = |field, found| Err(InodeFault::Field { field, found });
    match format {
        // A device, contents in the inode, and a UUID that nothing writes.
        0 | 1 | 4 => Ok(Fork::Inside),
        2 => {
            let length = extents
                .checked_mul(16)
                .and_then(|n| usize::try_from(n).ok());
            match length.and_then(|length| bytes.get(..length)) {
                Some(list) => Ok(Fork::Extents(list)),
                None => fault("di_nextents", extents),
            }
        }
        3 => Ok(Fork::Tree(bytes)),
        // Btrees of the realtime section.
        _ => fault(name, format.into()),
    }
}
