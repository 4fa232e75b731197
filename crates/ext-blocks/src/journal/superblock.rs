//! The superblock of a journal, checked.

use ext_format::checksum::crc32c;
use ext_format::finding::LogDamage;
use ext_format::superblock::array_at;

use super::block::{BlockType, HEADER_BYTES, Header};
use super::bytes::be32_at;

/// Size of the superblock of a journal in bytes; it begins its first block.
pub(crate) const JOURNAL_SUPERBLOCK_BYTES: usize = 1024;

/// `s_checksum`, and where it ends.
const CHECKSUM: std::ops::Range<usize> = 0xfc..0x100;

/// Bits of `s_feature_compat` and `s_feature_incompat`.
const COMPAT_CHECKSUM: u32 = 0x1;
const INCOMPAT_64BIT: u32 = 0x2;
const INCOMPAT_ASYNC_COMMIT: u32 = 0x4;
const INCOMPAT_CSUM_V2: u32 = 0x8;
const INCOMPAT_CSUM_V3: u32 = 0x10;
const INCOMPAT_FAST_COMMIT: u32 = 0x20;
const INCOMPAT_KNOWN: u32 = 0x3f;

/// `s_checksum_type` of CRC-32C.
const CRC32C: u8 = 4;

/// `s_num_fc_blks` where the superblock has 0.
const FAST_COMMIT_BLOCKS_DEFAULT: u32 = 256;

/// Fewest blocks of a log, beside those of fast commits, as in the kernel.
const LOG_BLOCKS_MIN: u32 = 1024;

/// Which checksums the blocks of a log carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogChecksums {
    /// None.
    None,
    /// Version 1: one CRC-32 of a transaction, in its commit block.
    V1,
    /// Version 2: every block, with 16 bits for those of the filesystem.
    V2 {
        /// The checksum of `s_uuid`.
        seed: u32,
    },
    /// Version 3: the same with 32 bits.
    V3 {
        /// The checksum of `s_uuid`.
        seed: u32,
    },
}

/// What a journal says of itself. Places are block numbers within the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JournalSuperblock {
    /// The first block of the log, and the block after its last: it goes on at
    /// the first there.
    pub(crate) log: std::ops::Range<u32>,
    /// Blocks of fast commits; empty without the feature.
    pub(crate) fast_commits: std::ops::Range<u32>,
    /// `s_sequence`: the first transaction in the log.
    pub(crate) sequence: u32,
    /// `s_start`: where that is; `None` where the log is empty.
    pub(crate) start: Option<u32>,
    /// `s_errno`: an error the kernel has not told the filesystem yet.
    pub(crate) errno: u32,
    pub(crate) checksums: LogChecksums,
    pub(crate) is_64bit: bool,
    pub(crate) async_commit: bool,
}

impl JournalSuperblock {
    /// The superblock stored as `bytes`, of a journal of `blocks` blocks of
    /// `block_bytes`.
    pub(crate) fn decode(
        bytes: &[u8; JOURNAL_SUPERBLOCK_BYTES],
        block_bytes: u64,
        blocks: u32,
    ) -> Result<Self, LogDamage> {
        let header = Header::decode(bytes);
        let version = match header.map(|header| header.block_type) {
            Some(BlockType::SuperblockV1) => 1,
            Some(BlockType::SuperblockV2) => 2,
            _ => return Err(LogDamage::NoSuperblock),
        };
        // Version 1 ends before the feature words.
        let feature = |at| if version == 1 { 0 } else { be32_at(bytes, at) };
        let (compat, incompat, ro_compat) = (feature(0x24), feature(0x28), feature(0x2c));
        let unknown = incompat & !INCOMPAT_KNOWN;
        if unknown != 0 || ro_compat != 0 {
            return Err(LogDamage::UnknownFeatures {
                incompat: unknown,
                ro_compat,
            });
        }
        let checksums = checksums(bytes, compat, incompat)?;
        let field = |field, at, allowed: std::ops::RangeInclusive<u64>| {
            let found = be32_at(bytes, at);
            if allowed.contains(&u64::from(found)) {
                return Ok(found);
            }
            let (min, max) = allowed.into_inner();
            Err(LogDamage::Field {
                field,
                found,
                min,
                max,
            })
        };
        field("s_blocksize", 0x0c, block_bytes..=block_bytes)?;
        let end = field("s_maxlen", 0x10, 2..=u64::from(blocks))?;
        let first = field("s_first", 0x14, 1..=u64::from(end.saturating_sub(1)))?;
        let (log_end, fast_commits) = if incompat & INCOMPAT_FAST_COMMIT == 0 {
            (end, end..end)
        } else {
            fast_commit_area(be32_at(bytes, 0x54), end)
        };
        let start = be32_at(bytes, 0x1c);
        if start != 0 {
            let last = u64::from(log_end.saturating_sub(1));
            field("s_start", 0x1c, u64::from(first)..=last)?;
        }
        Ok(Self {
            log: first..log_end,
            fast_commits,
            sequence: be32_at(bytes, 0x18),
            start: (start != 0).then_some(start),
            errno: be32_at(bytes, 0x20),
            checksums,
            is_64bit: incompat & INCOMPAT_64BIT != 0,
            async_commit: incompat & INCOMPAT_ASYNC_COMMIT != 0,
        })
    }

