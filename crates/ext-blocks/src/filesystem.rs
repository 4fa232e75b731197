//! From a disk to a filesystem, and what can be asked of it.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;

use blockio::{ExtentKind, Extents, NewSpool, ReadAt, Tiling, clip};
use ext_format::error::{Error, Halt};
use ext_format::finding::{Damage, Distrust, SuperblockAt};
use ext_format::group::Layout;
use ext_format::volume::Volume;

use crate::info::Info;
use crate::journal::recover::{self, CannotRecover, Recovered};
use crate::journal::{DeviceLog, Journal, Overlay};
use crate::metadata::{self, Metadata};
use crate::trust::{Evidence, OtherClaim, Trust, Unclean};
use crate::used::discardable::{self, Discardable, Discarded, NotDiscarded};
use crate::used::group_map::GroupMap;
use crate::used::survey::Survey;
use crate::used::{Groups, UsedExtents};

/// How a disk is looked at.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct Options<'s> {
    /// What else the caller found to claim the disk. `None` says that nothing does, or
    /// that the filesystem counts all the same.
    pub other_claim: Option<OtherClaim>,
    /// Keep the parts of inode tables that never held an inode as data. They
    /// are [`ExtentKind::Zero`] otherwise.
    pub keep_uninit: bool,
    /// Whether to keep the bytes after the end of the filesystem.
    pub tail: Tail,
    /// The superblock to go by, instead of the first. The filesystem is then taken
    /// for one that was not left clean.
    pub superblock: Option<SuperblockAt>,
    /// What has to prove that a block is free.
    pub evidence: Evidence,
    /// Threads that look at inodes; `None` is as many as the machine runs at once.
    /// What is found does not depend on them.
    pub threads: Option<NonZeroUsize>,
    /// Most bytes of memory in which what bitmaps say is kept, so that none of them is
    /// read twice; `None` are 32 MiB, which are enough for 16 million files.
    pub memory: Option<usize>,
    /// Where the rest is kept. Without it, or if it fails, bitmaps that `memory` has no
    /// room for are read again each time that they are needed.
    pub spool: Option<NewSpool<'s>>,
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("other_claim", &self.other_claim)
            .field("keep_uninit", &self.keep_uninit)
            .field("tail", &self.tail)
            .field("superblock", &self.superblock)
            .field("evidence", &self.evidence)
            .field("threads", &self.threads)
            .field("memory", &self.memory)
            .field("spool", &self.spool.is_some())
            .finish()
    }
}

/// Whether to keep the bytes after the last block of a filesystem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tail {
    /// They are used.
    #[default]
    Keep,
    /// They are not, where the filesystem is trusted.
    Drop,
}

/// What [`detect`](crate::detect()) found.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one a disk, and it is taken apart at once"
)]
pub enum Detected<R> {
    /// An ext superblock; [`Filesystem::trust`] tells whether it is believed.
    Ext(Filesystem<R>),
    /// No ext superblock where one should be.
    Nothing {
        /// A backup superblock of a filesystem that was there once: it may have been
        /// replaced by something else, so nothing is known of the disk.
        /// [`Options::superblock`] makes use of it.
        backup: Option<SuperblockAt>,
    },
}

/// An ext filesystem on a disk.
#[derive(Debug)]
pub struct Filesystem<R> {
    /// The disk, as it is after recovery.
    pub(crate) overlay: Overlay<R>,
    /// What follows from the superblock as it is stored, where it is believed.
    pub(crate) volume: Result<Volume, Distrust>,
    pub(crate) info: Info,
    pub(crate) trust: Trust,
    pub(crate) unclean: Unclean,
    pub(crate) damage: Damage,
    pub(crate) inodes_asked: bool,
    pub(crate) known: Known,
    pub(crate) replayed: Option<Replayed>,
    pub(crate) discarded: Discarded,
    pub(crate) tail: ExtentKind,
}

/// What the used bytes are known by.
#[derive(Debug)]
pub(crate) enum Known {
    /// Nothing: all are used.
    Nothing,
    /// Block groups, with [`Trust::Bitmaps`].
    Groups(Layout, GroupMap),
    /// The log of a journal device, with [`Trust::Log`].
    Log(DeviceLog),
}

/// A journal that was replayed in memory.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) journal: Journal,
    /// The transaction after the last one.
    pub(crate) next_sequence: u32,
    /// Fast commits after that, which were not replayed.
    pub(crate) fast_commits: u32,
}

impl<R: ReadAt> Tiling for Filesystem<R> {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        clip(self.used_extents_from(range.start), range)
    }
}

impl<R: ReadAt> Filesystem<R> {
    /// What the filesystem says of itself, and how its bytes are used.
    #[must_use]
    pub const fn info(&self) -> &Info {
        &self.info
    }

    /// What the used set rests on.
    #[must_use]
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// How the filesystem was left, where it is trusted.
    #[must_use]
    pub const fn unclean(&self) -> &Unclean {
        &self.unclean
    }

    /// What is wrong in groups of a filesystem that is trusted otherwise.
    #[must_use]
    pub const fn damage(&self) -> &Damage {
        &self.damage
    }

    /// Whether every block that an inode refers to is among the used ones. It is
    /// not known where inodes were not asked, see [`Evidence`].
    #[must_use]
    pub const fn has_all_of_inodes(&self) -> bool {
        self.inodes_asked || matches!(self.trust, Trust::Nothing(_))
    }

