//! Used blocks whose contents are never read: an image may leave them out.

use std::ops::Range;

use blockio::ReadAt;
use ext_format::error::{Error, Halt};
use ext_format::finding::WalkDamage;
use ext_format::group::GroupReader;
use ext_format::runs::{BlockRun, Full, RunCollector, WIDE_RUNS_MAX, WideCollector, subtract};
use ext_format::volume::Volume;

use crate::inodes::references::{Holds, Reference, walk};
use crate::inodes::tables::Scan;
use crate::journal::Journal;

/// Most separate runs that may be left out: 16 MiB. Over it, none is.
const CANDIDATES_MAX: usize = 1 << 20;

/// What may be left out of the used blocks of a clean filesystem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Discardable {
    /// The blocks of unwritten extents: they read as zeros, whatever they
    /// hold.
    pub unwritten: bool,
    /// The journal, but for its superblock, where nothing is to be replayed.
    pub journal: bool,
}

impl Discardable {
    /// All of it.
    pub const ALL: Self = Self {
        unwritten: true,
        journal: true,
    };
}

/// Why nothing is left out of the used blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotDiscarded {
    /// What the blocks hold may still be needed.
    #[error("the filesystem is not known to be clean")]
    NotClean,
    /// Others may use the blocks.
    #[error(transparent)]
    Walk(#[from] WalkDamage),
    /// There are too many runs of blocks that might be left out.
    #[error("more than {limit} separate runs of blocks")]
    TooMany {
        /// How many are kept in memory.
        limit: u64,
    },
}

/// Blocks that are left out.
#[derive(Debug, Default)]
pub struct Discarded {
    /// Ascending, none touching the next.
    pub(crate) runs: Vec<BlockRun>,
    /// log2 of the block size in bytes.
    block_bits: u32,
}

impl Discarded {
    /// The bytes of the disk that are left out: ascending, none touching the
    /// next.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        let byte_of = |block: u64| block << self.block_bits;
        let runs = self.runs.iter();
        runs.map(move |run| byte_of(run.start)..byte_of(run.end))
    }
}

/// Finds the blocks of a clean filesystem that may be left out, and are nothing
/// else's.
pub(crate) fn find<R: ReadAt + ?Sized>(
    disk: &R,
    volume: &Volume,
    what: Discardable,
) -> Result<Discarded, Halt<NotDiscarded>> {
    let mut candidates = RunCollector::new(CANDIDATES_MAX);
    let mut others = WideCollector::new(WIDE_RUNS_MAX);
    placed(disk, volume, &mut others)?;
    let mut taken: Result<(), Full> = Ok(());
    let journal = volume.reserved.journal;
    let mut journal_sorted = false;
    if what.journal
        && let Some(found) = Journal::find_sound(disk, &volume.layout, journal)?
        && let Some(runs) = found.idle()
    {
        journal_sorted = true;
        let mut kept = 1;
        for run in runs {
            let (first, rest) = run.split(kept);
            others.insert(first);
            taken = taken.and_then(|()| candidates.insert(rest));
            kept = 0;
        }
    }
    let walked = walk(
        disk,
        &volume.layout,
        &volume.reserved,
        Scan::Held,
        &mut |reference| {
            let Reference { inode, run, holds } = reference;
            match holds {
                Holds::Nothing if what.unwritten => {
                    taken = taken.and_then(|()| candidates.insert(run));
                }
                Holds::Contents if journal_sorted && inode == journal => {}
                _ => others.insert(run),
            }
            Ok(())
        },
    );
    walked.map_err(|stop| stop.map(NotDiscarded::Walk))?;
    let Ok(candidates) = taken.and_then(|()| candidates.finish()) else {
        let limit = u64::try_from(CANDIDATES_MAX).unwrap_or(u64::MAX);
        return Err(Halt::Refused(NotDiscarded::TooMany { limit }));
    };
    // Two inodes have a block that is a candidate twice.
    let single = |run: &BlockRun| !candidates.overlaps().meet(*run);
    let single: Vec<_> = candidates.runs().iter().copied().filter(single).collect();
    let runs = subtract(&single, others.finish());
    let block_bits = volume.layout.geometry.block_bytes().trailing_zeros();
    Ok(Discarded { runs, block_bits })
}

/// Adds to `others` what lies where the superblock and the group descriptors
/// say.
fn placed<R: ReadAt + ?Sized>(
    disk: &R,
    volume: &Volume,
    others: &mut WideCollector,
) -> Result<(), Error> {
    let geometry = &volume.layout.geometry;
    let mut groups = GroupReader::new(disk, &volume.layout);
    if let Some(block) = volume.reserved.mmp_block {
        others.insert(BlockRun::new(block, 1));
    }
    for group in 0..geometry.group_count() {
        others.insert(geometry.base_metadata(group));
        for run in groups.descriptor(group)?.metadata(geometry) {
            others.insert(run);
        }
    }
    Ok(())
}
