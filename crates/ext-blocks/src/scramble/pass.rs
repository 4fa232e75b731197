//! One pass over all inodes, which scrambles what belongs to each.

mod contents;
mod inodes;

use std::collections::HashMap;

use blockio::ReadAt;

use crate::error::{Error, Structure, read};
use crate::geometry::{Geometry, to_index};
use crate::group::{GroupReader, Layout};
use crate::journal_blocks::{self, Stop};
use crate::runs::{BlockRun, Full, RunCollector, RunSet};
use crate::scramble::attributes::ValueHashes;
use crate::scramble::base;
use crate::scramble::directory::Style;
use crate::scramble::names::Names;
use crate::scramble::patches::Patches;
use crate::scramble::report::ScrambleReport;
use crate::superblock::{SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET};

/// Most separate runs of metadata at fixed places that are kept: 10 MiB.
const FIXED_RUNS_MAX: usize = 5 << 17;

/// Values of attributes whose hashes are remembered: 2 MiB.
const VALUES_MAX: usize = 1 << 16;

/// What the pass must know of the superblock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) is_64bit: bool,
    pub(super) has_casefold: bool,
    pub(super) first_inode: u32,
    pub(super) journal_inode: Option<u32>,
    pub(super) mmp_block: Option<u64>,
    /// What hashes of values in inodes of their own start from.
    pub(super) seed: u32,
}

/// Why the pass ends early.
#[derive(Debug)]
pub(super) enum Halt {
    Failed(Error),
    /// More separate runs of metadata than are kept.
    Full,
    /// The superblock is not what it was.
    Changed,
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Full> for Halt {
    fn from(Full: Full) -> Self {
        Self::Full
    }
}

pub(super) struct Pass<'a, R: ?Sized> {
    pub(super) disk: &'a R,
    pub(super) layout: &'a Layout,
    pub(super) facts: Facts,
    pub(super) style: Style,
    pub(super) names: &'a Names,
    pub(super) patches: Patches,
    pub(super) report: ScrambleReport,
    /// Blocks that are metadata whatever an inode says.
    fixed: RunSet,
    groups: GroupReader<'a, R>,
    values: HashMap<u32, Option<ValueHashes>>,
    /// Blocks of inodes that may still be looked at. No healthy filesystem has
    /// more than it has blocks; a hostile one may name each of them in every
    /// inode.
    budget: u64,
    /// A name in a directory that ignores case is not UTF-8 any more.
    is_not_utf8: bool,
}

impl<'a, R: ReadAt + ?Sized> Pass<'a, R> {
    pub(super) fn new(
        disk: &'a R,
        layout: &'a Layout,
        facts: Facts,
        style: Style,
        names: &'a Names,
    ) -> Result<Self, Halt> {
        let geometry = &layout.geometry;
        let mut groups = GroupReader::new(disk, layout);
        let fixed = fixed_blocks(&mut groups, geometry)?;
        let block_bits = geometry.block_bytes().trailing_zeros();
        Ok(Self {
            disk,
            layout,
            facts,
            style,
            names,
            patches: Patches::new(disk.size(), block_bits)?,
            report: ScrambleReport::default(),
            fixed,
            groups,
            values: HashMap::new(),
            budget: geometry.block_count(),
            is_not_utf8: false,
        })
    }

    /// Scrambles the filesystem.
    pub(super) fn run(mut self) -> Result<(Patches, ScrambleReport), Halt> {
        self.inodes()?;
        self.journal()?;
        self.mmp()?;
        self.superblocks()?;
        self.patches.flush()?;
        Ok((self.patches, self.report))
    }

