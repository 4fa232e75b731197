//! Which records of a log have to be replayed.

use blockio::ReadAt;

use super::fault::{LogFault, Step};
use super::head;
use super::record::{Header, RECORD_BLOCKS_MAX, Record};
use super::ring::{BLOCK, RECORD_MAGIC, Ring};
use crate::bytes::{be32, usize_of};
use crate::error::Halt;
use crate::geometry::LogGeometry;

/// Records that may be on their way to the disk at once: `XLOG_MAX_ICLOGS`.
const IN_FLIGHT: usize = 8;
/// Blocks before the head in which all records that may have been on their way begin.
const WINDOW: u32 = RECORD_BLOCKS_MAX.saturating_mul(9);

/// What is to be replayed of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Live {
    /// Nothing: it was never used.
    Unused,
    /// Nothing: its last record was written by an unmount.
    Clean(Extent),
    /// The records from the tail up to the head.
    Dirty(Extent),
}

/// The part of a log that is to be replayed. It is empty if the log is clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Where the first record begins.
    pub(crate) tail: u32,
    /// The block after the last record.
    pub(crate) head: u32,
    /// Log sequence number of the head.
    pub(crate) head_lsn: u64,
}

/// Finds what is to be replayed.
pub(crate) fn find<R: ReadAt + ?Sized>(ring: &Ring<'_, R>, geometry: &LogGeometry) -> Step<Live> {
    let Some(head) = head::find(ring, geometry.is_version2)? else {
        return Ok(Live::Unused);
    };
    Search { ring, geometry }.before(head)
}

struct Search<'a, R: ?Sized> {
    ring: &'a Ring<'a, R>,
    geometry: &'a LogGeometry,
}

impl<R: ReadAt + ?Sized> Search<'_, R> {
    /// What is to be replayed of the log whose newest blocks end before `head`.
    fn before(&self, mut head: u32) -> Step<Live> {
        let mut records = self.records_before(head)?;
        let missing = LogFault::NoRecord { head };
        let mut nearest = *records.first().ok_or(missing.clone())?;
        if self.header(nearest)?.end(self.ring) != head {
            // The last record was not written as a whole.
            head = nearest;
            records.remove(0);
            nearest = *records.first().ok_or(missing.clone())?;
        }
        let mut last = self.header(nearest)?;
        if last.end(self.ring) == head && self.read(nearest)?.is_unmount() {
            return self.clean(last, head);
        }
        if let Some(torn) = self.first_torn(&last, &records, head)? {
            head = torn;
            let older = records.iter().skip_while(|block| **block != torn).nth(1);
            last = self.header(*older.ok_or(missing)?)?;
            if last.end(self.ring) == head && self.read(last.block)?.is_unmount() {
                return self.clean(last, head);
            }
        }
        let tail = tail_block(&last);
        let broken = LogFault::Broken { tail, head };
        if tail >= self.ring.count() || tail == head {
            return Err(broken.into());
        }
        if self.header(tail)?.lsn != last.tail_lsn {
            return Err(broken.into());
        }
        Ok(Live::Dirty(self.extent(&last, tail, head)))
    }

    fn header(&self, block: u32) -> Step<Header> {
        let header = Header::read(self.ring, block, self.geometry.is_version2)?;
        header.check_owner(&self.geometry.uuid)?;
        Ok(header)
    }

    fn read(&self, block: u32) -> Step<Record> {
        Record::read(self.ring, block, self.geometry.is_version2, Vec::new())
    }

    /// A log whose record `last`, right before `head`, was written by an unmount.
    fn clean(&self, last: Header, head: u32) -> Step<Live> {
        self.read(last.block)?.check_sum(false)?;
        Ok(Live::Clean(self.extent(&last, head, head)))
    }

    fn extent(&self, last: &Header, tail: u32, head: u32) -> Extent {
        // The record may end at the end of the log, or go on at its start.
        let round = u32::from(head <= last.block);
        let cycle = u64::from(last.cycle.wrapping_add(round));
        Extent {
            tail,
            head,
            head_lsn: cycle << 32 | u64::from(head),
        }
    }

    /// Where records begin before `head`, the nearest first, as far back as records may
    /// have been on their way when `head` was written.
    fn records_before(&self, head: u32) -> Step<Vec<u32>> {
        let window = WINDOW.min(self.ring.count());
        let start = self.ring.before(head, window);
        let mut bytes = vec![0; usize_of(u64::from(window)).saturating_mul(BLOCK)];
        self.ring.read(start, &mut bytes)?;
        let blocks = (0..window).zip(bytes.chunks(BLOCK)).rev();
        let headers = blocks.filter(|(_, bytes)| be32(bytes, 0) == RECORD_MAGIC);
        let found: Vec<_> = headers.map(|(by, _)| self.ring.after(start, by)).collect();
        let near = |block: &u32| self.ring.distance(*block, head) <= RECORD_BLOCKS_MAX;
        if found.first().is_some_and(near) {
            return Ok(found);
        }
        Err(LogFault::NoRecord { head }.into())
    }

    /// The first of the records that may have been on their way at once that is not
    /// stored as a whole. `records` are those before `head`, of which `last` is the first.
    fn first_torn(&self, last: &Header, records: &[u32], head: u32) -> Step<Option<u32>> {
        let reach = match self.ring.distance(tail_block(last), head) {
            0 => self.ring.count(),
            reach => reach,
        };
        let recent = records.iter().take(IN_FLIGHT);
        let mut recent = recent.take_while(|block| self.ring.distance(**block, head) <= reach);
        let mut at = last.block;
        if let Some(oldest) = recent.by_ref().last() {
            at = *oldest;
        }
        let mut left = self.ring.distance(at, head);
        while left > 0 {
            let blocks = match self.whole(at, left) {
                Ok(blocks) => blocks,
                Err(Halt::Distrust(_)) => return Ok(Some(at)),
                Err(error) => return Err(error),
            };
            left = left.saturating_sub(blocks);
            at = self.ring.after(at, blocks);
        }
        Ok(None)
    }

    /// The blocks of the record at `block`, which has to be whole, and has `room`.
    fn whole(&self, block: u32, room: u32) -> Step<u32> {
        let record = self.read(block)?;
        record.verify(self.ring, false)?;
        let blocks = record.header.blocks();
        if blocks > room {
            let fault = LogFault::NoRecord { head: block };
            return Err(fault.into());
        }
        Ok(blocks)
    }
}

/// Block of the oldest record whose changes may be in the log only, as `header` says.
fn tail_block(header: &Header) -> u32 {
    u32::try_from(header.tail_lsn & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}
