//! Hashes of a filesystem that cover its free blocks, too: with one of those
//! wrong, nothing of it can be read any more.
//!
//! dm-verity and Android's verified boot put their structures past the
//! filesystem, mostly where it ends, or at the end of the disk. A hash tree on
//! another device leaves no trace on this one, and fs-verity covers files only.

use super::claim::Claim;
use blockio::ReadAt;

use super::bytes::array;
use super::found::Found;
use super::regions::Unreadable;

/// Bytes looked at from where the filesystem ends.
const AFTER_BYTES: u64 = 4 << 20;

/// Bytes looked at before the disk ends.
const BEFORE_BYTES: u64 = 1 << 20;

/// Bytes read at once.
const PIECE_BYTES: usize = 256 << 10;

/// Structures begin at a multiple of this; with larger blocks at one of theirs.
const SECTOR_BYTES: usize = 512;

/// What begins a structure: `verity_sb`; Android's metadata in version 0; the
/// header of a `vbmeta` in version 1; that of forward error correction in
/// version 0.
const STARTS: [(Claim, [u8; 8]); 4] = [
    (Claim::DmVerity, *b"verity\0\0"),
    (Claim::AndroidVerity, *b"\x01\xb0\x01\xb0\0\0\0\0"),
    (Claim::Avb, *b"AVB0\0\0\0\x01"),
    (Claim::AndroidVerity, *b"\xfe\xec\xcf\xfe\0\0\0\0"),
];

/// The footer of Android's verified boot, in version 1, is the last 64 bytes of the
/// partition.
const FOOTER: [u8; 8] = *b"AVBf\0\0\0\x01";
const FOOTER_BYTES: u64 = 64;

/// The sizes of blocks and of digests in a hash tree, both in bytes. Digests of
/// 20 to 32 bytes take 32.
const TREES: [(u64, u64); 6] = [
    (4096, 32),
    (4096, 64),
    (1024, 32),
    (1024, 64),
    (512, 32),
    (512, 64),
];

/// The first sign of such hashes past `filesystem_bytes` of `disk`.
pub(super) fn find<R: ReadAt + ?Sized>(
    disk: &R,
    filesystem_bytes: u64,
) -> Result<Option<Found>, Unreadable> {
    for unit in [1u64, 4096] {
        let end = disk.size() & !unit.saturating_sub(1);
        let Some(at) = end.checked_sub(FOOTER_BYTES) else {
            continue;
        };
        let mut footer = [0; 8];
        read(disk, at, &mut footer)?;
        if footer == FOOTER {
            let claim = Claim::Avb;
            return Ok(Some(Found { claim, at }));
        }
    }
    let size = disk.size();
    let middle = size.min(filesystem_bytes.saturating_add(AFTER_BYTES));
    let last = size.saturating_sub(BEFORE_BYTES).max(middle);
    for range in [filesystem_bytes..middle, last..size] {
        if let Some(found) = scan(disk, range)? {
            return Ok(Some(found));
        }
    }
    for (block_bytes, digest_bytes) in TREES {
        let tree = Tree::over(filesystem_bytes, block_bytes, digest_bytes);
        if let Some(tree) = tree
            && tree.is_on(disk)?
        {
            let (claim, at) = (Claim::DmVerity, tree.at);
            return Ok(Some(Found { claim, at }));
        }
    }
    Ok(None)
}

/// The sign of such hashes in the first bytes of `part`.
pub(super) fn at_start<R: ReadAt + ?Sized>(part: &R) -> Result<Option<Found>, Unreadable> {
    let mut start = [0; 8];
    if part.size() < 8 {
        return Ok(None);
    }
    read(part, 0, &mut start)?;
    let claim = STARTS.iter().find(|(_, magic)| *magic == start);
    Ok(claim.map(|&(claim, _)| Found { claim, at: 0 }))
}

