//! What a filesystem says of itself.

use crate::superblock::{Identity, Superblock};

/// What a filesystem says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// The label; any bytes.
    pub label: Vec<u8>,
    /// The UUID.
    pub uuid: [u8; 16],
    /// 4, or 5 with checksums; other numbers are not known.
    pub version: u8,
    /// Bytes of a block; 0 if the superblock is not believed.
    pub block_bytes: u64,
    /// Blocks of all allocation groups; 0 if the superblock is not believed.
    pub blocks: u64,
    /// Allocation groups; 0 if the superblock is not believed.
    pub groups: u32,
}

impl Info {
    pub(crate) fn new(identity: &Identity, superblock: Option<&Superblock>) -> Self {
        let geometry = superblock.map(|superblock| &superblock.geometry);
        let label = identity.label.split(|byte| *byte == 0).next();
        Self {
            label: label.unwrap_or_default().to_vec(),
            uuid: identity.uuid,
            version: identity.version,
            block_bytes: geometry.map_or(0, crate::geometry::Geometry::block_bytes),
            blocks: geometry.map_or(0, |geometry| geometry.blocks),
            groups: geometry.map_or(0, |geometry| geometry.ag_count),
        }
    }
}
