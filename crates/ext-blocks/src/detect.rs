//! From a disk to a filesystem: what is there, how it was left, and which parts are
//! trusted.

use blockio::{ExtentKind, ReadAt};
use ext_format::error::{Error, Halt};
use ext_format::feature::Incompat;
use ext_format::finding::{Damage, Distrust, Finding, JournalFault, LogDamage, SuperblockAt};
use ext_format::geometry::Geometry;
use ext_format::group::{Layout, Verdict};
use ext_format::reserved::Reserved;
use ext_format::runs::WideCollector;
use ext_format::superblock::check::{check_superblock, unclean_state};
use ext_format::superblock::{JournalPlace, Superblock, read_superblock};
use ext_format::volume::Volume;
use pipeline::available_threads;

use crate::filesystem::{Detected, Filesystem, Known, Options, Replayed, Tail};
use crate::info::Info;
use crate::inodes::references::used_by_inodes;
use crate::inodes::tables::Scan;
use crate::journal::{self, Journal, Overlay};
use crate::trust::backup::{self, Backup};
use crate::trust::{Evidence, LogState, OtherClaim, Trust, Unclean};
use crate::used::agreement::Inodes;
use crate::used::clusters;
use crate::used::discardable::Discarded;
use crate::used::group_map::GroupMap;
use crate::used::survey::{Rules, Special, Survey, survey};

/// Most separate runs of blocks kept that are used whatever the bitmaps say:
/// 32 MiB, twice that while they grow. Over it, what lies between them counts as
/// used, too.
const BESIDES_RUNS_MAX: usize = 1 << 21;

/// Looks for an ext filesystem on `disk`, and surveys its block groups: [`find`], then
/// [`Candidate::open`].
///
/// # Errors
///
/// [`Error::Read`] if the storage fails. Nothing that is wrong with a
/// filesystem is an error: see [`Filesystem::trust`] and
/// [`Filesystem::damage`].
pub fn detect<R: ReadAt>(disk: R, options: &Options<'_>) -> Result<Detected<R>, Error> {
    Ok(match find(&disk, options.superblock)? {
        Sought::Ext(candidate) => Detected::Ext(candidate.open(disk, options)?),
        Sought::Nothing { backup } => Detected::Nothing { backup },
    })
}

/// Looks for an ext superblock on `disk`: the one at `superblock` if that is given, else
/// the first, else, if that is damaged, a copy of it.
///
/// # Errors
///
/// [`Error::Read`] if the storage fails.
pub fn find<R: ReadAt + ?Sized>(
    disk: &R,
    superblock: Option<SuperblockAt>,
) -> Result<Sought, Error> {
    if let Some(candidate) = Candidate::on(disk, superblock)? {
        return Ok(Sought::Ext(Box::new(candidate)));
    }
    let backup = backup::find(disk, None)?.map(|backup| backup.at);
    Ok(Sought::Nothing { backup })
}

/// What [`find`] found.
#[derive(Debug)]
pub enum Sought {
    /// An ext superblock.
    Ext(Box<Candidate>),
    /// None where one should be; `backup` as in [`Detected::Nothing`].
    Nothing {
        /// A copy of one, of a filesystem that was there once.
        backup: Option<SuperblockAt>,
    },
}

/// A superblock that was found: of a filesystem, unless something else claims the disk.
#[derive(Debug)]
pub struct Candidate {
    sb: Superblock,
    geometry: Result<Geometry, Distrust>,
    /// That it is a copy, where it is one.
    copy: Option<Distrust>,
}

impl Candidate {
    /// The length of the filesystem in bytes; `None` if its superblock is not believed, or
    /// is that of a journal device, which has none.
    #[must_use]
    pub fn filesystem_bytes(&self) -> Option<u64> {
        let geometry = self.geometry.as_ref().ok()?;
        Some(geometry.filesystem_bytes())
    }

    /// Whether the superblock is believed if nothing else claims the disk; whether
    /// something does is worth a look only then.
    #[must_use]
    pub fn is_believed(&self) -> bool {
        self.geometry.is_ok() || self.is_journal_device()
    }

    fn is_journal_device(&self) -> bool {
        self.sb.incompat.contains(Incompat::JOURNAL_DEV)
    }

    /// Surveys the block groups of the filesystem on `disk`, where this superblock was
    /// found.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the storage fails.
    pub fn open<R: ReadAt>(self, disk: R, options: &Options<'_>) -> Result<Filesystem<R>, Error> {
        let mut filesystem = Filesystem {
            volume: self.volume(),
            info: Info::new(&self.sb, self.geometry.clone().ok(), disk.size()),
            overlay: Overlay::none(disk),
            trust: Trust::Bitmaps,
            unclean: Unclean {
                log: None,
                state: self.copy,
            },
            damage: Damage::default(),
            inodes_asked: false,
            known: Known::Nothing,
            replayed: None,
            discarded: Discarded::default(),
            tail: match options.tail {
                Tail::Keep => ExtentKind::Data,
                Tail::Drop => ExtentKind::Free,
            },
        };
        match filesystem.examine(self, options) {
            Ok(()) => {}
            Err(Halt::Refused(distrust)) => {
                if matches!(distrust, Distrust::Ambiguous { .. }) {
                    filesystem.volume = Err(distrust);
                }
                filesystem.trust = Trust::Nothing(distrust);
                filesystem.unclean = Unclean::default();
                filesystem.damage = Damage::default();
            }
            Err(Halt::Failed(error)) => return Err(error),
        }
        Ok(filesystem)
    }

