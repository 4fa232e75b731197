//! An XFS filesystem on a disk.

pub(crate) mod info;

use std::ops::Range;

use blockio::{AllData, ExtentKind, Extents, NewSpool, ReadAt, Tiling};

use crate::error::{Error, Halt, Structure, fill};
use crate::filesystem::info::Info;
use crate::finding::{Damage, Distrust, Stop, Trust};
use crate::geometry::Geometry;
use crate::log::{self, LogState, View};
use crate::superblock::{self, Superblock};
use crate::used::extents;
use crate::used::free_map::MEMORY_BYTES;
use crate::used::kept::Kept;
use crate::used::metadata::Metadata;
use crate::used::survey::{Before, Survey, survey};

/// How to look at a disk.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct Options<'s> {
    /// What is used.
    pub keep: Keep,
    /// What has to prove that a block is free.
    pub evidence: Evidence,
    /// Whether the bytes after the filesystem are kept.
    pub tail: Tail,
    /// Where free runs are kept that are too many for memory. Without it the groups that
    /// they are in are used.
    pub spool: Option<NewSpool<'s>>,
}

/// What of a filesystem is called used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Keep {
    /// What is in use, and everything that is not proven free.
    #[default]
    Used,
    /// Metadata: everything but the contents of regular files.
    Metadata,
}

/// What has to prove that a block is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evidence {
    /// The free space btrees, and that no file has the block: by the rmapbt, or by all
    /// inodes where there is none.
    #[default]
    References,
    /// The free space btrees alone in version 5, whose metadata has checksums; else as
    /// [`References`](Self::References).
    Checksums,
}

/// Whether the bytes after the filesystem are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tail {
    /// They are in use.
    #[default]
    Keep,
    /// They are free, if the filesystem is trusted.
    Drop,
}

/// A log with changes that were not written to their places yet. It was replayed in memory:
/// blocks that are in use before or after that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("the log holds {transactions} transactions that have not been replayed")]
pub struct Unclean {
    /// Transactions that a replay takes in.
    pub transactions: u64,
    /// Changes begun by them that are to be finished after it.
    pub open_intents: u64,
    /// They change the superblock alone, as in a filesystem that was frozen.
    pub is_only_superblock: bool,
}

/// A filesystem on a disk; its [`Tiling`] is that of the disk.
#[derive(Debug)]
pub struct Filesystem<R> {
    disk: R,
    info: Info,
    found: Result<Found, Distrust>,
    nothing_found: Damage,
}

/// What is known of a filesystem that is trusted.
#[derive(Debug)]
struct Found {
    what: What,
    geometry: Geometry,
    tail: ExtentKind,
    unclean: Option<Unclean>,
    has_references: bool,
}

#[derive(Debug)]
enum What {
    Used(Survey),
    Metadata(Metadata),
}

impl<R: ReadAt> Filesystem<R> {
    pub(crate) fn open(
        disk: R,
        info: Info,
        superblock: Result<Superblock, Distrust>,
        options: &Options<'_>,
    ) -> Result<Self, Error> {
        let found = match superblock
            .map_err(Stop::from)
            .and_then(|superblock| look(&disk, &superblock, options))
        {
            Ok(found) => Ok(found),
            Err(Halt::Distrust(distrust)) => Err(distrust),
            Err(Halt::Read(error)) => return Err(error),
        };
        Ok(Self {
            disk,
            info,
            found,
            nothing_found: Damage::default(),
        })
    }

    /// What the filesystem says of itself.
    pub const fn info(&self) -> &Info {
        &self.info
    }

