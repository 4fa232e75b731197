//! Buffer items: the parts of a buffer that changed, in chunks of 128 bytes.

use blockio::{ReadAt, len_u64};

use super::super::fault::{LogFault, Step};
use super::super::transaction::Item;
use super::stamp;
use super::target::{Buffer, Target};
use crate::bytes::{le16, le32, le64, usize_of};

/// Bytes of a chunk, of which each bit of the map stands for one.
const CHUNK: usize = 128;
/// Bytes before the map, and most words of it.
const MAP_AT: usize = 20;
const MAP_WORDS_MAX: u32 = 17;
/// Most blocks of 512 bytes that the map has room for.
const BLOCKS_MAX: u16 = 136;

/// Bits of `blf_flags`. The type is in the upper five.
const INODES: u16 = 1;
const CANCEL: u16 = 1 << 1;
/// Quotas of users, projects or groups.
const QUOTAS: u16 = 7 << 2;
const UNKNOWN: u16 = 0x3f << 5;
const KIND_SHIFT: u16 = 11;

/// Byte of `di_next_unlinked` in an inode.
const NEXT_UNLINKED: u64 = 96;

/// The first region of a buffer item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format<'a> {
    flags: u16,
    /// Place and length in blocks of 512 bytes.
    pub(super) block: i64,
    pub(super) blocks: u16,
    map: &'a [u8],
}

impl<'a> Format<'a> {
    pub(super) fn new(item: &Item<'a>) -> Result<Self, LogFault> {
        let region = item.region(0);
        let flags = le16(region, 4);
        if flags & UNKNOWN != 0 {
            return Err(item.fault("blf_flags", flags));
        }
        let words = le32(region, 16);
        let map_bytes = usize_of(u64::from(words)).saturating_mul(4);
        let map = region.get(MAP_AT..).and_then(|map| map.get(..map_bytes));
        let map = map.filter(|_| words <= MAP_WORDS_MAX);
        let map = map.ok_or_else(|| item.fault("blf_map_size", words))?;
        let blocks = le16(region, 6);
        if !(1..=BLOCKS_MAX).contains(&blocks) && flags & CANCEL == 0 {
            return Err(item.fault("blf_len", blocks));
        }
        Ok(Self {
            flags,
            block: le64(region, 8).cast_signed(),
            blocks,
            map,
        })
    }

    /// Whether the buffer was freed.
    pub(super) const fn is_cancel(&self) -> bool {
        self.flags & CANCEL != 0
    }

    /// Whether it has inodes, of which only a link in a list is changed.
    pub(super) const fn is_inodes(&self) -> bool {
        self.flags & INODES != 0
    }

    /// Whether it is the superblock.
    pub(super) const fn is_superblock(&self) -> bool {
        self.block == 0
    }

    fn kind(&self) -> u8 {
        u8::try_from(self.flags >> KIND_SHIFT).unwrap_or(0)
    }

    fn has(&self, chunk: usize) -> bool {
        let byte = self.map.get(chunk / 8).copied().unwrap_or(0);
        byte.checked_shr(u32::try_from(chunk % 8).unwrap_or(0))
            .is_some_and(|bits| bits & 1 != 0)
    }

    /// Where the next run of changed chunks begins, from chunk `from` on, and its length.
    fn run(&self, from: usize) -> Option<(usize, usize)> {
        let chunks = self.map.len().saturating_mul(8);
        let first = (from..chunks).find(|chunk| self.has(*chunk))?;
        let end = (first..chunks).find(|chunk| !self.has(*chunk));
        Some((first, end.unwrap_or(chunks).saturating_sub(first)))
    }

    /// The changes: each with its byte in the buffer.
    fn changes(&self, item: &Item<'a>) -> Result<Vec<(u64, &'a [u8])>, LogFault> {
        let mut changes = Vec::with_capacity(item.regions());
        let (mut chunk, mut region) = (0, 1);
        while let Some((first, run)) = self.run(chunk) {
            let bytes = item.region(region);
            // A run may be logged as several regions.
            let count = (bytes.len() / CHUNK).min(run);
            if count == 0
                || bytes.len() > run.saturating_mul(CHUNK)
                || !bytes.len().is_multiple_of(CHUNK)
            {
                return Err(item.fault("a region of bytes", len_u64(bytes.len())));
            }
            changes.push((len_u64(first.saturating_mul(CHUNK)), bytes));
            chunk = first.saturating_add(count);
            region = region.saturating_add(1);
        }
        if region != item.regions() {
            return Err(item.fault("regions", len_u64(item.regions())));
        }
        Ok(changes)
    }
}

/// Replays the buffer `item` with `format`, of a transaction with log sequence number
/// `lsn`. It is no cancellation and not cancelled.
pub(super) fn replay<R: ReadAt + ?Sized>(
    target: &mut Target<'_, R>,
    item: &Item<'_>,
    format: &Format<'_>,
    lsn: u64,
) -> Step<()> {
    let place = target.range(format.block, u32::from(format.blocks));
    let place = place.ok_or_else(|| item.fault("blf_blkno", format.block.cast_unsigned()))?;
    target.touched.add(place.clone())?;
    if format.flags & QUOTAS != 0 {
        // What they hold decides of no block, and is only replayed if quotas are on.
        return Ok(());
    }
    let mut head = [0; stamp::HEAD];
    target.read(place.start, &mut head)?;
    if stamp::stored_lsn(&target.geometry, &head).is_some_and(|stored| stored >= lsn) {
        // What is stored is newer.
        return Ok(());
    }
    let changes = format.changes(item)?;
    if format.is_inodes() {
        return unlinked(target, item, place, &changes);
    }
    let bytes = u32::from(format.blocks).saturating_mul(512);
    for &(at, change) in &changes {
        let end = at.saturating_add(len_u64(change.len()));
        if end > u64::from(bytes) {
            return Err(item.fault("changes up to byte", end).into());
        }
        target.write(place.start.saturating_add(at), change)?;
    }
    let buffer = Buffer {
        offset: place.start,
        bytes,
        kind: format.kind(),
    };
    target.changed(buffer)?;
    if format.is_superblock() {
        target.superblock_changed()?;
    }
    Ok(())
}

/// Replays the links of the list of unlinked inodes. All else in a buffer of inodes may be
/// older than what is stored.
fn unlinked<R: ReadAt + ?Sized>(
    target: &mut Target<'_, R>,
    item: &Item<'_>,
    place: std::ops::Range<u64>,
    changes: &[(u64, &[u8])],
) -> Step<()> {
    let inode_bytes = target.geometry.inode_bytes();
    let inodes = place
        .end
        .saturating_sub(place.start)
        .checked_div(inode_bytes);
    let inodes = inodes.unwrap_or(0);
    for index in 0..inodes {
        let inode = index.saturating_mul(inode_bytes);
        let link = inode.saturating_add(NEXT_UNLINKED);
        let logged = changes.iter().find_map(|(at, bytes)| {
            let from = usize_of(link.checked_sub(*at)?);
            bytes.get(from..)?.first_chunk::<4>()
        });
        let Some(logged) = logged else { continue };
        if *logged == [0; 4] {
            return Err(item.fault("di_next_unlinked", 0u32).into());
        }
        let offset = place.start.saturating_add(inode);
        target.write(place.start.saturating_add(link), logged)?;
        target.inode_changed(offset)?;
    }
    Ok(())
}
