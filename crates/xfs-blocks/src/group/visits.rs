//! What is taken from the records of the trees of a group.

use crate::btree::Visit;
use crate::bytes::{be16, be32, be64, byte};
use crate::finding::damage::{GroupDamage, TreeFault, User};
use crate::group::runs::{RUNS_MAX, Run, overlapping};
use crate::superblock::Superblock;

/// The runs of the bnobt.
pub(super) struct ByBlock {
    length: u32,
    runs: Vec<Run>,
    is_full: bool,
    pub(super) blocks: Vec<u32>,
}

impl ByBlock {
    pub(super) const fn new(length: u32) -> Self {
        Self {
            length,
            runs: Vec::new(),
            is_full: false,
            blocks: Vec::new(),
        }
    }

    /// The runs, unless there are too many.
    pub(super) fn finish(self) -> Result<Vec<Run>, GroupDamage> {
        if self.is_full {
            let limit = u64::try_from(RUNS_MAX).unwrap_or(u64::MAX);
            return Err(GroupDamage::TooManyRuns { limit });
        }
        Ok(self.runs)
    }
}

/// A free run of the bnobt or the cntbt.
fn run_of(record: &[u8]) -> Run {
    Run::new(be32(record, 0), be32(record, 4))
}

fn fault_of(run: Run) -> TreeFault {
    TreeFault::Record {
        start: run.start.into(),
        length: run.blocks.into(),
    }
}

impl Visit for ByBlock {
    fn record(&mut self, record: &[u8]) -> Result<(), TreeFault> {
        let run = run_of(record);
        let before = self.runs.last().map_or(0, |last| last.end());
        if !run.is_within(self.length) || run.start < before {
            return Err(fault_of(run));
        }
        if self.runs.len() < RUNS_MAX {
            self.runs.push(run);
        } else {
            self.is_full = true;
        }
        Ok(())
    }

    fn block(&mut self, block: u32) {
        self.blocks.push(block);
    }
}

/// The runs of the cntbt, each of which the bnobt must have. They ascend by size and block,
/// so none is met twice.
pub(super) struct BySize<'a> {
    runs: &'a [Run],
    pub(super) count: usize,
    pub(super) blocks: Vec<u32>,
}

impl<'a> BySize<'a> {
    pub(super) const fn new(runs: &'a [Run]) -> Self {
        Self {
            runs,
            count: 0,
            blocks: Vec::new(),
        }
    }
}

impl Visit for BySize<'_> {
    fn record(&mut self, record: &[u8]) -> Result<(), TreeFault> {
        let run = run_of(record);
        if self.runs.binary_search(&run).is_err() {
            return Err(TreeFault::Unmatched {
                start: run.start,
                length: run.blocks,
            });
        }
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    fn block(&mut self, block: u32) {
        self.blocks.push(block);
    }
}

/// Inodes of a chunk.
const CHUNK_INODES: u32 = 64;

/// A chunk of 64 inodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    /// The number of its first inode, within the group.
    pub(crate) first: u32,
    /// A bit for each four inodes that do not exist.
    pub(crate) holes: u16,
    /// A bit for each inode that is free.
    pub(crate) free: u64,
}

/// The chunks of the inobt or the finobt, none of which may lie on free blocks.
pub(super) struct Chunks<'a> {
    inodes_per_block_log: u8,
    has_holes: bool,
    length: u32,
    runs: &'a [Run],
    end: u32,
    on_free: Option<u32>,
    /// Most chunks that are taken down.
    room: usize,
    pub(super) found: Vec<Chunk>,
    pub(super) is_full: bool,
    pub(super) blocks: Vec<u32>,
}

impl<'a> Chunks<'a> {
    /// Takes down at most `room` chunks.
    pub(super) fn new(superblock: &Superblock, ag: u32, runs: &'a [Run], room: usize) -> Self {
        let geometry = &superblock.geometry;
        Self {
            inodes_per_block_log: geometry.inodes_per_block_log(),
            has_holes: superblock.features.has_sparse_inodes(),
            length: geometry.ag_length(ag),
            runs,
            end: 0,
            on_free: None,
            room,
            found: Vec::new(),
            is_full: false,
            blocks: Vec::new(),
        }
    }

    pub(super) fn check(&self) -> Result<(), GroupDamage> {
        let by = User::Inodes;
        let found = self.on_free;
        found.map_or(Ok(()), |block| Err(GroupDamage::Both { block, by }))
    }
}

