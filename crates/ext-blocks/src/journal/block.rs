//! The header of the blocks that belong to the journal itself.

use super::bytes::be32_at;

/// What every block of the log begins with that belongs to the journal itself.
pub(crate) const MAGIC: u32 = 0xc03b_3998;

/// Size of the header of such a block, in bytes.
pub(crate) const HEADER_BYTES: usize = 12;

/// `h_blocktype`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockType {
    Descriptor,
    Commit,
    SuperblockV1,
    SuperblockV2,
    Revoke,
}

/// The header of a block that belongs to the journal itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) block_type: BlockType,
    pub(crate) sequence: u32,
}

impl Header {
    /// The header of `block`, or `None` where it holds something else.
    pub(crate) fn decode(block: &[u8]) -> Option<Self> {
        if be32_at(block, 0) != MAGIC {
            return None;
        }
        let block_type = match be32_at(block, 4) {
            1 => BlockType::Descriptor,
            2 => BlockType::Commit,
            3 => BlockType::SuperblockV1,
            4 => BlockType::SuperblockV2,
            5 => BlockType::Revoke,
            _ => return None,
        };
        Some(Self {
            block_type,
            sequence: be32_at(block, 8),
        })
    }
}
