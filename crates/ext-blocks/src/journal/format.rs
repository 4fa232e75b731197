//! The blocks of a log: descriptors with their tags, revocations, commits.

use ext_format::checksum::{crc32_v1, crc32c};
use ext_format::superblock::join;

use super::block::HEADER_BYTES;
use super::bytes::{be16_at, be32_at, be64_at};
use super::superblock::{JournalSuperblock, LogChecksums};

/// `h_chksum` of a commit block.
const COMMIT_CHECKSUM: usize = 0x10;

/// `h_commit_sec` of a commit block.
const COMMIT_SECONDS: usize = 0x30;

/// `h_chksum_type` and `h_chksum_size` of a CRC-32 in a commit block.
const V1_CRC32: [u8; 2] = [1, 4];

/// Size of the checksum at the end of a descriptor or a revocation block.
const TAIL_BYTES: usize = 4;

/// Size of the header of a revocation block: `r_count` follows the common one.
const REVOKE_HEADER_BYTES: usize = 16;

/// Size of the name of a journal that follows some tags, in bytes.
const UUID_BYTES: usize = 16;

/// Bits of `t_flags`.
const FLAG_ESCAPE: u32 = 1;
const FLAG_SAME_UUID: u32 = 2;
const FLAG_LAST: u32 = 8;

/// What a descriptor says of one of the blocks that follow it in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// The block of the filesystem it is a copy of.
    pub(crate) block: u64,
    /// Whether its first four bytes, the magic of the journal, were replaced by
    /// zeros.
    pub(crate) escaped: bool,
    /// As many bits as are stored.
    checksum: u32,
}

/// The tags of a descriptor block, in the order of the copies.
#[derive(Debug)]
pub(crate) struct Tags<'b> {
    rest: &'b [u8],
    tag_bytes: usize,
    wide: bool,
    is_64bit: bool,
}

impl<'b> Tags<'b> {
    pub(crate) fn new(block: &'b [u8], journal: &JournalSuperblock) -> Self {
        let (tail, wide, extra) = match journal.checksums {
            LogChecksums::None | LogChecksums::V1 => (0, false, 0),
            LogChecksums::V2 { .. } => (TAIL_BYTES, false, 2),
            LogChecksums::V3 { .. } => (TAIL_BYTES, true, 0),
        };
        let tag_bytes = match (wide, journal.is_64bit) {
            (true, _) => 16,
            (false, true) => 12usize.saturating_add(extra),
            (false, false) => 8usize.saturating_add(extra),
        };
        let end = block.len().saturating_sub(tail);
        Self {
            rest: block.get(HEADER_BYTES..end).unwrap_or_default(),
            tag_bytes,
            wide,
            is_64bit: journal.is_64bit,
        }
    }
}

impl Iterator for Tags<'_> {
    type Item = Tag;

    fn next(&mut self) -> Option<Tag> {
        let (bytes, mut rest) = self.rest.split_at_checked(self.tag_bytes)?;
        let (flags, checksum) = if self.wide {
            (be32_at(bytes, 4), be32_at(bytes, 12))
        } else {
            let checksum = u32::from(be16_at(bytes, 4));
            (u32::from(be16_at(bytes, 6)), checksum)
        };
        let high = if self.is_64bit { be32_at(bytes, 8) } else { 0 };
        if flags & FLAG_SAME_UUID == 0 {
            rest = rest.get(UUID_BYTES..).unwrap_or_default();
        }
        self.rest = if flags & FLAG_LAST == 0 { rest } else { &[] };
        Some(Tag {
            block: join(be32_at(bytes, 0), high),
            escaped: flags & FLAG_ESCAPE != 0,
            checksum,
        })
    }
}

impl Tag {
    /// Whether `copy`, as it is in the log, has the checksum the tag says.
    pub(crate) fn verifies(&self, copy: &[u8], sequence: u32, checksums: LogChecksums) -> bool {
        let (seed, mask) = match checksums {
            LogChecksums::None | LogChecksums::V1 => return true,
            LogChecksums::V2 { seed } => (seed, 0xffff),
            LogChecksums::V3 { seed } => (seed, u32::MAX),
        };
        crc32c(seed, &[&sequence.to_be_bytes(), copy]) & mask == self.checksum
    }
}

/// Whether the checksum at the end of a descriptor or revocation block is right.
pub(crate) fn tail_verifies(block: &[u8], checksums: LogChecksums) -> bool {
    let (LogChecksums::V2 { seed } | LogChecksums::V3 { seed }) = checksums else {
        return true;
    };
    let end = block.len().saturating_sub(TAIL_BYTES);
    let covered = block.get(..end).unwrap_or_default();
    crc32c(seed, &[covered, &[0; TAIL_BYTES]]) == be32_at(block, end)
}

/// The blocks that a revocation block names, or `None` where its count is not
/// that of one.
pub(crate) fn revoked(
    block: &[u8],
    journal: &JournalSuperblock,
) -> Option<impl Iterator<Item = u64>> {
    let tail = match journal.checksums {
        LogChecksums::None | LogChecksums::V1 => 0,
        LogChecksums::V2 { .. } | LogChecksums::V3 { .. } => TAIL_BYTES,
    };
    let end = usize::try_from(be32_at(block, HEADER_BYTES)).ok()?;
    if end > block.len().saturating_sub(tail) {
        return None;
    }
    let records = block.get(REVOKE_HEADER_BYTES..end)?;
    let is_64bit = journal.is_64bit;
    let record_bytes = if is_64bit { 8 } else { 4 };
    let blocks = records.chunks_exact(record_bytes).map(move |record| {
        if is_64bit {
            be64_at(record, 0)
        } else {
            u64::from(be32_at(record, 0))
        }
    });
    Some(blocks)
}

/// Continues `crc`, the checksum of a transaction in version 1, with `block`.
pub(crate) fn continue_v1(crc: u32, block: &[u8]) -> u32 {
    crc32_v1(crc, block)
}

/// Whether the commit block `block` has the right checksum. `transaction` is
/// that of version 1.
pub(crate) fn commit_verifies(block: &[u8], transaction: u32, checksums: LogChecksums) -> bool {
    let stored = be32_at(block, COMMIT_CHECKSUM);
    match checksums {
        LogChecksums::None => true,
        LogChecksums::V1 => {
            let kind = block.get(HEADER_BYTES..).and_then(<[u8]>::first_chunk);
            match kind {
                Some(&V1_CRC32) => stored == transaction,
                Some([0, 0]) => stored == 0,
                _ => false,
            }
        }
        LogChecksums::V2 { seed } | LogChecksums::V3 { seed } => {
            let before = block.get(..COMMIT_CHECKSUM).unwrap_or_default();
            let after = block.get(COMMIT_CHECKSUM.saturating_add(4)..);
            crc32c(seed, &[before, &[0; 4], after.unwrap_or_default()]) == stored
        }
    }
}

/// When the commit block `block` was written, in seconds.
pub(crate) fn commit_seconds(block: &[u8]) -> u64 {
    be64_at(block, COMMIT_SECONDS)
}
