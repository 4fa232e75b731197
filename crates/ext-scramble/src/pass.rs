//! One pass over all inodes that are shown, which scrambles what belongs to
//! each.

mod around;
mod contents;
mod groups;
mod inodes;
mod own;

use std::collections::HashMap;

use blockio::{NewSpool, ReadAt, len_u64};
use ext_format::checksum;
use ext_format::error::{Error, Halt, Structure, read};
use ext_format::feature::Incompat;
use ext_format::finding::Distrust;
use ext_format::geometry::to_index;
use ext_format::group::{GroupReader, Layout};
use ext_format::runs::{BlockRun, Full, RunCollector, RunSet};
use ext_format::superblock::{SUPERBLOCK_OFFSET, Superblock};
use ext_format::volume::Volume;

use crate::attributes::ValueHashes;
use crate::base;
use crate::directory::Style;
use crate::directory::hash::Hasher;
use crate::names::Names;
use crate::patches::Patches;
use crate::report::ScrambleReport;

/// Most separate runs of metadata at fixed places that are kept: 10 MiB.
const FIXED_RUNS_MAX: usize = 5 << 17;

/// Values of attributes whose hashes are remembered: 2 MiB.
const VALUES_MAX: usize = 1 << 16;

/// Bit of `s_flags`: bytes of names are unsigned in hashes.
const UNSIGNED_HASH: u32 = 0x2;

/// Lustre's feature for data after names, which Linux does not know.
const DIRDATA: u32 = 0x1000;

/// There are more runs of metadata than are kept.
fn too_many(Full: Full) -> Halt<Distrust> {
    let limit = len_u64(FIXED_RUNS_MAX);
    Halt::Refused(Distrust::TooMany {
        what: "separate runs of metadata",
        found: limit.saturating_add(1),
        limit,
    })
}

pub(super) struct Pass<'a, R: ?Sized> {
    disk: &'a R,
    volume: &'a Volume,
    layout: &'a Layout,
    style: Style,
    has_casefold: bool,
    /// What hashes of values in inodes of their own start from.
    seed: u32,
    names: &'a Names,
    patches: Patches,
    report: ScrambleReport,
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

/// Scrambles the parts `shown` of the filesystem of `volume` on `disk`:
/// ascending runs of blocks.
pub(super) fn run<R: ReadAt + ?Sized>(
    disk: &R,
    volume: &Volume,
    shown: &[BlockRun],
    names: &Names,
    spool: NewSpool<'_>,
) -> Result<(Patches, ScrambleReport), Halt<Distrust>> {
    let layout = &volume.layout;
    // e2fsck may take the copy of damaged descriptors, and what they lead to.
    let copied = layout.geometry.with_backup_descriptors();
    let copied = copied.map(|geometry| Layout {
        geometry,
        ..*layout
    });
    let layouts = [Some(layout), copied.as_ref()];
    let mut fixed = RunCollector::new(FIXED_RUNS_MAX);
    for layout in layouts.into_iter().flatten() {
        collect_fixed(disk, layout, &mut fixed)?;
    }
    let fixed = fixed.finish().map_err(too_many)?;
    let mut pass = Pass::new(disk, volume, names, fixed, spool)?;
    for layout in layouts.into_iter().flatten() {
        pass.base(layout, shown)?;
        pass.inodes(layout, shown)?;
        pass.bitmaps(layout, shown)?;
    }
    pass.mmp()?;
    pass.superblocks()?;
    pass.patches.flush()?;
    Ok((pass.patches, pass.report))
}

/// Collects where superblocks, descriptors, bitmaps and inode tables are.
fn collect_fixed<R: ReadAt + ?Sized>(
    disk: &R,
    layout: &Layout,
    fixed: &mut RunCollector,
) -> Result<(), Halt<Distrust>> {
    let geometry = &layout.geometry;
    let mut groups = GroupReader::new(disk, layout);
    for group in 0..geometry.group_count() {
        fixed
            .insert(geometry.base_metadata(group))
            .map_err(too_many)?;
        for run in groups.descriptor(group)?.metadata(geometry) {
            if geometry.holds_all(run) {
                fixed.insert(run).map_err(too_many)?;
            }
        }
    }
    Ok(())
}