/// Looks for the start of a structure in every sector of `range`.
fn scan<R: ReadAt + ?Sized>(
    disk: &R,
    range: std::ops::Range<u64>,
) -> Result<Option<Found>, Unreadable> {
    let mut at = range.start;
    let mut piece = Vec::new();
    while at < range.end {
        let left = usize::try_from(range.end.saturating_sub(at)).unwrap_or(PIECE_BYTES);
        piece.resize(left.min(PIECE_BYTES), 0);
        read(disk, at, &mut piece)?;
        for (index, sector) in (0u64..).zip(piece.chunks(SECTOR_BYTES)) {
            let start = array::<8>(sector, 0);
            if let Some((claim, _)) = STARTS.iter().find(|(_, magic)| *magic == start) {
                let inside = index.saturating_mul(512);
                return Ok(Some(Found {
                    claim: *claim,
                    at: at.saturating_add(inside),
                }));
            }
        }
        at = at.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
    }
    Ok(None)
}

/// A hash tree without a superblock, straight past the data that it covers.
/// Nothing names it, but its shape follows from the number of blocks: the block
/// with the topmost digests comes first, the one with the last digests of data
/// blocks at the end, and what the digests leave of both is zeros.
#[derive(Debug)]
struct Tree {
    at: u64,
    blocks: u64,
    block_bytes: u64,
    digest_bytes: u64,
    /// Digests in the first block.
    first: u64,
    /// Digests in the last block.
    last: u64,
}

impl Tree {
    /// The tree over `data_bytes`; `None` where its shape would say nothing,
    /// because digests fill both blocks.
    fn over(data_bytes: u64, block_bytes: u64, digest_bytes: u64) -> Option<Self> {
        let per_block = block_bytes.checked_div(digest_bytes)?;
        let data = data_bytes.div_ceil(block_bytes);
        if data < 2 || per_block < 2 {
            return None;
        }
        let in_last = |digests: u64| match digests.checked_rem(per_block) {
            Some(0) | None => per_block,
            Some(rest) => rest,
        };
        let (mut digests, mut blocks) = (data, 0u64);
        let first = loop {
            let level = digests.div_ceil(per_block);
            blocks = blocks.checked_add(level)?;
            if level <= 1 {
                break digests;
            }
            digests = level;
        };
        let last = in_last(data);
        (first < per_block || last < per_block).then_some(Self {
            at: data.checked_mul(block_bytes)?,
            blocks,
            block_bytes,
            digest_bytes,
            first,
            last,
        })
    }

    fn is_on<R: ReadAt + ?Sized>(&self, disk: &R) -> Result<bool, Unreadable> {
        let length = self.blocks.checked_mul(self.block_bytes);
        let end = length.and_then(|length| self.at.checked_add(length));
        let Some(end) = end.filter(|end| *end <= disk.size()) else {
            return Ok(false);
        };
        let last = end.saturating_sub(self.block_bytes);
        Ok(self.holds(disk, self.at, self.first)? && self.holds(disk, last, self.last)?)
    }

    /// Whether the block at `at` holds `digests` digests, then zeros.
    fn holds<R: ReadAt + ?Sized>(
        &self,
        disk: &R,
        at: u64,
        digests: u64,
    ) -> Result<bool, Unreadable> {
        let length = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut block = vec![0; length(self.block_bytes)];
        read(disk, at, &mut block)?;
        let filled = length(digests.saturating_mul(self.digest_bytes)).min(block.len());
        let (digests, rest) = block.split_at(filled);
        let mut digests = digests.chunks(length(self.digest_bytes));
        Ok(rest.iter().all(|byte| *byte == 0) && digests.all(is_random))
    }
}

/// Whether `digest` may be one: 20 random bytes have 15 different ones but in one
/// case of 10,000, and text or tables in 32 bytes rarely do.
fn is_random(digest: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in digest {
        if let Some(seen) = seen.get_mut(usize::from(*byte)) {
            *seen = true;
        }
    }
    seen.iter().filter(|seen| **seen).count() >= 14
}

fn read<R: ReadAt + ?Sized>(disk: &R, offset: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
    disk.read_at(offset, buf)
        .map_err(|source| Unreadable { offset, source })
}
