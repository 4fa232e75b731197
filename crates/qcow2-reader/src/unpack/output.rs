//! The disk that is written.

use std::ops::Range;

use blockio::salvage::Lost;
use blockio::{Handle, WriteAt, len_u64};
use qcow2_format::HostOffset;
use qcow2_map::{Error as ImageError, Mapping, Run};

use crate::error::Error;
use crate::options::UnpackReport;
use crate::unpack::load::Piece;

/// Shortest run of zeros left out of a target that starts zeroed. To write more
/// to save requests is slower: a page written costs more than a request.
pub(crate) const HOLE_BYTES_MIN: usize = 4096;

/// Shortest run of zeros that a target which does not start zeroed is asked to
/// make. Shorter ones are written: for a device, that is less work.
pub(crate) const ZEROES_BYTES_MIN: usize = 64 << 10;

/// The target, written from its start on, each byte at most once: a piece that starts
/// before what is done is refused. Where pieces come in any order, they have to be as
/// many bytes, together, as the tables name.
pub(crate) struct Output<'t, T: ?Sized> {
    target: &'t T,
    zeroed: bool,
    /// What is not put here stays what it is.
    only_allocated: bool,
    /// The disk is complete up to here.
    done: u64,
    /// Bytes that pieces in any order bring in all, once that is known.
    named_bytes: Option<u64>,
    /// Bytes that they brought.
    brought_bytes: u64,
    written_bytes: u64,
    shared_bytes: u64,
    lost: Lost,
}

impl<'t, T: WriteAt + ?Sized> Output<'t, T> {
    /// An output of `size` bytes. Nothing is written yet.
    pub(crate) fn new(target: &'t T, size: u64, only_allocated: bool) -> Result<Self, Error> {
        target
            .reserve(size)
            .map_err(|source| Error::Resize { size, source })?;
        Ok(Self {
            target,
            zeroed: target.starts_zeroed(),
            only_allocated,
            done: 0,
            named_bytes: None,
            brought_bytes: 0,
            written_bytes: 0,
            shared_bytes: 0,
            lost: Lost::new(size),
        })
    }

    /// Shortest run of zeros that is not written.
    pub(crate) fn zeroes_min(&self) -> usize {
        if self.zeroed {
            HOLE_BYTES_MIN
        } else {
            ZEROES_BYTES_MIN
        }
    }

    /// Writes a piece, which must lie after all that is complete. Where only what is
    /// allocated is written, it may lie anywhere.
    pub(crate) fn put(&mut self, piece: &Piece<'_>) -> Result<(), Error> {
        if self.only_allocated {
            return self.put_anywhere(piece);
        }
        self.check_after(piece.start)?;
        self.put_parts(piece)
    }

    /// Refuses a piece at `offset` that starts before the end of what is complete.
    fn check_after(&self, offset: u64) -> Result<(), Error> {
        let done = self.done;
        match offset < done {
            true => Err(Error::GoesBack { offset, done }),
            false => Ok(()),
        }
    }

    /// Counts bytes of a piece in any order; there cannot be more than the
    /// tables name.
    fn bring(&mut self, bytes: u64) -> Result<(), Error> {
        self.brought_bytes = self.brought_bytes.saturating_add(bytes);
        self.check_named()
    }

    /// Refuses more bytes than the tables name, if those are known.
    fn check_named(&self) -> Result<(), Error> {
        match self
            .named_bytes
            .is_some_and(|named| self.brought_bytes > named)
        {
            true => Err(self.uneven()),
            false => Ok(()),
        }
    }

    fn uneven(&self) -> Error {
        Error::Uneven {
            written: self.brought_bytes,
            expected: self.named_bytes.unwrap_or(0),
        }
    }

    /// Remembers that `guest` could not be read.
    pub(crate) fn lose(&mut self, guest: Range<u64>) {
        self.lost.insert(guest);
    }

