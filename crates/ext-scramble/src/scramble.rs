//! A view of a filesystem's metadata with scrambled names.

use std::io;
use std::ops::Range;

use blockio::{Extent, ExtentKind, Extents, Merge, NewSpool, ReadAt, Tiling, clip};
use ext_blocks::{Filesystem, Metadata};
use ext_format::error::{Error, Halt};
use ext_format::finding::{Damage, Distrust};
use ext_format::runs::BlockRun;

use crate::names::Names;
use crate::names::key::ScrambleKey;
use crate::pass;
use crate::patches::Patches;
use crate::report::ScrambleReport;

/// The metadata of a filesystem with scrambled names, over the disk it was
/// found on. Read are the scrambled bytes, but where
/// [`used_extents`](Self::used_extents) says that nothing is used: there may be file
/// data, and names.
#[derive(Debug)]
pub struct Scrambled<R> {
    disk: R,
    metadata: Metadata,
    patches: Patches,
    report: ScrambleReport,
}

/// Why a filesystem cannot be shown with scrambled names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CannotScramble {
    /// Its superblock is not believed, or it has too much of something.
    #[error("{0}")]
    Distrusted(Distrust),
    /// Its journal is to be replayed. That can be done in memory:
    /// [`Filesystem::recovered`](ext_blocks::Filesystem::recovered).
    #[error("its journal holds names and was not replayed")]
    NotRecovered,
}

/// The metadata of a filesystem whose journal holds nothing, with names that
/// mean nothing: without the `key` the old ones cannot be found. Nothing is
/// written to the disk. What is changed is kept in spools.
///
/// # Errors
///
/// [`Error`] if the storage or a spool fails; otherwise why names would be left.
pub fn scramble<'f, R: ReadAt>(
    filesystem: &'f Filesystem<R>,
    key: &ScrambleKey,
    spool: NewSpool<'_>,
) -> Result<Scrambled<&'f R>, Halt<CannotScramble>> {
    let distrusted = |halt: Halt<Distrust>| halt.map(CannotScramble::Distrusted);
    let volume = filesystem
        .volume()
        .map_err(|why| distrusted((*why).into()))?;
    if filesystem.is_replayed() {
        return Err(Halt::Refused(CannotScramble::NotRecovered));
    }
    let metadata = filesystem.metadata().map_err(distrusted)?;
    let disk = filesystem.disk();
    let scrambled = pass::run(disk, volume, metadata.runs(), &Names::new(key), spool);
    let (patches, report) = scrambled.map_err(distrusted)?;
    Ok(Scrambled {
        disk,
        metadata,
        patches,
        report,
    })
}

impl<R> Scrambled<R> {
    /// What was done.
    #[must_use]
    pub const fn report(&self) -> &ScrambleReport {
        &self.report
    }

    /// What is wrong with the metadata.
    #[must_use]
    pub const fn damage(&self) -> &Damage {
        self.metadata.damage()
    }

    /// What every byte of the disk is: [`ExtentKind::Data`] where there is
    /// metadata that holds no name any more, [`ExtentKind::Free`] elsewhere.
    /// They tile the disk.
    pub fn used_extents(&self) -> impl Iterator<Item = Result<Extent, Error>> {
        Merge::new(self.extents_from(0))
    }

    /// The same from at or before byte `start` on, not as long as they can be.
    fn extents_from(&self, start: u64) -> impl Iterator<Item = Result<Extent, Error>> {
        let runs = self.metadata.runs();
        let end = |run: &BlockRun| self.metadata.bytes_of(*run).end;
        let before = runs.partition_point(|run| end(run) <= start);
        let (before, runs) = runs.split_at_checked(before).unwrap_or_default();
        let runs = runs.iter().flat_map(|run| Shown {
            patches: &self.patches,
            within: *run,
        });
        let ranges = runs.map(|run| Ok(self.metadata.bytes_of(run?)));
        let mut at = before.last().map_or(0, end);
        let disk_bytes = self.metadata.disk_bytes();
        ranges.chain([Ok(disk_bytes..disk_bytes)]).flat_map(
            move |range: Result<Range<u64>, Error>| {
                let (range, error) = match range {
                    Ok(range) => (range, None),
                    Err(error) => (at..at, Some(Err(error))),
                };
                let gap = Extent::new(at..range.start, ExtentKind::Free);
                at = range.end;
                let extents = [gap, Extent::new(range, ExtentKind::Data)];
                extents.map(Ok).into_iter().chain(error)
            },
        )
    }
}

impl<R: ReadAt> Tiling for Scrambled<R> {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        clip(self.extents_from(range.start), range)
    }
}

/// The blocks of a run that hold no names.
struct Shown<'s> {
    patches: &'s Patches,
    within: BlockRun,
}

impl Iterator for Shown<'_> {
    type Item = Result<BlockRun, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.patches.next_shown(self.within).transpose()?;
        self.within.start = next.as_ref().map_or(self.within.end, |run| run.end);
        Some(next)
    }
}

impl<R: ReadAt> ReadAt for Scrambled<R> {
    fn size(&self) -> u64 {
        self.disk.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(offset, buf)?;
        self.patches.apply(offset, buf)
    }
    // Blocks of zeros stay what they are.
    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.disk.next_data(from)
    }
}