    fn on<R: ReadAt + ?Sized>(
        disk: &R,
        superblock: Option<SuperblockAt>,
    ) -> Result<Option<Self>, Error> {
        if let Some(at) = superblock {
            let Some((sb, geometry)) = backup::load(disk, at)? else {
                return Ok(None);
            };
            let copy = Some(Distrust::Backup { at });
            return Ok(Some(Self { sb, geometry, copy }));
        }
        let Some((sb, bytes)) = read_superblock(disk)? else {
            return Ok(None);
        };
        let geometry = if sb.incompat.contains(Incompat::JOURNAL_DEV) {
            Err(Distrust::JournalDevice {
                damage: LogDamage::NoSuperblock,
            })
        } else {
            check_superblock(&sb, &bytes).and_then(|()| Geometry::new(&sb, disk.size()))
        };
        if geometry.as_ref().is_err_and(Distrust::is_damage)
            && let Some(Backup { sb, geometry, at }) = backup::find(disk, Some(&sb))?
        {
            return Ok(Some(Self {
                sb,
                geometry: Ok(geometry),
                copy: Some(Distrust::Backup { at }),
            }));
        }
        let copy = None;
        Ok(Some(Self { sb, geometry, copy }))
    }

    fn volume(&self) -> Result<Volume, Distrust> {
        let geometry = self.geometry.clone()?;
        Ok(Volume::new(&self.sb, geometry, self.copy.is_some()))
    }
}

impl<R: ReadAt> Filesystem<R> {
    /// Surveys the filesystem with the superblock `found`, unless another claim
    /// or what its journal holds forbids to trust it.
    fn examine(&mut self, found: Candidate, options: &Options<'_>) -> Result<(), Halt<Distrust>> {
        let is_copy = found.copy.is_some();
        if let Some(claim) = options.other_claim.filter(|_| found.is_believed()) {
            return Err(refusal(claim).into());
        }
        if found.is_journal_device() {
            return self.examine_journal_device(&found.sb);
        }
        let mut sb = found.sb;
        let mut layout = Layout::new(&sb, found.geometry?, is_copy);
        let mut besides = WideCollector::new(BESIDES_RUNS_MAX);
        let mut journal_error = None;
        if let Some(journal) = self.journal(&sb, &layout)? {
            journal_error = Some(journal.errno()).filter(|errno| *errno != 0);
            if sb.incompat.contains(Incompat::RECOVER) || !journal.is_empty() {
                self.replay(journal, &mut layout, &mut besides)?;
                if !is_copy {
                    sb = self.recovered_superblock(&mut layout)?;
                }
            }
        }
        let error = journal_error.map(|errno| Distrust::JournalError { errno });
        self.unclean.state = self.unclean.state.or(unclean_state(&sb)).or(error);
        if options.evidence == Evidence::Nothing {
            self.trust = Trust::NotAsked;
            return Ok(());
        }
        let is_suspect = self.unclean.state.is_some();
        if is_suspect {
            self.walk(&sb, &layout, &mut besides)?;
            self.inodes_asked = true;
        }
        let rules = Rules {
            // The records of fast commits may fill inodes that were never used.
            keep_uninit: options.keep_uninit || is_suspect || self.unclean.has_fast_commits(),
            bitmaps_must_agree: !is_suspect,
            besides: (!self.unclean.is_clean()).then_some(besides),
            memory: options.memory.unwrap_or(clusters::MEMORY_BYTES),
            spool: options.spool,
        };
        let mut survey = survey(&self.overlay, &layout, Special::new(&sb), rules)?;
        if !is_suspect && needs_inodes(options.evidence, &layout, &survey.groups) {
            self.ask_inodes(&Reserved::new(&sb), &layout, &mut survey, options)?;
        }
        self.take_survey(layout, survey);
        Ok(())
    }

    /// Asks the inodes of a filesystem that was left clean whether they agree with
    /// the bitmaps. What they refer to is used.
    fn ask_inodes(
        &mut self,
        reserved: &Reserved,
        layout: &Layout,
        survey: &mut Survey,
        options: &Options<'_>,
    ) -> Result<(), Halt<Distrust>> {
        let inodes = Inodes {
            disk: &self.overlay,
            layout,
            reserved,
            groups: &survey.groups,
            unsure: &survey.unsure_of_inodes,
        };
        let threads = options.threads.unwrap_or_else(available_threads);
        let denied = inodes.ask(threads);
        let denied = denied.map_err(|stop| stop.map(|damage| Distrust::Unknown { damage }))?;
        survey.take_denied(denied);
        self.inodes_asked = true;
        Ok(())
    }

