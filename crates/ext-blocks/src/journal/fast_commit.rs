//! Fast commits: what happened since the last transaction of the log, as small
//! records after it. A replay allocates the blocks they name, which
//! no bitmap does yet.

use blockio::ReadAt;
use ext_format::checksum::crc32c;
use ext_format::error::Error;
use ext_format::geometry::Geometry;
use ext_format::runs::{BlockRun, Full, RunCollector};
use ext_format::superblock::{join, u16_at, u32_at};

use super::blocks::{JournalBlocks, Reader};
use super::superblock::JournalSuperblock;

/// Size of the tag and length before each record, in bytes.
const TAG_BYTES: usize = 4;

/// `fc_tag` of the records.
const TAG_ADD_RANGE: u16 = 1;
const TAG_DEL_RANGE: u16 = 2;
const TAG_CREAT: u16 = 3;
const TAG_LINK: u16 = 4;
const TAG_UNLINK: u16 = 5;
const TAG_INODE: u16 = 6;
const TAG_PAD: u16 = 7;
const TAG_TAIL: u16 = 8;
const TAG_HEAD: u16 = 9;

/// Longest initialised extent, in blocks; a longer one is unwritten and this
/// much shorter.
const EXTENT_BLOCKS_MAX: u16 = 0x8000;

/// Size of the record of an inode at least, in bytes: its number and the part
/// that every inode has.
const INODE_RECORD_BYTES_MIN: usize = 4 + 128;

/// The blocks of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Record {
    Head { sequence: u32 },
    Range(BlockRun),
    Tail { sequence: u32, checksum: u32 },
    Other,
}

/// Adds to `ranges` the blocks of files that fast commits name after the
/// transaction before `sequence`, and counts those whose checksum is right.
pub(crate) fn collect<R: ReadAt + ?Sized>(
    disk: &R,
    blocks: &JournalBlocks,
    journal: &JournalSuperblock,
    geometry: &Geometry,
    sequence: u32,
    ranges: &mut RunCollector,
) -> Result<Result<u32, Full>, Error> {
    let mut complete = 0u32;
    let mut reader = Reader::new(disk, blocks, journal.fast_commits.end);
    let mut bytes = Vec::new();
    let mut checksum = 0;
    let mut begun = false;
    for block in journal.fast_commits.clone() {
        reader.read(block, &mut bytes)?;
        let mut rest = bytes.as_slice();
        while let Some((record, covered, after)) = next_record(rest) {
            checksum = crc32c(checksum, &[covered]);
            rest = after;
            match record {
                // The head of other fast commits, which are over.
                Record::Head { sequence: head } if head != sequence => return Ok(Ok(complete)),
                Record::Head { .. } => begun = true,
                _ if !begun => return Ok(Ok(complete)),
                // Also those of a commit without an end: it costs little.
                Record::Range(run) => {
                    if geometry.holds_all(run) && ranges.insert(run).is_err() {
                        return Ok(Err(Full));
                    }
                }
                Record::Tail {
                    sequence: tail,
                    checksum: stored,
                } => {
                    if tail != sequence || stored != checksum {
                        return Ok(Ok(complete));
                    }
                    complete = complete.saturating_add(1);
                    checksum = 0;
                }
                Record::Other => {}
            }
        }
        // Records fill their block; anything else is the end.
        if rest.len() >= TAG_BYTES {
            break;
        }
    }
    Ok(Ok(complete))
}

/// The first record of `bytes`, the bytes of it that the checksum covers, and
/// what lies after it.
fn next_record(bytes: &[u8]) -> Option<(Record, &[u8], &[u8])> {
    let tag = u16_at(bytes, 0);
    let length = usize::from(u16_at(bytes, 2));
    let end = TAG_BYTES.saturating_add(length);
    let (whole, after) = bytes.split_at_checked(end)?;
    let value = whole.get(TAG_BYTES..)?;
    let (record, least) = match tag {
        TAG_HEAD => {
            let sequence = u32_at(value, 4);
            (Record::Head { sequence }, 8)
        }
        TAG_ADD_RANGE => (Record::Range(extent(value)), 16),
        TAG_INODE => (Record::Other, INODE_RECORD_BYTES_MIN),
        TAG_TAIL => {
            let (sequence, checksum) = (u32_at(value, 0), u32_at(value, 4));
            (Record::Tail { sequence, checksum }, 8)
        }
        TAG_DEL_RANGE => (Record::Other, 12),
        TAG_CREAT | TAG_LINK | TAG_UNLINK => (Record::Other, 8),
        TAG_PAD => (Record::Other, 0),
        _ => return None,
    };
    if length < least {
        return None;
    }
    // A tail covers all before its own checksum.
    let covered = match record {
        Record::Tail { .. } => whole.get(..TAG_BYTES.saturating_add(4))?,
        _ => whole,
    };
    Some((record, covered, after))
}

/// The blocks of the extent in a record of an added range, after its inode.
fn extent(value: &[u8]) -> BlockRun {
    let start = join(u32_at(value, 12), u32::from(u16_at(value, 10)));
    let count = match u16_at(value, 8) {
        unwritten if unwritten > EXTENT_BLOCKS_MAX => unwritten.saturating_sub(EXTENT_BLOCKS_MAX),
        count => count,
    };
    BlockRun::new(start, u64::from(count))
}
