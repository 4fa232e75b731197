//! A filesystem whose names tell nothing: for metadata that is shown to others.
//!
//! [`Filesystem::scrambled`](crate::Filesystem::scrambled) makes a view of a
//! filesystem in which names of files and of attributes, targets of links, the
//! label and the last mount point are replaced by others of the same length, in a
//! way that only a key can undo, and in which no rest of an old one is left in any
//! block of metadata. All
//! else stays: checksums that were right are right, those that were wrong are
//! wrong in the same bits, and e2fsck finds what it found before.
//!
//! ```text
//! inodes ─┬─ directories ─ entries, index ──┐
//!         ├─ targets of links ──────────────┤ names: one-to-one for each length
//!         └─ attributes ────────────────────┤
//! superblocks ──────────────────────────────┘──▶ patches over the disk
//! ```

mod attributes;
mod base;
mod directory;
mod entries;
mod hash;
mod index;
mod inode;
mod key;
mod link;
mod map;
mod names;
mod pass;
mod patches;
mod report;
mod text;

use std::io;
use std::ops::Range;

use blockio::{Extent, ExtentKind, Merge, ReadAt};

use crate::damage::Damage;
use crate::error::Error;
use crate::metadata::Metadata;
use crate::runs::BlockRun;
use crate::trust::Distrust;
use crate::volume::Volume;
use names::Names;
pub(crate) use pass::Halt;
use patches::Patches;

pub use directory::Unindexed;
pub use key::ScrambleKey;
pub use report::ScrambleReport;

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
    /// [`Filesystem::recovered`](crate::Filesystem::recovered).
    #[error("its journal holds names, and was not replayed")]
    NotRecovered,
}

/// Scrambles the `metadata` of the filesystem of `volume` on `disk`, which was
/// cleanly unmounted or is seen with its journal replayed; nothing is written
/// to it.
pub(crate) fn scramble<'d, R: ReadAt + ?Sized>(
    disk: &'d R,
    volume: &Volume,
    metadata: Metadata,
    key: &ScrambleKey,
) -> Result<Scrambled<'d, R>, Halt> {
    let (patches, report) = pass::run(disk, volume, &metadata.runs, &Names::new(key))?;
    Ok(Scrambled {
        disk,
        metadata,
        patches,
        report,
    })
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
    /// metadata that holds no name any more, [`ExtentKind::Unused`] elsewhere.
    /// They tile the disk.
    pub fn extents(&self) -> impl Iterator<Item = Result<Extent, Error>> {
        let runs = self.metadata.runs.iter().flat_map(|run| Shown {
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
                let gap = Extent::new(at..range.start, ExtentKind::Unused);
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