    /// What every byte of the disk is: extents that tile it, each as long as
    /// it can be; every call gives the same ones. Block bitmaps are read again only
    /// if there was no room for what they say, see [`Options::memory`].
    #[must_use]
    pub fn used_extents(&self) -> UsedExtents<'_, R> {
        self.used_extents_from(0)
    }

    /// The same, from the group on that byte `start` is in.
    fn used_extents_from(&self, start: u64) -> UsedExtents<'_, R> {
        let disk = self.overlay.disk();
        match &self.known {
            Known::Nothing => UsedExtents::everything(disk),
            Known::Groups(layout, groups) => {
                let groups = Groups {
                    disk: &self.overlay,
                    layout,
                    groups,
                    discarded: &self.discarded.runs,
                    tail: self.tail,
                };
                UsedExtents::from_bitmaps(&groups, start)
            }
            Known::Log(log) => UsedExtents::from_runs(disk, &log.runs, log.block_bytes, start),
        }
    }

    /// Leaves `discarded` out of the used extents from now on.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the storage fails.
    pub fn leave_out(&mut self, discarded: Discarded) -> Result<(), Error> {
        self.discarded = discarded;
        let mut used_bytes = 0u64;
        for extent in self.used_extents() {
            let extent = extent?;
            if extent.kind == ExtentKind::Data {
                used_bytes = used_bytes.saturating_add(extent.length);
            }
        }
        let left_out = self.info.used_bytes.saturating_sub(used_bytes);
        self.info.used_bytes = used_bytes;
        self.info.free_bytes = self.info.free_bytes.saturating_add(left_out);
        Ok(())
    }

    /// The blocks that hold metadata, whatever the state of the filesystem.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the storage fails; otherwise why the superblock is not
    /// believed.
    pub fn metadata(&self) -> Result<Metadata, Halt<Distrust>> {
        let volume = self.volume.as_ref().map_err(|why| Halt::Refused(*why))?;
        Ok(metadata::find(&self.overlay, volume)?)
    }

    /// Used blocks whose contents are never read.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the storage fails; otherwise why nothing may be left out.
    pub fn discardable(&self, what: Discardable) -> Result<Discarded, Halt<NotDiscarded>> {
        match (&self.volume, &self.trust) {
            (Ok(volume), Trust::Bitmaps) if self.unclean.is_clean() => {
                discardable::find(self.overlay.disk(), volume, what)
            }
            (Ok(_), Trust::Nothing(Distrust::Unknown { damage })) => {
                Err(Halt::Refused((*damage).into()))
            }
            _ => Err(Halt::Refused(NotDiscarded::NotClean)),
        }
    }

    /// The superblock as it is stored, and what follows from it; otherwise why it
    /// is not believed.
    ///
    /// # Errors
    ///
    /// [`Distrust`] if the superblock is not believed.
    pub const fn volume(&self) -> Result<&Volume, &Distrust> {
        self.volume.as_ref()
    }

    /// The disk that the filesystem is on, as it is stored.
    #[must_use]
    pub const fn disk(&self) -> &R {
        self.overlay.disk()
    }

    /// Whether the journal was replayed in memory, so that the filesystem is not
    /// what is stored on the disk.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        self.overlay.log().is_some()
    }

    /// The disk as it will be once the journal has been replayed; as it is, where
    /// there is nothing to be replayed. To look at it is to [`detect`] again, so that
    /// [`Evidence::Nothing`] is enough before.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the storage fails; otherwise why the state after a replay is
    /// not known.
    ///
    /// [`detect`]: crate::detect()
    pub fn recovered(&self) -> Result<Recovered<&R>, Halt<CannotRecover>> {
        let refused = |why| Err(Halt::Refused(CannotRecover::Distrusted(why)));
        let volume = match (&self.volume, self.trust) {
            // What inodes say has nothing to do with the journal.
            (
                Ok(volume),
                Trust::Bitmaps
                | Trust::NotAsked
                | Trust::Nothing(Distrust::Inodes { .. } | Distrust::Unknown { .. }),
            ) => volume,
            (_, Trust::Nothing(distrust)) => return refused(distrust),
            (Err(distrust), _) => return refused(*distrust),
            (Ok(_), Trust::Log) => return Ok(Recovered::new(self.overlay.by_ref(), Vec::new())),
        };
        let Some(replayed) = &self.replayed else {
            return Ok(Recovered::new(self.overlay.by_ref(), Vec::new()));
        };
        if replayed.fast_commits > 0 {
            let count = replayed.fast_commits;
            return Err(Halt::Refused(CannotRecover::FastCommits { count }));
        }
        let superblock = recover::superblock(&self.overlay, &volume.layout)?;
        // As the kernel, which leaves one transaction out.
        let next = replayed.next_sequence.wrapping_add(1);
        let patches = superblock.into_iter().chain(replayed.journal.emptied(next));
        Ok(Recovered::new(self.overlay.by_ref(), patches.collect()))
    }

    pub(crate) fn take_survey(&mut self, layout: Layout, survey: Survey) {
        let geometry = &layout.geometry;
        let disk_bytes = self.overlay.size();
        let tail_bytes = match self.tail {
            ExtentKind::Free => disk_bytes.saturating_sub(geometry.filesystem_bytes()),
            _ => 0,
        };
        let uninit = survey.groups.uninit.iter();
        let zero_bytes = uninit.fold(0u64, |bytes, run| {
            bytes.saturating_add(geometry.byte_of(run.count()))
        });
        let free_bytes = survey.free_bytes.saturating_add(tail_bytes);
        self.info.zero_bytes = zero_bytes;
        self.info.free_bytes = free_bytes;
        self.info.used_bytes = disk_bytes
            .saturating_sub(free_bytes)
            .saturating_sub(zero_bytes);
        self.damage.join(survey.damage);
        self.known = Known::Groups(layout, survey.groups);
    }
}
