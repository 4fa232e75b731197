//! The journal: where it is, what is in it, and the filesystem as it will be
//! once it has been replayed.
//!
//! See "Journal (jbd2)" in the kernel's documentation of ext4.

mod block;
mod blocks;
mod bytes;
mod device;
mod fast_commit;
mod format;
pub(crate) mod inode_map;
mod log;
mod overlay;
pub(crate) mod recover;
mod recovered_volume;
mod superblock;

use blockio::ReadAt;
use ext_format::error::{Error, Halt};
use ext_format::finding::{JournalFault, LogDamage};
use ext_format::geometry::Geometry;
use ext_format::group::{GroupReader, Layout};
use ext_format::runs::{BlockRun, RunCollector, RunSet};

use blocks::JournalBlocks;
pub(crate) use device::{DeviceLog, live_log};
use inode_map::Stop;
use log::Log;
pub(crate) use overlay::{LogCopies, Overlay, Patch};
pub(crate) use recovered_volume::recovered_volume;
pub(crate) use superblock::JOURNAL_SUPERBLOCK_BYTES;
use superblock::JournalSuperblock;

/// Most separate runs of blocks kept that fast commits name: 1 MiB.
const FAST_RUNS_MAX: usize = 1 << 16;

/// The journal inside a filesystem.
#[derive(Debug)]
pub(crate) struct Journal {
    blocks: JournalBlocks,
    bytes: [u8; JOURNAL_SUPERBLOCK_BYTES],
    superblock: JournalSuperblock,
}

/// What a journal that is not empty holds.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) copies: LogCopies,
    pub(crate) transactions: u32,
    /// Fast commits after them.
    pub(crate) fast_commits: u32,
    /// Blocks that files have once these are replayed.
    pub(crate) fast_blocks: RunSet,
    /// The transaction after the last.
    pub(crate) next_sequence: u32,
    /// What ended the log early.
    pub(crate) bad_tail: Option<LogDamage>,
}

impl Journal {
    /// Finds the journal in inode `number`.
    pub(crate) fn find<R: ReadAt + ?Sized>(
        disk: &R,
        layout: &Layout,
        number: u32,
    ) -> Result<Self, Halt<JournalFault>> {
        let mut groups = GroupReader::new(disk, layout);
        let runs = match inode_map::map_journal(disk, &mut groups, number) {
            Ok(runs) => runs,
            Err(Stop::Damage(damage)) => return Err(Halt::Refused(JournalFault::Map(damage))),
            Err(Stop::Full) => return Err(Halt::Refused(JournalFault::Log(Self::too_large()))),
            Err(Stop::Read(error)) => return Err(error.into()),
        };
        let block_bits = layout.geometry.block_bytes().trailing_zeros();
        Self::open(disk, JournalBlocks::new(runs, block_bits))
            .map_err(|halt| halt.map(JournalFault::Log))
    }

    /// The same, or nothing if there is no sound one.
    pub(crate) fn find_sound<R: ReadAt + ?Sized>(
        disk: &R,
        layout: &Layout,
        number: u32,
    ) -> Result<Option<Self>, Error> {
        match Self::find(disk, layout, number) {
            Ok(journal) => Ok(Some(journal)),
            Err(halt) => halt.reason().map(|_| None),
        }
    }

    /// Reads the superblock of the journal in `blocks`.
    fn open<R: ReadAt + ?Sized>(disk: &R, blocks: JournalBlocks) -> Result<Self, Halt<LogDamage>> {
        let Some(bytes) = blocks.superblock(disk, 0)? else {
            return Err(Halt::Refused(LogDamage::NoSuperblock));
        };
        let decoded = JournalSuperblock::decode(&bytes, blocks.block_bytes(), blocks.count());
        Ok(Self {
            blocks,
            bytes,
            superblock: decoded.map_err(Halt::Refused)?,
        })
    }

    fn too_large() -> LogDamage {
        LogDamage::TooLarge {
            what: "separate runs of blocks",
            limit: u64::try_from(inode_map::JOURNAL_RUNS_MAX).unwrap_or(u64::MAX),
        }
    }

    /// Whether there is nothing to be replayed.
    pub(crate) const fn is_empty(&self) -> bool {
        self.superblock.start.is_none()
    }

    /// Its blocks, if no more of them will be read than the first, which
    /// holds its superblock.
    pub(crate) fn idle(&self) -> Option<&[BlockRun]> {
        (self.is_empty() && self.errno() == 0).then(|| self.blocks.runs())
    }

    /// The superblock of the journal as it is stored.
    pub(crate) const fn stored(&self) -> &[u8; JOURNAL_SUPERBLOCK_BYTES] {
        &self.bytes
    }

    /// The superblock of the journal once its log is replayed, up to transaction
    /// `next`, and where it lies, in bytes.
    pub(crate) fn emptied(&self, next: u32) -> Option<Patch> {
        let (at, _) = self.blocks.place(0)?;
        Some(Patch {
            offset: at,
            bytes: self.superblock.emptied(&self.bytes, next).to_vec(),
        })
    }

    /// `s_errno`: what went wrong when the kernel last wrote, 0 if nothing.
    pub(crate) const fn errno(&self) -> u32 {
        self.superblock.errno
    }

    /// Reads what there is to be replayed.
    pub(crate) fn replay<R: ReadAt + ?Sized>(
        &self,
        disk: &R,
        geometry: &Geometry,
    ) -> Result<Replay, Halt<LogDamage>> {
        let log = log::scan(disk, &self.blocks, &self.superblock, Some(geometry))?;
        let Log {
            copies,
            transactions,
            next_sequence,
            damage,
            bad_tail,
            ..
        } = log;
        if let Some(damage) = damage {
            return Err(Halt::Refused(damage));
        }
        let mut ranges = RunCollector::new(FAST_RUNS_MAX);
        let (blocks, superblock) = (&self.blocks, &self.superblock);
        let fast_commits = fast_commit::collect(
            disk,
            blocks,
            superblock,
            geometry,
            next_sequence,
            &mut ranges,
        )?;
        let (Ok(fast_commits), Ok(fast_blocks)) = (fast_commits, ranges.finish()) else {
            return Err(Halt::Refused(LogDamage::TooLarge {
                what: "separate runs of blocks in fast commits",
                limit: u64::try_from(FAST_RUNS_MAX).unwrap_or(u64::MAX),
            }));
        };
        Ok(Replay {
            copies: LogCopies::new(blocks.clone(), copies),
            transactions,
            fast_commits,
            fast_blocks,
            next_sequence,
            bad_tail,
        })
    }
}