    /// The blocks after `block` in the log, without end.
    pub(crate) fn following(&self, block: u32, count: u32) -> u32 {
        let length = self.log.end.saturating_sub(self.log.start).max(1);
        let within = block.saturating_sub(self.log.start).saturating_add(count);
        self.log.start.saturating_add(within.rem_euclid(length))
    }

    /// The same superblock, as `bytes`, of a log in which nothing is left to be
    /// replayed, so that the next transaction is `next`.
    pub(crate) fn emptied(
        &self,
        bytes: &[u8; JOURNAL_SUPERBLOCK_BYTES],
        next: u32,
    ) -> [u8; JOURNAL_SUPERBLOCK_BYTES] {
        let mut emptied = *bytes;
        let mut put = |at: std::ops::Range<usize>, value: u32| {
            if let Some(field) = emptied.get_mut(at) {
                field.copy_from_slice(&value.to_be_bytes());
            }
        };
        put(0x18..0x1c, next);
        put(0x1c..0x20, 0);
        if matches!(
            self.checksums,
            LogChecksums::V2 { .. } | LogChecksums::V3 { .. }
        ) {
            put(CHECKSUM, 0);
            let checksum = crc32c(u32::MAX, &[&emptied]);
            if let Some(field) = emptied.get_mut(CHECKSUM) {
                field.copy_from_slice(&checksum.to_be_bytes());
            }
        }
        emptied
    }
}

/// The block after the log, and the blocks of fast commits, in a journal that
/// ends at `end`. The kernel leaves out the block between them.
fn fast_commit_area(s_num_fc_blks: u32, end: u32) -> (u32, std::ops::Range<u32>) {
    let count = match s_num_fc_blks {
        0 => FAST_COMMIT_BLOCKS_DEFAULT,
        count => count,
    };
    match end.checked_sub(count) {
        Some(log_end) if log_end >= LOG_BLOCKS_MIN => (log_end, log_end.saturating_add(1)..end),
        // Too small for both: the kernel uses none of it for fast commits.
        _ => (end, end..end),
    }
}

/// Which checksums the log has; the superblock's own is verified.
fn checksums(
    bytes: &[u8; JOURNAL_SUPERBLOCK_BYTES],
    compat: u32,
    incompat: u32,
) -> Result<LogChecksums, LogDamage> {
    let (v2, v3) = (
        incompat & INCOMPAT_CSUM_V2 != 0,
        incompat & INCOMPAT_CSUM_V3 != 0,
    );
    let v1 = compat & COMPAT_CHECKSUM != 0;
    if (v2 && v3) || (v1 && (v2 || v3)) {
        return Err(LogDamage::TwoChecksums);
    }
    if !v2 && !v3 {
        return Ok(if v1 {
            LogChecksums::V1
        } else {
            LogChecksums::None
        });
    }
    let [kind] = array_at(bytes, 0x50);
    if kind != CRC32C {
        return Err(LogDamage::ChecksumType { found: kind });
    }
    let (before, rest) = bytes.split_at(CHECKSUM.start);
    let after = rest.get(CHECKSUM.len()..).unwrap_or_default();
    let computed = crc32c(u32::MAX, &[before, &[0; 4], after]);
    let stored = be32_at(bytes, CHECKSUM.start);
    if stored != computed {
        return Err(LogDamage::SuperblockChecksum { stored, computed });
    }
    let seed = crc32c(u32::MAX, &[&array_at::<16>(bytes, 0x30)]);
    Ok(if v2 {
        LogChecksums::V2 { seed }
    } else {
        LogChecksums::V3 { seed }
    })
}

const _: () = assert!(HEADER_BYTES < JOURNAL_SUPERBLOCK_BYTES);
