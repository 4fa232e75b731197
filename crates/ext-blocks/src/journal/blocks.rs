//! The blocks of a journal: where they lie, and how they are read.

use blockio::ReadAt;
use ext_format::error::{Error, Structure, read};
use ext_format::geometry::to_index;
use ext_format::runs::BlockRun;

use super::superblock::JOURNAL_SUPERBLOCK_BYTES;

/// Bytes of a journal that are read at a time.
const WINDOW_BYTES: u64 = 256 << 10;

/// Where the blocks of a journal lie on a disk, and how to read them.
#[derive(Clone, Debug)]
pub(crate) struct JournalBlocks {
    /// In the order of the journal.
    runs: Vec<BlockRun>,
    /// The first block of each run, within the journal.
    starts: Vec<u64>,
    block_bits: u32,
    count: u32,
}

impl JournalBlocks {
    /// The journal in `runs`, in its own order, of a filesystem with blocks of
    /// `2^block_bits` bytes.
    pub(crate) fn new(runs: Vec<BlockRun>, block_bits: u32) -> Self {
        let mut starts = Vec::with_capacity(runs.len());
        let mut count = 0u64;
        for run in &runs {
            starts.push(count);
            count = count.saturating_add(run.count());
        }
        Self {
            runs,
            starts,
            block_bits,
            count: u32::try_from(count).unwrap_or(u32::MAX),
        }
    }

    /// Where they lie on the disk, in the order of the journal.
    pub(crate) fn runs(&self) -> &[BlockRun] {
        &self.runs
    }

    /// Blocks of the journal.
    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    pub(crate) const fn block_bytes(&self) -> u64 {
        1 << self.block_bits
    }

    /// Offset on the disk of block `block` of the filesystem, in bytes.
    pub(crate) const fn byte_of(&self, block: u64) -> u64 {
        block << self.block_bits
    }

    /// The blocks of the filesystem that the bytes `range` of the disk touch.
    pub(crate) fn blocks_of(&self, range: std::ops::Range<u64>) -> std::ops::Range<u64> {
        range.start >> self.block_bits..range.end.div_ceil(self.block_bytes())
    }

    /// Offset on the disk of block `block` of the journal, in bytes, and how
    /// many blocks from there on lie side by side. Past the journal's end there
    /// is nothing.
    pub(crate) fn place(&self, block: u32) -> Option<(u64, u64)> {
        let block = u64::from(block);
        let after = self.starts.partition_point(|start| *start <= block);
        let index = after.checked_sub(1)?;
        let within = block.checked_sub(*self.starts.get(index)?)?;
        let run = self.runs.get(index)?;
        let left = run.count().checked_sub(within).filter(|left| *left > 0)?;
        let at = run.start.saturating_add(within) << self.block_bits;
        Some((at, left))
    }

    /// Reads the superblock, which is in block `block` of the journal.
    pub(crate) fn superblock<R: ReadAt + ?Sized>(
        &self,
        disk: &R,
        block: u32,
    ) -> Result<Option<[u8; JOURNAL_SUPERBLOCK_BYTES]>, Error> {
        let Some((at, _)) = self.place(block) else {
            return Ok(None);
        };
        let mut bytes = [0; JOURNAL_SUPERBLOCK_BYTES];
        read(disk, Structure::Journal, at, &mut bytes)?;
        Ok(Some(bytes))
    }
}

/// Gives the blocks of a journal one by one, and reads several at a time.
pub(crate) struct Reader<'a, R: ?Sized> {
    disk: &'a R,
    blocks: &'a JournalBlocks,
    /// The block after the last one wanted.
    end: u32,
    window: std::ops::Range<u32>,
    bytes: Vec<u8>,
}

impl<'a, R: ReadAt + ?Sized> Reader<'a, R> {
    /// A reader of blocks before `end`.
    pub(crate) const fn new(disk: &'a R, blocks: &'a JournalBlocks, end: u32) -> Self {
        Self {
            disk,
            blocks,
            end,
            window: 0..0,
            bytes: Vec::new(),
        }
    }

    /// Puts block `block` of the journal into `out`: zeros where it has none.
    pub(crate) fn read(&mut self, block: u32, out: &mut Vec<u8>) -> Result<(), Error> {
        let block_bytes = to_index(self.blocks.block_bytes());
        out.clear();
        if !self.window.contains(&block) {
            let Some((at, adjacent)) = self.blocks.place(block) else {
                out.resize(block_bytes, 0);
                return Ok(());
            };
            let most = (WINDOW_BYTES >> self.blocks.block_bits).max(1);
            let in_log = u64::from(self.end.saturating_sub(block)).max(1);
            let count = adjacent.min(most).min(in_log);
            self.window = 0..0;
            self.bytes
                .resize(to_index(count.saturating_mul(self.blocks.block_bytes())), 0);
            read(self.disk, Structure::Journal, at, &mut self.bytes)?;
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            self.window = block..block.saturating_add(count);
        }
        let index = block.saturating_sub(self.window.start);
        let bytes = self
            .bytes
            .chunks_exact(block_bytes)
            .nth(to_index(u64::from(index)));
        out.extend_from_slice(bytes.unwrap_or_default());
        Ok(())
    }
}
