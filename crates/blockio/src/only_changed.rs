//! Writes only bytes that differ.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Holes, Store, WriteAt, len_u64, nonzero_runs};

/// Bytes to compare at once. Parts of a range end at multiples of it.
const PART_BYTES: u64 = 1 << 18;

/// Size of the blocks that are written if they differ: a page of memory, and of
/// most flash memory.
const BLOCK_BYTES: u64 = 4096;

/// A write starts before the end of an earlier write, although writes must ascend.
///
/// It would replace bytes that were just written. This is a bug in the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "internal error: a write at {offset:#x} starts before {done:#x}, the end of what is written"
)]
pub struct GoesBack {
    /// Offset of the write.
    pub offset: u64,
    /// End of what is already written.
    pub done: u64,
}

/// A target that is read first and written only where it differs.
///
/// Bytes past its end count as different.
#[derive(Debug)]
pub struct OnlyChanged<'t, T: ?Sized> {
    target: &'t T,
    holes: Holes,
    /// The end of what was written, if writes must ascend.
    done: Option<AtomicU64>,
    written_bytes: AtomicU64,
    zeroed_bytes: AtomicU64,
}

impl<'t, T: Store + ?Sized> OnlyChanged<'t, T> {
    /// Writes to `target` in ascending order.
    ///
    /// A write that starts before the end of an earlier one is refused with
    /// [`GoesBack`].
    pub fn new(target: &'t T) -> Self {
        Self {
            done: Some(0.into()),
            ..Self::anywhere(target)
        }
    }

    /// Writes to `target` in any order.
    pub fn anywhere(target: &'t T) -> Self {
        Self {
            target,
            holes: Holes::new(),
            done: None,
            written_bytes: 0.into(),
            zeroed_bytes: 0.into(),
        }
    }

    /// Returns how many bytes were written so far.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Relaxed)
    }

    /// Returns how many bytes were zeroed so far.
    pub fn zeroed_bytes(&self) -> u64 {
        self.zeroed_bytes.load(Ordering::Relaxed)
    }

    /// Returns the end of a write of `length` bytes at `offset`, if it is allowed there,
    /// and records that everything before this end is written.
    fn end(&self, offset: u64, length: u64) -> io::Result<u64> {
        let end = offset
            .checked_add(length)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        if let Some(done) = &self.done {
            let before = done.load(Ordering::Relaxed);
            if offset < before && length > 0 {
                let done = before;
                return Err(io::Error::other(GoesBack { offset, done }));
            }
            done.fetch_max(end, Ordering::Relaxed);
        }
        Ok(end)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let written = len_u64(bytes.len());
        let result = self.target.write_at(offset, bytes);
        // A part may have been written.
        self.holes
            .written(&(offset..offset.saturating_add(written)));
        result?;
        self.written_bytes.fetch_add(written, Ordering::Relaxed);
        Ok(())
    }

    fn zero(&self, offset: u64, length: u64) -> io::Result<()> {
        self.target.write_zeroes(offset, length)?;
        self.zeroed_bytes.fetch_add(length, Ordering::Relaxed);
        Ok(())
    }

    /// Zeroes those bytes of `range`, which lies in the target, that are not zero.
    fn zero_nonzero(&self, range: Range<u64>) -> io::Result<()> {
        let mut stored = Vec::new();
        for part in parts(range) {
            stored.resize(in_memory(part.end - part.start), 0);
            self.target.read_at(part.start, &mut stored)?;
            for run in nonzero_runs(&stored, in_memory(BLOCK_BYTES)) {
                self.zero(part.start + len_u64(run.start), len_u64(run.len()))?;
            }
        }
        Ok(())
    }
}

/// Returns the bytes of `range` in parts that end at multiples of [`PART_BYTES`].
fn parts(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    blocks(range, PART_BYTES)
}

/// Returns the bytes of `range` in blocks that end at multiples of `block_bytes`.
fn blocks(range: Range<u64>, block_bytes: u64) -> impl Iterator<Item = Range<u64>> {
    let Range { mut start, end } = range;
    std::iter::from_fn(move || {
        let next = (start / block_bytes + 1)
            .saturating_mul(block_bytes)
            .min(end);
        let block = start..next;
        start = next;
        (!block.is_empty()).then_some(block)
    })
}

/// Returns the runs of blocks in which `new` differs from `old`, both at `offset`.
fn differences(offset: u64, old: &[u8], new: &[u8]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for block in blocks(offset..offset + len_u64(new.len()), BLOCK_BYTES) {
        let block = in_memory(block.start - offset)..in_memory(block.end - offset);
        if old.get(block.clone()) == new.get(block.clone()) {
            continue;
        }
        match runs.last_mut() {
            Some(run) if run.end == block.start => run.end = block.end,
            _ => runs.push(block),
        }
    }
    runs
}

/// Converts the length of something in memory, or of a part.
fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl<T: Store + ?Sized> WriteAt for OnlyChanged<'_, T> {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = self.end(offset, len_u64(bytes.len()))?;
        let there = end.min(self.target.size()).max(offset);
        let mut stored = Vec::new();
        for part in parts(offset..there) {
            let place = in_memory(part.start - offset)..in_memory(part.end - offset);
            let bytes = bytes.get(place).unwrap_or_default();
            stored.resize(bytes.len(), 0);
            self.target.read_at(part.start, &mut stored)?;
            for run in differences(part.start, &stored, bytes) {
                let start = part.start + len_u64(run.start);
                self.write(start, bytes.get(run).unwrap_or_default())?;
            }
        }
        match bytes.get(in_memory(there - offset)..) {
            Some(behind) if !behind.is_empty() => self.write(there, behind),
            _ => Ok(()),
        }
    }

    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        let end = self.end(offset, length)?;
        let there = end.min(self.target.size()).max(offset);
        let mut at = offset;
        while at < there
            && let Some(data) = self.holes.next_data(self.target, at)?
            && data.start < there
        {
            at = data.end.min(there);
            self.zero_nonzero(data.start..at)?;
        }
        if there < end {
            // A file grows, and what it grows by reads as zeros.
            self.target.write_zeroes(there, end - there)?;
        }
        Ok(())
    }

    fn reserve(&self, size: u64) -> io::Result<()> {
        self.target.reserve(size)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.target.set_size(size)
    }

    fn starts_zeroed(&self) -> bool {
        false
    }

    fn sync(&self) -> io::Result<()> {
        self.target.sync()
    }
}

#[cfg(test)]
mod tests;
