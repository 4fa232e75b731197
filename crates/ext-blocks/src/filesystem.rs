//! From a disk to a filesystem, and what can be asked of it.

use std::fmt;
use std::num::NonZeroUsize;

use blockio::{ExtentKind, NewSpool, ReadAt};
use ext_format::error::Error;
use ext_format::feature::{Compat, Incompat, RoCompat};
use ext_format::finding::{Damage, Distrust, SuperblockAt};
use ext_format::geometry::Geometry;
use ext_format::group::Layout;
use ext_format::superblock::{JournalPlace, Superblock};
use ext_format::volume::Volume;

use crate::journal::recover::{self, CannotRecover, Recovered};
use crate::journal::{DeviceLog, Journal, Overlay};
use crate::metadata::{self, Metadata};
use crate::trust::{Evidence, OtherClaim, Trust, Unclean};
use crate::used::UsedExtents;
use crate::used::discardable::{self, Droppable, Dropped, NotDropped};
use crate::used::group_map::GroupMap;
use crate::used::survey::Survey;

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
    /// What becomes of the bytes behind the filesystem.
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

/// What becomes of the bytes behind the last block of a filesystem.
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
pub enum Detected<'d, R: ?Sized> {
    /// An ext superblock; [`Filesystem::trust`] tells whether it is believed.
    Ext(Filesystem<'d, R>),
    /// No ext superblock where one should be.
    Nothing {
        /// A copy of one, of a filesystem that was there once: it may have been
        /// replaced by something else, so nothing is known of the disk.
        /// [`Options::superblock`] makes use of it.
        copy: Option<SuperblockAt>,
    },
}

/// A member of the ext family, told by the features in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No journal.
    Ext2,
    /// A journal, and nothing ext3 does not know.
    Ext3,
    /// A feature that only ext4 knows.
    Ext4,
}

/// What a filesystem says of itself, and how its bytes are used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// ext2, ext3 or ext4.
    pub kind: Kind,
    /// `s_rev_level`: 0 or 1.
    pub revision: u32,
    /// `s_volume_name` up to its first zero byte; any bytes.
    pub label: Vec<u8>,
    /// `s_uuid`.
    pub uuid: [u8; 16],
    /// `s_journal_uuid`, where the journal is on another device: the filesystem is
    /// not self-contained.
    pub external_journal: Option<[u8; 16]>,
    /// Whether there are inodes that were deleted while open, which the next mount
    /// or e2fsck is to free.
    pub has_orphans: bool,
    /// Block size, counts of blocks and groups; `None` where the superblock's
    /// numbers are not those of a filesystem.
    pub geometry: Option<Geometry>,
    /// Bytes of the disk that are used, without `zero_bytes`.
    pub used_bytes: u64,
    /// Bytes of inode tables that never held an inode, and read as zeros.
    pub zero_bytes: u64,
    /// Bytes proven free.
    pub free_bytes: u64,
}

/// An ext filesystem on a disk.
#[derive(Debug)]
pub struct Filesystem<'d, R: ?Sized> {
    /// The disk, as it is after recovery.
    pub(crate) overlay: Overlay<'d, R>,
    /// What follows from the superblock as it is stored, where it is believed.
    pub(crate) volume: Result<Volume, Distrust>,
    pub(crate) info: Info,
    pub(crate) trust: Trust,
    pub(crate) unclean: Unclean,
    pub(crate) damage: Damage,
    pub(crate) inodes_asked: bool,
    pub(crate) known: Known,
    pub(crate) replayed: Option<Replayed>,
    pub(crate) dropped: Dropped,
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
    /// The transaction behind the last one.
    pub(crate) next_sequence: u32,
    /// Fast commits behind that, which were not replayed.
    pub(crate) fast_commits: u32,
}

impl Info {
    /// Everything is used until a survey says otherwise.
    pub(crate) fn new(sb: &Superblock, geometry: Option<Geometry>, disk_bytes: u64) -> Self {
        let label = sb.s_volume_name.split(|byte| *byte == 0).next();
        Self {
            kind: Kind::new(sb),
            revision: sb.s_rev_level,
            label: label.unwrap_or_default().to_vec(),
            uuid: sb.s_uuid,
            has_orphans: sb.s_last_orphan != 0 || sb.ro_compat.contains(RoCompat::ORPHAN_PRESENT),
            external_journal: match sb.journal_place() {
                JournalPlace::Outside => Some(sb.s_journal_uuid),
                JournalPlace::None | JournalPlace::Inside(_) => None,
            },
            geometry,
            used_bytes: disk_bytes,
            zero_bytes: 0,
            free_bytes: 0,
        }
    }
}