    /// What the used bytes are known by.
    pub const fn trust(&self) -> Trust<'_> {
        match &self.found {
            Ok(_) => Trust::Btrees,
            Err(distrust) => Trust::Nothing(distrust),
        }
    }

    /// What is damaged or unusual in a filesystem that is trusted.
    pub const fn damage(&self) -> &Damage {
        match &self.found {
            Ok(Found {
                what: What::Used(survey),
                ..
            }) => &survey.damage,
            _ => &self.nothing_found,
        }
    }

    /// How the filesystem was left, if not clean.
    pub fn unclean(&self) -> Option<Unclean> {
        self.found.as_ref().ok()?.unclean
    }

    /// Whether it was proven that no file has a free block.
    pub fn has_references(&self) -> bool {
        self.found.as_ref().is_ok_and(|found| found.has_references)
    }

    /// Bytes proven free, without those after the filesystem.
    pub fn free_bytes(&self) -> u64 {
        match &self.found {
            Ok(Found {
                what: What::Used(survey),
                geometry,
                ..
            }) => {
                let blocks = survey.map.free_blocks();
                blocks.saturating_mul(geometry.block_bytes())
            }
            _ => 0,
        }
    }

    /// The disk that the filesystem is on.
    pub const fn disk(&self) -> &R {
        &self.disk
    }
}

impl<R: ReadAt> Tiling for Filesystem<R> {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        let Ok(found) = &self.found else {
            return AllData.extents(range);
        };
        let (geometry, size) = (&found.geometry, self.disk.size());
        match &found.what {
            What::Used(survey) => extents::extents(&survey.map, geometry, found.tail, size, range),
            What::Metadata(metadata) => metadata.extents(geometry, size, range),
        }
    }
}

/// Looks into the filesystem of `superblock`.
fn look<R: ReadAt + ?Sized>(
    disk: &R,
    superblock: &Superblock,
    options: &Options<'_>,
) -> Result<Found, Stop> {
    let replay = match log::examine(disk, &superblock.log)? {
        LogState::Clean => return look_at::<R, R>(disk, superblock, None, options),
        LogState::Unclear(why) => return Err(Distrust::Log(why).into()),
        LogState::Dirty(replay) => replay,
    };
    let view = View::new(disk, replay.sectors);
    let after = superblock_of(&view, disk.size())?;
    let geometry = &superblock.geometry;
    if after.geometry != *geometry {
        return Err(Distrust::Resized.into());
    }
    let kept = replay.touched.into_iter().chain(replay.intended);
    let before = Before {
        disk,
        kept: &Kept::new(geometry, kept),
    };
    let mut found = look_at(&view, &after, Some(&before), options)?;
    found.unclean = Some(Unclean {
        transactions: replay.transactions,
        open_intents: replay.open_intents,
        is_only_superblock: replay.is_only_superblock,
    });
    Ok(found)
}

/// Looks at `disk`, on which nothing in the log is left to be replayed. `before` is the disk
/// as it is stored, if that is another.
fn look_at<R: ReadAt + ?Sized, B: ReadAt + ?Sized>(
    disk: &R,
    superblock: &Superblock,
    before: Option<&Before<'_, B>>,
    options: &Options<'_>,
) -> Result<Found, Stop> {
    let features = &superblock.features;
    // A realtime section may follow.
    let tail = match options.tail {
        Tail::Drop if superblock.realtime_blocks == 0 => ExtentKind::Free,
        _ => ExtentKind::Data,
    };
    let asks = match options.evidence {
        Evidence::References => !features.has_rmapbt(),
        Evidence::Checksums => !features.has_crc(),
    };
    let what = match options.keep {
        Keep::Metadata => {
            let kept = before.map_or(&[][..], |before| before.kept.ranges());
            What::Metadata(Metadata::find(disk, superblock, kept)?)
        }
        Keep::Used => {
            let mut survey = survey(disk, superblock, before, MEMORY_BYTES, options.spool)?;
            if asks {
                survey.ask_inodes(disk, superblock)?;
            }
            What::Used(survey)
        }
    };
    Ok(Found {
        what,
        geometry: superblock.geometry,
        tail,
        unclean: None,
        has_references: asks || features.has_rmapbt(),
    })
}

/// The superblock after the log was replayed.
fn superblock_of<R: ReadAt + ?Sized>(view: &R, disk_bytes: u64) -> Result<Superblock, Stop> {
    let mut sector = vec![0; superblock::SECTOR_BYTES_MAX.min(crate::bytes::usize_of(disk_bytes))];
    fill(view, Structure::Superblock, 0, &mut sector)?;
    Ok(Superblock::new(&sector, disk_bytes)?)
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("keep", &self.keep)
            .field("evidence", &self.evidence)
            .field("tail", &self.tail)
            .field("spool", &self.spool.is_some())
            .finish()
    }
}
