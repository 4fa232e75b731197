//! Replays a log in memory, in two passes as the kernel does: the first finds buffers that
//! were freed, the second changes everything else.

mod buffer;
mod cancelled;
mod core;
mod create;
mod fork;
mod inode;
mod intents;
mod stamp;
mod target;

use std::ops::Range;
use std::sync::Arc;

use blockio::{ReadAt, len_u64};

use super::fault::{LogFault, Step};
use super::live::Extent;
use super::overlay::Sectors;
use super::record::Record;
use super::ring::Ring;
use super::transaction::{Item, Transaction, Transactions};
use crate::geometry::LogGeometry;
use cancelled::Cancelled;
use intents::Intents;
use target::Target;

/// Types of log items, `XFS_LI_`.
const INODE: u16 = 0x123b;
const BUFFER: u16 = 0x123c;
const QUOTA: u16 = 0x123d;
const QUOTAS_OFF: u16 = 0x123e;
const CREATE: u16 = 0x123f;

/// A log that was replayed in memory.
#[derive(Debug)]
pub(crate) struct Replay {
    /// What it changes.
    pub(crate) sectors: Arc<Sectors>,
    /// Bytes of the disk that the kernel reads or writes when it replays the log, ascending
    /// and disjoint. They have to be kept as they are.
    pub(crate) touched: Vec<Range<u64>>,
    /// Bytes of the disk that intents name that were not done yet, ascending; they may
    /// overlap. They are in use.
    pub(crate) intended: Vec<Range<u64>>,
    /// Intents that were not done yet.
    pub(crate) open_intents: u64,
    /// Transactions that were committed.
    pub(crate) transactions: u64,
    /// Whether they change nothing but the superblock, as in a filesystem that is frozen.
    pub(crate) is_only_superblock: bool,
}

/// Replays the records of `extent`.
pub(crate) fn replay<R: ReadAt + ?Sized>(
    disk: &R,
    ring: &Ring<'_, R>,
    geometry: &LogGeometry,
    extent: &Extent,
) -> Step<Replay> {
    let mut cancelled = Cancelled::default();
    each_transaction(ring, geometry, extent, |transaction| {
        find_cancelled(transaction, &mut cancelled).map_err(Into::into)
    })?;
    let mut player = Player {
        target: Target::new(disk, geometry.filesystem),
        cancelled,
        intents: Intents::default(),
        transactions: 0,
        is_only_superblock: true,
        lsn: None,
    };
    each_transaction(ring, geometry, extent, |transaction| {
        player.play(transaction)
    })?;
    player.finish()
}

/// Gives the transactions that were committed to `each`, in order.
fn each_transaction<R: ReadAt + ?Sized>(
    ring: &Ring<'_, R>,
    geometry: &LogGeometry,
    extent: &Extent,
    mut each: impl FnMut(&Transaction) -> Step<()>,
) -> Step<()> {
    let &Extent { tail, head, .. } = extent;
    let mut transactions = Transactions::default();
    let mut memory = Vec::new();
    let mut at = tail;
    let mut left = ring.distance(tail, head);
    while left > 0 {
        let mut record = Record::read(ring, at, geometry.is_version2, memory)?;
        let header = record.header;
        header.check_owner(&geometry.uuid)?;
        header.check_replayed()?;
        record.verify(ring, geometry.filesystem.has_crc)?;
        let blocks = header.blocks();
        if blocks > left {
            return Err(LogFault::Broken { tail, head }.into());
        }
        transactions.take(&header, record.unpack(), &mut each)?;
        at = ring.after(at, blocks);
        left = left.saturating_sub(blocks);
        memory = record.into_memory();
    }
    Ok(())
}

/// The first pass. Everything in the log has to be of a known type.
fn find_cancelled(transaction: &Transaction, cancelled: &mut Cancelled) -> Result<(), LogFault> {
    for item in transaction.items() {
        match item.kind() {
            BUFFER => {
                let format = buffer::Format::new(&item)?;
                if format.is_cancel() {
                    cancelled.add(format.block, format.blocks)?;
                }
            }
            INODE | QUOTA | QUOTAS_OFF | CREATE => {}
            kind if intents::is_intent(kind) => {}
            kind => return Err(LogFault::UnknownItem { kind }),
        }
    }
    Ok(())
}

