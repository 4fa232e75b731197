//! The log as a ring of blocks of 512 bytes.

use blockio::ReadAt;

use super::fault::LogFault;
use crate::bytes::{be32, usize_of};
use crate::error::{Error, Structure, fill};
use crate::geometry::{BASIC_BLOCK_BYTES, LogGeometry};

/// Bytes of a block of the log, in memory.
pub(crate) const BLOCK: usize = 512;

/// Fewest and most blocks of a log: two of the shortest records with their headers, and
/// 2 GiB, the kernel's `XFS_MAX_LOG_BYTES`.
const BLOCKS_MIN: u64 = 64;
const BLOCKS_MAX: u64 = 1 << 22;

/// First word of a record's header: `XLOG_HEADER_MAGIC_NUM`. No other block of the log
/// begins with it, since all others begin with a cycle number.
pub(crate) const RECORD_MAGIC: u32 = 0xfeed_babe;

/// The blocks of a log.
#[derive(Debug)]
pub(crate) struct Ring<'a, R: ?Sized> {
    disk: &'a R,
    start: u64,
    count: u32,
}

impl<'a, R: ReadAt + ?Sized> Ring<'a, R> {
    pub(crate) fn new(disk: &'a R, geometry: &LogGeometry) -> Result<Self, LogFault> {
        let bytes = geometry.bytes;
        let count = bytes / BASIC_BLOCK_BYTES;
        let count = (BLOCKS_MIN..=BLOCKS_MAX).contains(&count).then_some(count);
        let count = count.and_then(|count| u32::try_from(count).ok());
        let count = count.ok_or(LogFault::Length { bytes })?;
        let start = geometry.start;
        Ok(Self { disk, start, count })
    }

    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    /// The block `by` blocks after `block`.
    pub(crate) const fn after(&self, block: u32, by: u32) -> u32 {
        match block.wrapping_add(by).checked_rem(self.count) {
            Some(after) => after,
            None => 0,
        }
    }

    /// The block `by` blocks before `block`; `by` is no more than the length of the log.
    pub(crate) const fn before(&self, block: u32, by: u32) -> u32 {
        self.after(block, self.count.saturating_sub(by))
    }

    /// How many blocks `to` lies after `from`; 0 if they are the same.
    pub(crate) const fn distance(&self, from: u32, to: u32) -> u32 {
        self.after(to, self.count.saturating_sub(from))
    }

    /// Byte of the disk where `block` begins.
    fn byte_of(&self, block: u32) -> u64 {
        let bytes = u64::from(block).saturating_mul(BASIC_BLOCK_BYTES);
        self.start.saturating_add(bytes)
    }

    /// Fills `buf`, which is whole blocks, with those from `block` on.
    pub(crate) fn read(&self, block: u32, buf: &mut [u8]) -> Result<(), Error> {
        let to_end = u64::from(self.count.saturating_sub(block)).saturating_mul(BASIC_BLOCK_BYTES);
        let (mut at, mut rest) = (block, buf);
        let mut room = usize_of(to_end);
        while !rest.is_empty() {
            let (now, later) = rest.split_at_mut(room.min(rest.len()));
            fill(self.disk, Structure::Log, self.byte_of(at), now)?;
            (at, rest) = (0, later);
            room = usize_of(u64::from(self.count).saturating_mul(BASIC_BLOCK_BYTES));
        }
        Ok(())
    }

    /// The cycle in which `block` was written.
    pub(crate) fn cycle(&self, block: u32) -> Result<u32, Error> {
        let mut bytes = [0; BLOCK];
        self.read(block, &mut bytes)?;
        Ok(cycle_of(&bytes))
    }

    /// The first block that is not zeros.
    pub(crate) fn first_used(&self) -> Result<Option<u32>, Error> {
        const PIECE: u32 = 2048;
        let holes = blockio::Holes::new();
        let mut bytes = vec![0; BLOCK.saturating_mul(usize_of(u64::from(PIECE)))];
        let mut block = 0;
        while block < self.count {
            let offset = self.byte_of(block);
            let data = holes.next_data(self.disk, offset);
            let data = data.map_err(|source| Error::Read {
                structure: Structure::Log,
                offset,
                source,
            })?;
            let Some(data) = data else { return Ok(None) };
            let skipped = data.start.saturating_sub(offset) / BASIC_BLOCK_BYTES;
            block = block.saturating_add(u32::try_from(skipped).unwrap_or(u32::MAX));
            let now = self.count.saturating_sub(block).min(PIECE);
            let length = usize_of(u64::from(now)).saturating_mul(BLOCK);
            let piece = bytes.get_mut(..length).unwrap_or_default();
            self.read(block, piece)?;
            let mut blocks = (block..).zip(piece.chunks(BLOCK));
            if let Some((found, _)) = blocks.find(|(_, bytes)| !blockio::is_zero(bytes)) {
                return Ok(Some(found));
            }
            block = block.saturating_add(now);
        }
        Ok(None)
    }
}

/// The cycle in which a block with these bytes was written: the first word of a header is
/// its magic, and the cycle follows.
pub(crate) fn cycle_of(block: &[u8]) -> u32 {
    match be32(block, 0) {
        RECORD_MAGIC => be32(block, 4),
        cycle => cycle,
    }
}