/// The parts of ascending runs that are in `within`.
fn parts(runs: &[BlockRun], within: BlockRun) -> impl Iterator<Item = BlockRun> {
    let first = runs.partition_point(|run| run.end <= within.start);
    let runs = runs.iter().skip(first);
    let inside = runs.take_while(move |run| run.start < within.end);
    inside.map(move |run| run.intersection(within))
}

impl<'a, R: ReadAt + ?Sized> Pass<'a, R> {
    fn new(
        disk: &'a R,
        volume: &'a Volume,
        names: &'a Names,
        fixed: RunSet,
        spool: NewSpool<'_>,
    ) -> Result<Self, Error> {
        let Volume {
            layout, superblock, ..
        } = volume;
        let Superblock {
            incompat,
            s_hash_seed,
            s_flags,
            ..
        } = superblock;
        let geometry = &layout.geometry;
        let block_bits = geometry.block_bytes().trailing_zeros();
        Ok(Self {
            disk,
            volume,
            layout,
            style: Style {
                block_bytes: to_index(geometry.block_bytes()),
                checksums: layout.checksums,
                hasher: Hasher::new(s_hash_seed, s_flags & UNSIGNED_HASH != 0),
                has_data: incompat.bits() & DIRDATA != 0,
                has_large_directories: incompat.contains(Incompat::LARGEDIR),
            },
            has_casefold: incompat.contains(Incompat::CASEFOLD),
            seed: checksum::seed(superblock),
            names,
            patches: Patches::new(disk.size(), block_bits, spool)?,
            report: ScrambleReport::default(),
            fixed,
            groups: GroupReader::new(disk, layout),
            values: HashMap::new(),
            budget: geometry.block_count(),
            is_not_utf8: false,
        })
    }

    /// Scrambles the multiple mount protection block.
    fn mmp(&mut self) -> Result<(), Error> {
        let block = self.volume.reserved.mmp_block;
        let Some(block) = block.filter(|block| self.may_change(*block)) else {
            return Ok(());
        };
        let mut bytes = self.zeroes();
        self.read(Structure::Mmp, block, &mut bytes)?;
        base::scramble_mmp(&mut bytes, &self.layout.checksums);
        self.patches.store(block, &bytes)
    }

    /// Scrambles the superblock and its copies, and zeros what else is in
    /// their blocks: the first holds a boot loader, too.
    fn superblocks(&mut self) -> Result<(), Error> {
        let geometry = &self.layout.geometry;
        self.patches.store(0, &self.zeroes())?;
        for group in 0..geometry.group_count() {
            let Some(block) = geometry.superblock_in(group) else {
                continue;
            };
            let start = geometry.byte_of(block);
            let at = if group == 0 { SUPERBLOCK_OFFSET } else { start };
            let mut sb = [0; _];
            read(self.disk, Structure::Superblock, at, &mut sb)?;
            let (names, checksums) = (self.names, &self.layout.checksums);
            let was_strict =
                base::scramble_superblock(&mut sb, names, checksums, !self.is_not_utf8);
            self.report.strict_encoding_dropped |= was_strict && self.is_not_utf8;
            let mut bytes = self.zeroes();
            let within = bytes.iter_mut().skip(to_index(at.saturating_sub(start)));
            for (byte, new) in within.zip(sb) {
                *byte = new;
            }
            self.patches.store(block, &bytes)?;
        }
        Ok(())
    }

    /// Whether `block` is metadata whatever an inode says.
    fn is_fixed(&self, block: u64) -> bool {
        let runs = self.fixed.runs();
        let next = runs.partition_point(|run| run.end <= block);
        runs.get(next).is_some_and(|run| run.start <= block)
    }

    /// Whether `block` is there, and not fixed.
    fn may_change(&self, block: u64) -> bool {
        self.layout.geometry.holds(block) && !self.is_fixed(block)
    }

    fn dispute(&mut self) {
        self.report.disputed_blocks = self.report.disputed_blocks.saturating_add(1);
    }

    fn read(&self, structure: Structure, block: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let at = self.layout.geometry.byte_of(block);
        read(self.disk, structure, at, bytes)
    }

    /// Shows `block` as `bytes` are, which were `read` from it.
    fn show(&mut self, block: u64, read: &[u8], bytes: &[u8]) -> Result<(), Error> {
        if read == bytes {
            self.patches.keep(block)
        } else {
            self.patches.store(block, bytes)
        }
    }

    /// A block of zeros.
    fn zeroes(&self) -> Vec<u8> {
        vec![0; self.style.block_bytes]
    }
}