/// When an item is replayed within its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Buffers, and inodes that are created: before what changes these inodes.
    Buffers,
    /// Inodes, quotas and intents.
    Others,
    /// Links between unlinked inodes.
    Unlinked,
    /// Buffers that were freed.
    Cancelled,
}

impl Turn {
    fn of(item: &Item<'_>) -> Result<Self, LogFault> {
        Ok(match item.kind() {
            CREATE => Self::Buffers,
            BUFFER => {
                let format = buffer::Format::new(item)?;
                if format.is_cancel() {
                    Self::Cancelled
                } else if format.is_inodes() {
                    Self::Unlinked
                } else {
                    Self::Buffers
                }
            }
            _ => Self::Others,
        })
    }
}

/// The second pass.
struct Player<'a, R: ?Sized> {
    target: Target<'a, R>,
    cancelled: Cancelled,
    intents: Intents,
    transactions: u64,
    is_only_superblock: bool,
    /// Log sequence number of the last transaction.
    lsn: Option<u64>,
}

impl<R: ReadAt + ?Sized> Player<'_, R> {
    fn play(&mut self, transaction: &Transaction) -> Step<()> {
        let lsn = transaction.lsn;
        if let Some(before) = self.lsn.replace(lsn)
            && before != lsn
        {
            self.target.stamp(before)?;
        }
        self.transactions = self.transactions.saturating_add(1);
        let turns = transaction.items().map(|item| Turn::of(&item));
        let turns = turns.collect::<Result<Vec<_>, _>>()?;
        for turn in [Turn::Buffers, Turn::Others] {
            for (item, of) in transaction.items().zip(&turns) {
                if *of == turn {
                    self.play_item(&item, lsn)?;
                }
            }
        }
        // The kernel turns round the order of these.
        for turn in [Turn::Unlinked, Turn::Cancelled] {
            for (item, of) in transaction.items().rev().zip(turns.iter().rev()) {
                if *of == turn {
                    self.play_item(&item, lsn)?;
                }
            }
        }
        Ok(())
    }

    fn play_item(&mut self, item: &Item<'_>, lsn: u64) -> Step<()> {
        match item.kind() {
            BUFFER => {
                let format = buffer::Format::new(item)?;
                self.is_only_superblock &= format.is_superblock();
                if format.is_cancel() {
                    self.cancelled.pass(format.block, format.blocks);
                } else if !self.cancelled.has(format.block, format.blocks) {
                    buffer::replay(&mut self.target, item, &format, lsn)?;
                }
                return Ok(());
            }
            INODE => inode::replay(&mut self.target, &self.cancelled, item, lsn)?,
            CREATE => create::replay(&mut self.target, &self.cancelled, item)?,
            QUOTA => self.touch_quota(item)?,
            QUOTAS_OFF => {}
            _ => self.intents.take(item, &self.target.geometry)?,
        }
        self.is_only_superblock = false;
        Ok(())
    }

    /// What quotas hold decides of no block, and is only replayed if quotas are on.
    fn touch_quota(&mut self, item: &Item<'_>) -> Step<()> {
        let region = item.region(0);
        let block = crate::bytes::le64(region, 8).cast_signed();
        let blocks = self.target.geometry.block_bytes() / crate::geometry::BASIC_BLOCK_BYTES;
        let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
        let range = self.target.range(block, blocks);
        let range = range.ok_or_else(|| item.fault("qlf_blkno", block.cast_unsigned()))?;
        self.target.touched.add(range)?;
        Ok(())
    }

    fn finish(mut self) -> Step<Replay> {
        if let Some(lsn) = self.lsn {
            self.target.stamp(lsn)?;
        }
        self.target.finish()?;
        let open_intents = len_u64(self.intents.len());
        Ok(Replay {
            sectors: Arc::new(self.target.sectors),
            touched: self.target.touched.into_vec(),
            intended: self.intents.into_ranges(),
            open_intents,
            transactions: self.transactions,
            is_only_superblock: self.is_only_superblock,
        })
    }
}