    fn put_parts(&mut self, piece: &Piece<'_>) -> Result<(), Error> {
        for guest in &piece.lost {
            self.lost.insert(guest.clone());
        }
        for (start, bytes) in piece.parts() {
            self.zero_to(start)?;
            self.target
                .write_at(start, bytes)
                .map_err(|source| Error::Write {
                    offset: start,
                    source,
                })?;
            self.done = start.saturating_add(len_u64(bytes.len()));
            self.written_bytes = self.written_bytes.saturating_add(len_u64(bytes.len()));
        }
        Ok(())
    }

    /// Makes the bytes `guest` share (reflink) the blocks at `host` of `file`. Nothing is
    /// changed but zeros in front if the target answers that it cannot.
    pub(crate) fn share(
        &mut self,
        guest: &Range<u64>,
        file: &Handle,
        host: HostOffset,
    ) -> Result<(), Error> {
        let bytes = guest.end.saturating_sub(guest.start);
        if self.only_allocated {
            self.done = guest.start;
        } else {
            self.check_after(guest.start)?;
        }
        self.zero_to(guest.start)?;
        self.target
            .share_at(guest.start, file, host.0, bytes)
            .map_err(|source| Error::Share {
                offset: guest.start,
                host,
                bytes,
                source,
            })?;
        if self.only_allocated {
            self.bring(bytes)?;
        }
        self.done = guest.end;
        self.shared_bytes = self.shared_bytes.saturating_add(bytes);
        Ok(())
    }

    /// As [`Self::put`], of a piece anywhere on the disk, after
    /// [`zero_all`](Self::zero_all); all of it is complete then.
    pub(crate) fn put_anywhere(&mut self, piece: &Piece<'_>) -> Result<(), Error> {
        self.bring(piece.bytes())?;
        self.done = piece.start;
        self.put_parts(piece)?;
        self.zero_to(piece.end())
    }

    /// Makes zero what is not stored: zero clusters, and what is unallocated
    /// unless that is to be left alone. Says how many bytes of the disk are
    /// done with that, and remembers how many are to come, in any order.
    pub(crate) fn zero_all(
        &mut self,
        runs: impl Iterator<Item = Result<Run, ImageError>>,
    ) -> Result<u64, Error> {
        let (mut done, mut named): (u64, u64) = (0, 0);
        for run in runs {
            let run = run?;
            match run.mapping {
                Mapping::Unallocated | Mapping::Lost if self.only_allocated => {}
                Mapping::Zero | Mapping::Unallocated | Mapping::Lost => {
                    self.done = run.guest.start;
                    self.zero_to(run.guest.end)?;
                }
                Mapping::Data { .. } | Mapping::Compressed(_) => {
                    named = named.saturating_add(run.bytes());
                    continue;
                }
            }
            done = done.saturating_add(run.bytes());
        }
        self.named_bytes = Some(named);
        self.check_named()?;
        Ok(done)
    }

    /// Completes the disk up to `end` with zeros.
    pub(crate) fn zero_to(&mut self, end: u64) -> Result<(), Error> {
        let start = self.done;
        self.check_after(end)?;
        if start < end && !self.zeroed {
            self.target
                .write_zeroes(start, end.saturating_sub(start))
                .map_err(|source| Error::Write {
                    offset: start,
                    source,
                })?;
        }
        self.done = end;
        Ok(())
    }

    /// Makes the disk, which is complete, `size` bytes long.
    pub(crate) fn finish(self, size: u64) -> Result<UnpackReport, Error> {
        if self.brought_bytes != self.named_bytes.unwrap_or(0) {
            return Err(self.uneven());
        }
        if !self.only_allocated {
            self.target
                .set_size(size)
                .map_err(|source| Error::Resize { size, source })?;
        }
        Ok(UnpackReport {
            disk_bytes: size,
            written_bytes: self.written_bytes,
            shared_bytes: self.shared_bytes,
            lost: self.lost,
        })
    }
}

#[cfg(test)]
mod tests;
