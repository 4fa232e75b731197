//! Back to raw: the whole disk of an image, written somewhere else.

use std::num::NonZeroUsize;
use std::ops::Range;

use blockio::{ReadAt, WriteAt, len_u64, nonzero_runs};
use pipeline::{BufferPool, PooledBuffer, ordered_map};
use qcow2_format::HostOffset;

use crate::batch::{BLOCK_BYTES, Batch, Batches};
use crate::{Error, Image, Progress, Structure, UnpackOptions, UnpackReport};

/// Threads that are worth having: they only copy from the page cache and look
/// for zeros, which outruns any storage, and each holds three batches.
const THREADS_MAX: NonZeroUsize = NonZeroUsize::new(4).unwrap();

/// Shortest run of zeros left out of a target that starts zeroed. To write more
/// to save requests is slower: a page written costs more than a request.
const HOLE_BYTES_MIN: usize = 4096;

/// Shortest run of zeros that a target which does not start zeroed is asked to
/// make. Shorter ones are written: for a device, that is less work.
const ZEROES_BYTES_MIN: usize = 64 << 10;

impl<S: ReadAt> Image<S> {
    /// Writes the whole disk to `target`, in ascending order, and makes the
    /// target exactly as long as the disk.
    ///
    /// Bytes that are zero are left out where the target starts zeroed, and
    /// made zero elsewhere. Nothing is synced.
    ///
    /// # Errors
    ///
    /// The first in the order of the disk: a damaged or unsupported part of the
    /// image, or a failed read or write. The target then holds a part.
    /// [`Error::Resize`] before anything is written where the target is too small.
    pub fn unpack<T: WriteAt + ?Sized>(
        &self,
        target: &T,
        options: &UnpackOptions<'_>,
    ) -> Result<UnpackReport, Error> {
        let size = self.size();
        target
            .reserve(size)
            .map_err(|source| Error::Resize { size, source })?;
        let mut output = Output {
            target,
            zeroed: target.starts_zeroed(),
            done: 0,
            written_bytes: 0,
        };
        let zeroes_min = if output.zeroed {
            HOLE_BYTES_MIN
        } else {
            ZEROES_BYTES_MIN
        };
        let report = |done_bytes| {
            if let Some(progress) = options.progress {
                progress(Progress {
                    done_bytes,
                    total_bytes: size,
                });
            }
        };
        let pool = BufferPool::new();
        ordered_map(
            options.threads.min(THREADS_MAX),
            Batches::new(self.runs(0..size)),
            |batch| Piece::read(self.storage(), &batch, &pool, zeroes_min),
            |piece| {
                output.put(&piece)?;
                report(piece.start.saturating_add(len_u64(piece.bytes.len())));
                Ok(())
            },
        )?;
        output.zero_to(size)?;
        target
            .set_size(size)
            .map_err(|source| Error::Resize { size, source })?;
        report(size);
        Ok(UnpackReport {
            disk_bytes: size,
            written_bytes: output.written_bytes,
        })
    }
}

/// The bytes of a batch, and which of them matter.
struct Piece<'p> {
    /// Guest offset of the first byte.
    start: u64,
    bytes: PooledBuffer<'p>,
    /// The parts to write; the others are zero.
    parts: Vec<Range<usize>>,
}

impl<'p> Piece<'p> {
    fn read<S: ReadAt>(
        storage: &S,
        batch: &Batch,
        pool: &'p BufferPool,
        zeroes_min: usize,
    ) -> Result<Self, Error> {
        let start = batch.guest.start;
        let offset = |guest: u64| batch_offset(guest.saturating_sub(start));
        let mut bytes = pool.take(offset(batch.guest.end));
        let mut filled = 0;
        for segment in &batch.segments {
            let stored = offset(segment.guest.start)..offset(segment.guest.end);
            bytes[filled..stored.start].fill(0);
            filled = stored.end;
            storage
                .read_at(segment.host, &mut bytes[stored])
                .map_err(|source| Error::Read {
                    structure: Structure::Data,
                    host: HostOffset(segment.host),
                    source,
                })?;
        }
        let parts = parts_to_write(&bytes, zeroes_min);
        Ok(Self {
            start,
            bytes,
            parts,
        })
    }
}

/// The parts of `bytes` between runs of at least `zeroes_min` zeros.
fn parts_to_write(bytes: &[u8], zeroes_min: usize) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    for run in nonzero_runs(bytes, batch_offset(BLOCK_BYTES)) {
        match parts.last_mut() {
            Some(part) if run.start - part.end < zeroes_min => part.end = run.end,
            _ => parts.push(run),
        }
    }
    parts
}

/// A length within a batch, which is far below any `usize`.
fn batch_offset(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// The target, written from its start on.
struct Output<'t, T: ?Sized> {
    target: &'t T,
    zeroed: bool,
    /// The disk is complete up to here.
    done: u64,
    written_bytes: u64,
}

impl<T: WriteAt + ?Sized> Output<'_, T> {
    fn put(&mut self, piece: &Piece<'_>) -> Result<(), Error> {
        for part in &piece.parts {
            let bytes = &piece.bytes[part.clone()];
            let start = piece.start.saturating_add(len_u64(part.start));
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

    /// Completes the disk up to `end` with zeros.
    fn zero_to(&mut self, end: u64) -> Result<(), Error> {
        let start = self.done;
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
}

#[cfg(test)]
mod tests;