impl Kind {
    fn new(sb: &Superblock) -> Self {
        let ext3 = Incompat::EXT3.contains(sb.incompat) && RoCompat::EXT3.contains(sb.ro_compat);
        if !ext3 {
            Self::Ext4
        } else if sb.compat.contains(Compat::HAS_JOURNAL) {
            Self::Ext3
        } else {
            Self::Ext2
        }
    }
}

impl<'d, R: ReadAt + ?Sized> Filesystem<'d, R> {
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
        let disk = self.overlay.disk();
        match &self.known {
            Known::Nothing => UsedExtents::everything(disk),
            Known::Groups(layout, groups) => {
                let dropped = &self.dropped.runs;
                UsedExtents::from_bitmaps(&self.overlay, layout, groups, dropped, self.tail)
            }
            Known::Log(log) => UsedExtents::from_runs(disk, &log.runs, log.block_bytes),
        }
    }

    /// Leaves `dropped` out of the used extents from now on.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] where the storage fails.
    pub fn leave_out(&mut self, dropped: Dropped) -> Result<(), Error> {
        self.dropped = dropped;
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

    /// The blocks that hold metadata, whatever the state of the filesystem. The
    /// inner error is why the superblock is not believed.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] where the storage fails.
    pub fn metadata(&self) -> Result<Result<Metadata, Distrust>, Error> {
        match &self.volume {
            Ok(volume) => metadata::find(&self.overlay, volume).map(Ok),
            Err(distrust) => Ok(Err(*distrust)),
        }
    }

    /// Used blocks whose contents nobody will read. The inner error is why
    /// nothing may be left out.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] where the storage fails.
    pub fn droppable(&self, what: Droppable) -> Result<Result<Dropped, NotDropped>, Error> {
        match (&self.volume, &self.trust) {
            (Ok(volume), Trust::Bitmaps) if self.unclean.is_clean() => {
                discardable::find(self.overlay.disk(), volume, what)
            }
            (Ok(_), Trust::Nothing(Distrust::Unknown { damage })) => Ok(Err((*damage).into())),
            _ => Ok(Err(NotDropped::NotClean)),
        }
    }

    /// The superblock as it is stored, and what follows from it; otherwise why it
    /// is not believed.
    ///
    /// # Errors
    ///
    /// [`Distrust`] where the superblock is not believed.
    pub const fn volume(&self) -> Result<&Volume, &Distrust> {
        self.volume.as_ref()
    }

    /// The disk that the filesystem is on, as it is stored.
    #[must_use]
    pub const fn disk(&self) -> &'d R {
        self.overlay.disk()
    }

    /// Whether the journal was replayed in memory, so that the filesystem is not
    /// what is stored on the disk.
    #[must_use]
    pub const fn is_replayed(&self) -> bool {
        self.overlay.log().is_some()
    }

    /// The disk as it will be once the journal has been replayed; as it is, where
    /// there is nothing to be replayed. To look at it is to [`detect`] again.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] where the storage fails. The inner error where the state
    /// after a replay is not known.
    ///
    /// [`detect`]: crate::detect()
    pub fn recovered(&self) -> Result<Result<Recovered<'_, R>, CannotRecover>, Error> {
        let volume = match (&self.volume, self.trust) {
            // What inodes say has nothing to do with the journal.
            (
                Ok(volume),
                Trust::Bitmaps | Trust::Nothing(Distrust::Inodes { .. } | Distrust::Unknown { .. }),
            ) => volume,
            (_, Trust::Nothing(distrust)) => {
                return Ok(Err(CannotRecover::Distrusted(distrust)));
            }
            (Err(distrust), _) => return Ok(Err(CannotRecover::Distrusted(*distrust))),
            (Ok(_), Trust::Log) => return Ok(Ok(Recovered::new(&self.overlay, Vec::new()))),
        };
        let Some(replayed) = &self.replayed else {
            return Ok(Ok(Recovered::new(&self.overlay, Vec::new())));
        };
        if replayed.fast_commits > 0 {
            let count = replayed.fast_commits;
            return Ok(Err(CannotRecover::FastCommits { count }));
        }
        let superblock = recover::superblock(&self.overlay, &volume.layout)?;
        // As the kernel, which leaves one transaction out.
        let next = replayed.next_sequence.wrapping_add(1);
        let patches = superblock.into_iter().chain(replayed.journal.emptied(next));
        Ok(Ok(Recovered::new(&self.overlay, patches.collect())))
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