    fn examine_journal_device(&mut self, sb: &Superblock) -> Result<(), Halt<Distrust>> {
        let log = journal::live_log(self.overlay.disk(), sb);
        let log = log.map_err(|stop| stop.map(|damage| Distrust::JournalDevice { damage }))?;
        self.trust = Trust::Log;
        self.info.used_bytes = log.used_bytes(self.overlay.size());
        self.info.free_bytes = self.overlay.size().saturating_sub(self.info.used_bytes);
        self.known = Known::Log(log);
        Ok(())
    }

    /// The journal, where there is one. There is no trust in a filesystem whose own
    /// journal is not sound, whether it is needed or not.
    fn journal(
        &mut self,
        sb: &Superblock,
        layout: &Layout,
    ) -> Result<Option<Journal>, Halt<Distrust>> {
        let (inode, fault) = match sb.journal_place() {
            JournalPlace::Inside(inode) => {
                match Journal::find(self.overlay.disk(), layout, inode) {
                    Ok(journal) => return Ok(Some(journal)),
                    Err(halt) => (inode, halt.reason()?),
                }
            }
            JournalPlace::Outside => (0, JournalFault::External),
            JournalPlace::None => (0, JournalFault::Missing),
        };
        match fault {
            fault if sb.incompat.contains(Incompat::RECOVER) => {
                Err(Distrust::NeedsRecovery { fault }.into())
            }
            // A copy does not say whether the journal is needed.
            fault if layout.from_backup && fault != JournalFault::Missing => {
                Err(Distrust::NeedsRecovery { fault }.into())
            }
            // Nothing in it is needed.
            JournalFault::Missing | JournalFault::External => Ok(None),
            // Every other part of the filesystem may be as wrong as this one.
            fault => Err(Distrust::Journal { inode, fault }.into()),
        }
    }

    /// Replays `journal` in memory, and adds to `besides` its blocks that no bitmap
    /// knows.
    fn replay(
        &mut self,
        journal: Journal,
        layout: &mut Layout,
        besides: &mut WideCollector,
    ) -> Result<(), Halt<Distrust>> {
        let disk = self.overlay.disk();
        let replay = journal.replay(disk, &layout.geometry);
        let replay = replay.map_err(|stop| stop.map(Distrust::log))?;
        self.unclean.log = Some(LogState {
            transactions: replay.transactions,
            fast_commits: replay.fast_commits,
        });
        if let Some(damage) = replay.bad_tail {
            self.damage.push(Finding::LogTail { damage });
        }
        for run in replay.fast_blocks.runs() {
            besides.insert(*run);
        }
        self.overlay.replay(replay.copies);
        self.replayed = Some(Replayed {
            journal,
            next_sequence: replay.next_sequence,
            fast_commits: replay.fast_commits,
        });
        Ok(())
    }

    /// Adds to `besides` the blocks that inodes refer to, which bitmaps that were
    /// not left clean may not know.
    fn walk(
        &self,
        sb: &Superblock,
        layout: &Layout,
        besides: &mut WideCollector,
    ) -> Result<(), Halt<Distrust>> {
        let reserved = Reserved::new(sb);
        let used = used_by_inodes(&self.overlay, layout, &reserved, Scan::Whole);
        let s_state = sb.s_state;
        let distrust = |damage| Distrust::Inodes { s_state, damage };
        for run in used.map_err(|stop| stop.map(distrust))? {
            besides.insert(run);
        }
        Ok(())
    }

    /// The superblock after the replay, and the layout that follows from it.
    fn recovered_superblock(&self, layout: &mut Layout) -> Result<Superblock, Halt<Distrust>> {
        let found = read_superblock(&self.overlay)?;
        let (sb, bytes) = found.ok_or(Distrust::log(LogDamage::Superblock))?;
        check_superblock(&sb, &bytes)?;
        let geometry = Geometry::new(&sb, self.overlay.size())?;
        *layout = Layout::new(&sb, geometry, false);
        Ok(sb)
    }
}

/// Why nothing is free where `claim` stands against the filesystem.
const fn refusal(claim: OtherClaim) -> Distrust {
    match claim {
        OtherClaim::Disk { by: claim, at } => Distrust::Ambiguous { claim, at },
        OtherClaim::FreeBlocks { by: claim, at } => Distrust::FreeBlocksCovered { claim, at },
    }
}

/// Whether `groups` prove nothing until inodes agree with them.
fn needs_inodes(evidence: Evidence, layout: &Layout, groups: &GroupMap) -> bool {
    match evidence {
        Evidence::Inodes => true,
        Evidence::Checksums => {
            !layout.checksums.cover_bitmaps() || groups.verdicts.contains(&Verdict::AllUsed)
        }
        Evidence::Bitmaps | Evidence::Nothing => false,
    }
}
