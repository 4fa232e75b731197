//! A device that holds nothing but a journal, as a disk.

use blockio::ReadAt;
use ext_format::error::Halt;
use ext_format::finding::LogDamage;
use ext_format::runs::{BlockRun, join_touching};
use ext_format::superblock::Superblock;

use super::blocks::JournalBlocks;
use super::log;
use super::superblock::JournalSuperblock;

/// What is in use of a journal device.
#[derive(Debug)]
pub(crate) struct DeviceLog {
    /// Blocks, ascending and disjoint.
    pub(crate) runs: Vec<BlockRun>,
    pub(crate) block_bytes: u64,
}

impl DeviceLog {
    /// Bytes in use, of a device of `disk_bytes`.
    pub(crate) fn used_bytes(&self, disk_bytes: u64) -> u64 {
        let blocks = self.runs.iter().map(|run| run.count());
        let blocks = blocks.fold(0u64, u64::saturating_add);
        blocks.saturating_mul(self.block_bytes).min(disk_bytes)
    }
}

/// The blocks in use of the journal device with the superblock `sb`: what the
/// filesystem needs to be recovered.
pub(crate) fn live_log<R: ReadAt + ?Sized>(
    disk: &R,
    sb: &Superblock,
) -> Result<DeviceLog, Halt<LogDamage>> {
    let Some(block_bits) = sb
        .s_log_block_size
        .checked_add(10)
        .filter(|bits| *bits <= 16)
    else {
        return Err(Halt::Refused(LogDamage::NoSuperblock));
    };
    let block_bytes = 1u64 << block_bits;
    let on_disk = disk.size() >> block_bits;
    // Places in the log are blocks of the device; the superblock of the journal
    // lies after that of ext.
    let place = if block_bits == 10 { 2 } else { 1 };
    let count = sb.s_blocks_count.min(on_disk);
    let blocks = JournalBlocks::new(vec![BlockRun::new(0, count)], block_bits);
    let Some(bytes) = blocks.superblock(disk, place)? else {
        return Err(Halt::Refused(LogDamage::NoSuperblock));
    };
    let journal = JournalSuperblock::decode(&bytes, block_bytes, blocks.count());
    let journal = journal.map_err(Halt::Refused)?;
    let log = log::scan(disk, &blocks, &journal, None)?;
    if let Some(damage) = log.damage.or(log.bad_tail) {
        return Err(Halt::Refused(damage));
    }
    let used = if journal.start.is_some() {
        used_runs(place, &journal, log.scanned)
    } else {
        // Nothing is to be recovered, and nothing says what the rest is for.
        vec![BlockRun::new(0, disk.size().div_ceil(block_bytes))]
    };
    Ok(DeviceLog {
        runs: used,
        block_bytes,
    })
}

/// The superblocks, the last of which is in block `place`, the first `scanned`
/// blocks of the log, and the fast commits.
fn used_runs(place: u32, journal: &JournalSuperblock, scanned: u32) -> Vec<BlockRun> {
    let start = journal.start.unwrap_or(journal.log.start);
    let end = start.saturating_add(scanned);
    let around = journal
        .log
        .start
        .saturating_add(end.saturating_sub(journal.log.end));
    let ranges = [
        0..place.saturating_add(1),
        journal.log.start..around,
        start..end.min(journal.log.end),
        journal.fast_commits.clone(),
    ];
    let runs = ranges.into_iter().map(|range| BlockRun {
        start: u64::from(range.start),
        end: u64::from(range.end),
    });
    let mut runs: Vec<_> = runs.filter(|run| !run.is_empty()).collect();
    runs.sort_unstable();
    join_touching(&mut runs, |_| {});
    runs
}