impl Visit for Chunks<'_> {
    fn record(&mut self, record: &[u8]) -> Result<(), TreeFault> {
        let chunk = Chunk {
            first: be32(record, 0),
            holes: if self.has_holes { be16(record, 4) } else { 0 },
            free: be64(record, 8),
        };
        let inodes = if self.has_holes {
            u32::from(byte(record, 6))
        } else {
            CHUNK_INODES
        };
        let missing = chunk.holes.count_ones().saturating_mul(4);
        let fault = TreeFault::Record {
            start: chunk.first.into(),
            length: inodes.into(),
        };
        let end = chunk.first.checked_add(CHUNK_INODES);
        let is_sound =
            chunk.first >= self.end && inodes.saturating_add(missing) == CHUNK_INODES && inodes > 0;
        let Some(end) = end.filter(|_| is_sound) else {
            return Err(fault);
        };
        self.end = end;
        for run in chunk.parts(self.inodes_per_block_log) {
            if !run.is_within(self.length) {
                return Err(fault);
            }
            if let Some(free) = overlapping(self.runs, run) {
                self.on_free = self.on_free.or(Some(free.start.max(run.start)));
            }
        }
        if self.found.len() < self.room {
            self.found.push(chunk);
        } else {
            self.is_full = true;
        }
        Ok(())
    }

    fn block(&mut self, block: u32) {
        self.blocks.push(block);
    }
}

impl Chunk {
    /// The blocks that hold its inodes, four by four.
    fn parts(self, inodes_per_block_log: u8) -> impl Iterator<Item = Run> {
        let log = u32::from(inodes_per_block_log);
        // Four inodes share a bit, and may share a block.
        (0..16u32).filter_map(move |bit| {
            if self.holes >> bit & 1 == 1 {
                return None;
            }
            let inode = self.first.saturating_add(bit.saturating_mul(4));
            let start = inode >> log;
            let end = inode.saturating_add(3) >> log;
            let blocks = end.saturating_sub(start).saturating_add(1);
            Some(Run::new(start, blocks))
        })
    }
}

/// The records of the refcountbt: blocks that several files have, or that are set aside for
/// a copy.
pub(super) struct Shared<'a> {
    length: u32,
    runs: &'a [Run],
    on_free: Option<u32>,
    pub(super) blocks: Vec<u32>,
}

/// Marks blocks set aside for a copy.
const STAGED: u32 = 1 << 31;

impl<'a> Shared<'a> {
    pub(super) const fn new(length: u32, runs: &'a [Run]) -> Self {
        Self {
            length,
            runs,
            on_free: None,
            blocks: Vec::new(),
        }
    }

    pub(super) fn check(&self) -> Result<(), GroupDamage> {
        let by = User::Shared;
        let found = self.on_free;
        found.map_or(Ok(()), |block| Err(GroupDamage::Both { block, by }))
    }
}

impl Visit for Shared<'_> {
    fn record(&mut self, record: &[u8]) -> Result<(), TreeFault> {
        let run = Run::new(be32(record, 0) & !STAGED, be32(record, 4));
        if !run.is_within(self.length) {
            return Err(fault_of(run));
        }
        if let Some(free) = overlapping(self.runs, run) {
            self.on_free = self.on_free.or(Some(free.start.max(run.start)));
        }
        Ok(())
    }

    fn block(&mut self, block: u32) {
        self.blocks.push(block);
    }
}

/// The blocks of a tree.
pub(super) struct Blocks<'v>(pub(super) &'v mut dyn FnMut(Run));

impl Visit for Blocks<'_> {
    fn record(&mut self, _: &[u8]) -> Result<(), TreeFault> {
        Ok(())
    }

    fn block(&mut self, block: u32) {
        (self.0)(Run::new(block, 1));
    }
}

/// The blocks of the inobt, and those that hold inodes.
pub(super) struct ChunkBlocks<'a, 'v> {
    pub(super) chunks: Chunks<'a>,
    pub(super) visit: &'v mut dyn FnMut(Run),
}

impl Visit for ChunkBlocks<'_, '_> {
    fn record(&mut self, record: &[u8]) -> Result<(), TreeFault> {
        self.chunks.found.clear();
        self.chunks.record(record)?;
        for chunk in &self.chunks.found {
            for run in chunk.parts(self.chunks.inodes_per_block_log) {
                (self.visit)(run);
            }
        }
        Ok(())
    }

    fn block(&mut self, block: u32) {
        (self.visit)(Run::new(block, 1));
    }
}
