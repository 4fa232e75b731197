//! Reads what can be read from a failing disk.

use std::fmt;
use std::io;
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use blockio::salvage::Lost;
use blockio::{ReadAt, len_u64};
use rustix::io::Errno;

/// How often an unreadable sector is retried.
const RETRIES: u32 = 2;

/// Into how many parts a range is split that could not be read. Both more levels and
/// more parts cost attempts, each of which may take seconds.
const PARTS: u64 = 32;

/// A disk whose unreadable parts read as zeros and are remembered.
///
/// A read that fails is narrowed down to the failing sectors, which are retried. A
/// sector is lost as a whole and then stays zeros, so that two reads of one range agree.
/// Errors that the medium did not cause, such as a range past the end, stay errors.
pub struct Salvage<R> {
    inner: R,
    sector_bytes: NonZeroU64,
    lost: Mutex<Lost>,
}

impl<R: ReadAt> Salvage<R> {
    /// Wraps `inner`, whose smallest unit that can be lost is `sector_bytes` long.
    pub fn new(inner: R, sector_bytes: NonZeroU64) -> Self {
        Self {
            lost: Mutex::new(Lost::new(inner.size())),
            inner,
            sector_bytes,
        }
    }

    /// Returns the disk itself, which reports its errors.
    pub fn inner(&self) -> &R {
        &self.inner
    }

    /// Returns what was lost so far.
    #[must_use]
    pub fn lost(&self) -> Lost {
        self.guard().clone()
    }

    /// Wraps `again`, the same disk, to compare it with what was read: parts lost so far
    /// read as zeros, and nothing else may fail.
    pub fn again<S: ReadAt>(&self, again: S) -> Again<S> {
        Again {
            inner: again,
            sector_bytes: self.sector_bytes,
            lost: self.lost(),
        }
    }

    /// Fills `buf` with what can be read at `offset`. No part of it is known to be lost.
    fn read_parts(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        match self.inner.read_at(offset, buf) {
            Err(error) if is_of_medium(&error) => {}
            result => return result,
        }
        let end = offset.saturating_add(buf.size());
        let sectors = self.whole_sectors(offset..end);
        let length = sectors.end - sectors.start;
        if length <= self.sector_bytes.get() {
            return self.read_sector(offset, buf, sectors);
        }
        let part_bytes = length
            .div_ceil(PARTS)
            .next_multiple_of(self.sector_bytes.get());
        let (mut at, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let parts_before = (at - sectors.start) / part_bytes;
            let part_end = sectors.start + (parts_before + 1) * part_bytes;
            let length = usize::try_from(part_end - at).unwrap_or(usize::MAX);
            let (part, behind) = rest.split_at_mut(length.min(rest.len()));
            self.read_parts(at, part)?;
            at += len_u64(part.len());
            rest = behind;
        }
        Ok(())
    }

    /// Retries a read at `offset` within the one sector `sector`.
    fn read_sector(&self, offset: u64, buf: &mut [u8], sector: Range<u64>) -> io::Result<()> {
        for _ in 0..RETRIES {
            match self.inner.read_at(offset, buf) {
                Err(error) if is_of_medium(&error) => {}
                result => return result,
            }
        }
        self.guard().insert(sector);
        buf.fill(0);
        Ok(())
    }

    /// Extends `range` to whole sectors.
    fn whole_sectors(&self, range: Range<u64>) -> Range<u64> {
        let sector = self.sector_bytes.get();
        let start = range.start - range.start % sector;
        let end = range.end.checked_next_multiple_of(sector);
        start..end.unwrap_or(u64::MAX)
    }

    fn guard(&self) -> MutexGuard<'_, Lost> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: ReadAt> ReadAt for Salvage<R> {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let pieces = {
            let lost = self.guard();
            // Parts of a range that is not exact may be readable; they are retried.
            if lost.is_empty() || !lost.is_exact() {
                None
            } else {
                Some(lost.pieces(offset..offset.saturating_add(buf.size())))
            }
        };
        match pieces {
            None => self.read_parts(offset, buf),
            Some(pieces) => each_piece(buf, pieces, |range, is_lost, part| {
                if is_lost {
                    part.fill(0);
                    return Ok(());
                }
                self.read_parts(range.start, part)
            }),
        }
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.inner.next_data(from)
    }
}

impl<R> fmt::Debug for Salvage<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Salvage")
            .field("sector_bytes", &self.sector_bytes)
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

/// A disk that is read again after a [`Salvage`]; see [`Salvage::again`].
pub struct Again<R> {
    inner: R,
    sector_bytes: NonZeroU64,
    lost: Lost,
}

impl<R: ReadAt> ReadAt for Again<R> {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let pieces = self.lost.pieces(offset..offset.saturating_add(buf.size()));
        each_piece(buf, pieces, |range, is_lost, part| {
            if !is_lost {
                self.inner.read_at(range.start, part)
            } else if self.lost.is_exact() {
                part.fill(0);
                Ok(())
            } else {
                Salvage::new(&self.inner, self.sector_bytes).read_at(range.start, part)
            }
        })
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.inner.next_data(from)
    }
}

impl<R> fmt::Debug for Again<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Again")
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

/// Gives `read` the part of `buf` for each of the `pieces`, which tile it.
fn each_piece(
    mut buf: &mut [u8],
    pieces: Vec<(Range<u64>, bool)>,
    mut read: impl FnMut(Range<u64>, bool, &mut [u8]) -> io::Result<()>,
) -> io::Result<()> {
    for (range, is_lost) in pieces {
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let (part, rest) = buf.split_at_mut(length.min(buf.len()));
        read(range, is_lost, part)?;
        buf = rest;
    }
    Ok(())
}

/// Returns whether the medium is at fault: the storage could not read its content, or a
/// filesystem found that it read something other than what was written. A missing
/// device, a range past the end or a lack of memory do not count.
fn is_of_medium(error: &io::Error) -> bool {
    let Some(error) = Errno::from_io_error(error) else {
        return false;
    };
    matches!(
        error,
        Errno::IO
            | Errno::NODATA
            | Errno::ILSEQ
            | Errno::BADMSG
            | Errno::UCLEAN
            | Errno::REMOTEIO
            | Errno::TIMEDOUT
    )
}

#[cfg(test)]
mod tests;
