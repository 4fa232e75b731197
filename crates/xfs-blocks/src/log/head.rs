//! The head of a log: the block after the one that was written last.
//!
//! The log is written round and round, and every block of it begins with the number of the
//! round, its cycle. The head is where the numbers drop by one. Up to eight records may
//! have been on their way to the disk at once, in any order: so there may be blocks of
//! the older cycle before the head, and the first of them is the true head.

use blockio::ReadAt;

use super::fault::{LogFault, Step};
use super::ring::{BLOCK, Ring, cycle_of};
use crate::bytes::usize_of;

/// Blocks that may be on their way to the disk at once: eight records of 256 KiB, or, in
/// version 1, of 32 KiB.
const fn in_flight(is_version2: bool) -> u32 {
    if is_version2 { 4096 } else { 512 }
}

/// Finds the head; `None` if the log was never used.
pub(crate) fn find<R: ReadAt + ?Sized>(ring: &Ring<'_, R>, is_version2: bool) -> Step<Option<u32>> {
    let end = ring.count();
    let (first, last) = (ring.cycle(0)?, ring.cycle(end.saturating_sub(1))?);
    if first == 0 {
        return match ring.first_used()? {
            None => Ok(None),
            Some(block) => Err(LogFault::PartlyZero { block }.into()),
        };
    }
    let (head, stale) = if first == last {
        (end, last.wrapping_sub(1))
    } else if first == last.wrapping_add(1) {
        (first_of_cycle(ring, last)?, last)
    } else {
        return Err(LogFault::Cycles { first, last }.into());
    };
    let window = in_flight(is_version2).min(end);
    if head >= window {
        let hole = first_stale(ring, head.saturating_sub(window), head, stale)?;
        return Ok(Some(ring.after(hole.unwrap_or(head), 0)));
    }
    // The blocks before the first are the last.
    let from = end.saturating_sub(window.saturating_sub(head));
    let mut hole = None;
    if stale > 0 {
        hole = first_stale(ring, from, end, stale.wrapping_sub(1))?;
    }
    if hole.is_none() {
        hole = first_stale(ring, 0, head, stale)?;
    }
    Ok(Some(hole.unwrap_or(head)))
}

/// A block of `cycle`, which the last block has and the first has not, that comes after
/// one of another cycle.
fn first_of_cycle<R: ReadAt + ?Sized>(ring: &Ring<'_, R>, cycle: u32) -> Step<u32> {
    let (mut other, mut found) = (0, ring.count().saturating_sub(1));
    while found.saturating_sub(other) > 1 {
        let middle = other.midpoint(found);
        if ring.cycle(middle)? == cycle {
            found = middle;
        } else {
            other = middle;
        }
    }
    Ok(found)
}

/// The first block of `cycle` from block `start` on, before block `end`.
fn first_stale<R: ReadAt + ?Sized>(
    ring: &Ring<'_, R>,
    start: u32,
    end: u32,
    cycle: u32,
) -> Step<Option<u32>> {
    let length = usize_of(u64::from(end.saturating_sub(start))).saturating_mul(BLOCK);
    let mut bytes = vec![0; length];
    ring.read(start, &mut bytes)?;
    let mut blocks = (start..end).zip(bytes.chunks(BLOCK));
    Ok(blocks
        .find(|(_, bytes)| cycle_of(bytes) == cycle)
        .map(|(block, _)| block))
}
