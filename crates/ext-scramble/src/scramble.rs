//! A view of a filesystem's metadata with scrambled names.

use std::io;
use std::ops::Range;

use blockio::{Extent, ExtentKind, Merge, NewSpool, ReadAt};
use ext_blocks::{Filesystem, Metadata};
use ext_format::error::Error;
use ext_format::finding::{Damage, Distrust};
use ext_format::runs::BlockRun;

use crate::names::Names;
use crate::names::key::ScrambleKey;
use crate::pass::{self, Halt};
use crate::patches::Patches;
use crate::report::ScrambleReport;

/// The metadata of a filesystem with scrambled names, over the disk it was
/// found on. Read are the scrambled bytes, but where
/// [`extents`](Self::extents) says that nothing is used: there may be file
/// data, and names.
#[derive(Debug)]
pub struct Scrambled<'d, R: ?Sized> {
    disk: &'d R,
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
    #[error("its journal holds names, and was not replayed")]
    NotRecovered,
}

/// The metadata of a filesystem whose journal holds nothing, with names that
/// tell nothing: whoever has not the `key` cannot find the old ones. Nothing is
/// written to the disk. What is changed is kept in spools.
///
/// # Errors
///
/// [`Error`] where the storage or a spool fails. The inner error
/// where there are names that would be left.
pub fn scramble<'f, R: ReadAt + ?Sized>(
    filesystem: &'f Filesystem<'_, R>,
    key: &ScrambleKey,
    spool: NewSpool<'_>,
) -> Result<Result<Scrambled<'f, R>, CannotScramble>, Error> {
    let volume = match filesystem.volume() {
        Ok(volume) => volume,
        Err(distrust) => return Ok(Err(CannotScramble::Distrusted(*distrust))),
    };
    if filesystem.is_replayed() {
        return Ok(Err(CannotScramble::NotRecovered));
    }
    let metadata = match filesystem.metadata()? {
        Ok(metadata) => metadata,
        Err(distrust) => return Ok(Err(CannotScramble::Distrusted(distrust))),
    };
    let disk = filesystem.disk();
    match pass::run(disk, volume, metadata.runs(), &Names::new(key), spool) {
        Ok((patches, report)) => Ok(Ok(Scrambled {
            disk,
            metadata,
            patches,
            report,
        })),
        Err(Halt::Failed(error)) => Err(error),
        Err(Halt::Distrust(distrust)) => Ok(Err(CannotScramble::Distrusted(distrust))),
    }
}

impl<R: ReadAt + ?Sized> Scrambled<'_, R> {
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
    pub fn extents(&self) -> impl Iterator<Item = Result<Extent, Error>> {
        let runs = self.metadata.runs().iter().flat_map(|run| Shown {
            patches: &self.patches,
            within: *run,
        });
        let ranges = runs.map(|run| Ok(self.metadata.bytes_of(run?)));
        let mut at = 0;
        let extents = ranges.chain([Ok(self.size()..self.size())]).flat_map(
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
        );
        Merge::new(extents)
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

impl<R: ReadAt + ?Sized> ReadAt for Scrambled<'_, R> {
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
