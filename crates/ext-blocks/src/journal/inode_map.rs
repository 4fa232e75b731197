//! The blocks of the journal: those of one inode.

use blockio::ReadAt;
use ext_format::block_map::{Item, MapForm, Mapper};
use ext_format::error::Error;
use ext_format::finding::{InodeDamage, JournalDamage};
use ext_format::group::GroupReader;
use ext_format::inode::{Inode, read_inode};
use ext_format::runs::{BlockRun, Full, RunCollector};

/// Most runs of blocks a journal may be in: 16 MiB. The largest journal mke2fs
/// makes has 10,240,000 blocks.
pub(crate) const JOURNAL_RUNS_MAX: usize = 1 << 20;

/// Why a walk ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The map is damaged; what was found before is right.
    Damage(JournalDamage),
    /// The storage failed.
    Read(Error),
    /// More runs than are kept.
    Full,
}

impl From<JournalDamage> for Stop {
    fn from(damage: JournalDamage) -> Self {
        Self::Damage(damage)
    }
}

impl From<InodeDamage> for Stop {
    fn from(damage: InodeDamage) -> Self {
        Self::Damage(damage.into())
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Read(error)
    }
}

impl From<Full> for Stop {
    fn from(Full: Full) -> Self {
        Self::Full
    }
}

/// Adds to `runs` the blocks of the journal in inode `number`, and those of
/// its map.
pub(crate) fn collect<R: ReadAt + ?Sized>(
    disk: &R,
    groups: &mut GroupReader<'_, R>,
    number: u32,
    runs: &mut RunCollector,
) -> Result<(), Stop> {
    walk(disk, groups, number, &mut |item| match item {
        Item::Node { block } => Ok(runs.insert(BlockRun::new(block, 1))?),
        Item::Blocks { run, .. } => Ok(runs.insert(run)?),
        Item::Damage(damage) => Err(damage.into()),
    })
}

/// The blocks of the journal in inode `number`, from its first on. A journal
/// has no holes.
pub(crate) fn map_journal<R: ReadAt + ?Sized>(
    disk: &R,
    groups: &mut GroupReader<'_, R>,
    number: u32,
) -> Result<Vec<BlockRun>, Stop> {
    let mut runs: Vec<BlockRun> = Vec::new();
    let mut next = 0;
    walk(disk, groups, number, &mut |item| match item {
        Item::Node { .. } => Ok(()),
        Item::Blocks { logical, .. } if logical != next => {
            Err(JournalDamage::Hole { logical: next }.into())
        }
        Item::Blocks { run, .. } => {
            next = next.saturating_add(run.count());
            let full = runs.len() >= JOURNAL_RUNS_MAX;
            match runs.last_mut() {
                Some(last) if last.end == run.start => last.end = run.end,
                _ if full => return Err(Stop::Full),
                _ => runs.push(run),
            }
            Ok(())
        }
        Item::Damage(damage) => Err(damage.into()),
    })?;
    Ok(runs)
}

/// Walks over the map of the journal in inode `number`.
fn walk<R: ReadAt + ?Sized>(
    disk: &R,
    groups: &mut GroupReader<'_, R>,
    number: u32,
    visit: &mut impl FnMut(Item) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let inode = read_inode(disk, groups, number)??;
    let Inode {
        i_mode,
        i_links_count,
        ..
    } = inode;
    if !inode.is_file_in_use() {
        return Err(JournalDamage::NotAFile {
            i_mode,
            i_links_count,
        }
        .into());
    }
    Mapper::new(disk, groups.layout()).walk(&inode, MapForm::of(&inode), visit)
}