    /// Zeros the journal but for its superblock.
    fn journal(&mut self) -> Result<(), Halt> {
        let Some(inode) = self.facts.journal_inode else {
            return Ok(());
        };
        let runs = match journal_blocks::map_journal(self.disk, &mut self.groups, inode) {
            Ok(runs) => runs,
            Err(Stop::Damage(_)) => {
                self.report.damaged_maps = self.report.damaged_maps.saturating_add(1);
                return Ok(());
            }
            Err(Stop::Read(error)) => return Err(error.into()),
            Err(Stop::Full) => return Err(Halt::Full),
        };
        let mut is_first = true;
        for run in runs {
            for block in run.start..run.end {
                let mut bytes = self.zeroes();
                if std::mem::take(&mut is_first) {
                    self.read(Structure::Contents, block, &mut bytes)?;
                    if let Some(behind) = bytes.get_mut(SUPERBLOCK_BYTES..) {
                        behind.fill(0);
                    }
                }
                if self.is_fixed(block) {
                    self.dispute();
                } else {
                    self.patches.store(block, &bytes)?;
                }
            }
        }
        Ok(())
    }

    /// Scrambles the block of multiple mount protection.
    fn mmp(&mut self) -> Result<(), Error> {
        let Some(block) = self
            .facts
            .mmp_block
            .filter(|block| self.is_free_to_use(*block))
        else {
            return Ok(());
        };
        let mut bytes = self.zeroes();
        self.read(Structure::Mmp, block, &mut bytes)?;
        base::scramble_mmp(&mut bytes, &self.layout.checksums);
        self.patches.store(block, &bytes)
    }

    /// Scrambles the superblock and its copies, and zeros what else is in
    /// their blocks.
    fn superblocks(&mut self) -> Result<(), Error> {
        self.report.strict_encoding_dropped = self.is_not_utf8;
        let geometry = &self.layout.geometry;
        for group in 0..geometry.group_count() {
            let Some(block) = geometry.superblock_in(group) else {
                continue;
            };
            let mut bytes = self.zeroes();
            self.read(Structure::Superblock, block, &mut bytes)?;
            let at = SUPERBLOCK_OFFSET.saturating_sub(geometry.byte_of(block));
            let at = if group == 0 { to_index(at) } else { 0 };
            let sb = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut);
            if let Some(sb) = sb {
                let checksums = &self.layout.checksums;
                base::scramble_superblock(sb, self.names, checksums, !self.is_not_utf8);
                let sb = *sb;
                bytes.fill(0);
                for (byte, new) in bytes.iter_mut().skip(at).zip(sb) {
                    *byte = new;
                }
            }
            self.patches.store(block, &bytes)?;
        }
        // The boot block, where it is one of its own.
        let zeroes = self.zeroes();
        if self.patches.contains(0)? {
            return Ok(());
        }
        self.patches.store(0, &zeroes)
    }

    /// Whether `block` is metadata whatever an inode says.
    fn is_fixed(&self, block: u64) -> bool {
        let runs = self.fixed.runs();
        let next = runs.partition_point(|run| run.end <= block);
        runs.get(next).is_some_and(|run| run.start <= block)
    }

    /// Whether `block` is there, and not fixed.
    fn is_free_to_use(&self, block: u64) -> bool {
        self.layout.geometry.holds(block) && !self.is_fixed(block)
    }

    fn dispute(&mut self) {
        self.report.disputed_blocks = self.report.disputed_blocks.saturating_add(1);
    }

    fn read(&self, structure: Structure, block: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let at = self.layout.geometry.byte_of(block);
        read(self.disk, structure, at, bytes)
    }

    /// A block of zeros.
    fn zeroes(&self) -> Vec<u8> {
        vec![0; self.style.block_bytes]
    }
}

/// Where superblocks, descriptors, bitmaps and inode tables are.
fn fixed_blocks<R: ReadAt + ?Sized>(
    groups: &mut GroupReader<'_, R>,
    geometry: &Geometry,
) -> Result<RunSet, Halt> {
    let mut fixed = RunCollector::new(FIXED_RUNS_MAX);
    for group in 0..geometry.group_count() {
        fixed.insert(geometry.base_metadata(group))?;
        for run in groups.descriptor(group)?.metadata(geometry) {
            if geometry.holds_all(run) {
                fixed.insert(run)?;
            }
        }
    }
    Ok(fixed.finish()?)
}
