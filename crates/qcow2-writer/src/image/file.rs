//! The file or device that the image goes to, and small writes gathered into large ones.

use std::fmt;
use std::io;
use std::ops::Range;

use blockio::{Handle, Store, len_u64, nonzero_runs};
use qcow2_format::HostOffset;

use crate::error::Error;
use crate::units::to_usize;

/// Bytes that are gathered before they are written: as much as is best written
/// at once.
const GATHER_BYTES: usize = 512 << 10;

/// Zeros that are worth two writes instead of one, in bytes: what filesystems
/// can leave out.
const HOLE_BYTES: usize = 4096;

/// The end of what was written in order: nothing that is new starts before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Floor(u64);

impl Floor {
    /// Refuses `structure` at `offset` if it starts before the end of what was written.
    pub(crate) fn check(self, structure: &'static str, offset: HostOffset) -> Result<(), Error> {
        if offset.0 < self.0 {
            return Err(Error::GoesBack {
                structure,
                offset,
                done: HostOffset(self.0),
            });
        }
        Ok(())
    }

    /// Remembers that all up to `end` is written.
    pub(crate) fn rise(&mut self, end: u64) {
        self.0 = self.0.max(end);
    }
}

/// Where the image goes.
pub(crate) struct ImageFile<T> {
    target: T,
    starts_zeroed: bool,
}

impl<T> fmt::Debug for ImageFile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageFile")
            .field("starts_zeroed", &self.starts_zeroed)
            .finish_non_exhaustive()
    }
}

impl<T: Store> ImageFile<T> {
    pub(crate) fn new(target: T) -> Self {
        Self {
            starts_zeroed: target.starts_zeroed(),
            target,
        }
    }

    pub(crate) fn into_target(self) -> T {
        self.target
    }

    /// Whether a byte that was not written reads as zero.
    pub(crate) fn starts_zeroed(&self) -> bool {
        self.starts_zeroed
    }

    pub(crate) fn write(
        &self,
        structure: &'static str,
        offset: HostOffset,
        bytes: &[u8],
    ) -> Result<(), Error> {
        self.target
            .write_at(offset.0, bytes)
            .map_err(|source| Error::WriteImage {
                structure,
                offset,
                source,
            })
    }

    /// Writes `bytes` where nothing was written before. Zeros stay holes where
    /// nothing else can be.
    pub(crate) fn write_new(
        &self,
        structure: &'static str,
        offset: HostOffset,
        bytes: &[u8],
    ) -> Result<(), Error> {
        if !self.starts_zeroed {
            return self.write(structure, offset, bytes);
        }
        for run in nonzero_runs(bytes, HOLE_BYTES) {
            let offset = HostOffset(offset.0 + len_u64(run.start));
            self.write(structure, offset, &bytes[run])?;
        }
        Ok(())
    }

    /// Makes the bytes at `host` share (reflink) the blocks at `guest` of the
    /// file `source`, if there is one.
    pub(crate) fn reflink(
        &self,
        host: HostOffset,
        source: Option<&Handle>,
        guest: &Range<u64>,
    ) -> Result<(), Error> {
        let (offset, length) = (guest.start, guest.end - guest.start);
        let shared = match source {
            Some(file) => self.target.share_at(host.0, file, offset, length),
            None => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the disk is not a file",
            )),
        };
        shared.map_err(|source| Error::Reflink {
            offset,
            length,
            host,
            source,
        })
    }

    /// Makes `length` bytes that were never written read as zeros.
    pub(crate) fn clear(
        &self,
        structure: &'static str,
        offset: HostOffset,
        length: u64,
    ) -> Result<(), Error> {
        if self.starts_zeroed || length == 0 {
            return Ok(());
        }
        self.target
            .write_zeroes(offset.0, length)
            .map_err(|source| Error::WriteImage {
                structure,
                offset,
                source,
            })
    }

    pub(crate) fn read_back(&self, offset: HostOffset, bytes: &mut [u8]) -> Result<(), Error> {
        self.target
            .read_at(offset.0, bytes)
            .map_err(|source| Error::ReadBack { offset, source })
    }

    pub(crate) fn set_size(&self, size: u64) -> Result<(), Error> {
        self.target
            .set_size(size)
            .map_err(|source| Error::WriteImage {
                structure: "the end",
                offset: HostOffset(size),
                source,
            })
    }

    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.target.sync().map_err(|source| Error::WriteImage {
            structure: "all that must be stored before the header",
            offset: HostOffset(0),
            source,
        })
    }
}

/// Gathers writes that follow each other into large ones. Each byte is written once, but
/// for the zeros that were written last: they may be replaced.
#[derive(Debug)]
pub(crate) struct Gather {
    structure: &'static str,
    start: HostOffset,
    bytes: Vec<u8>,
    /// The end of all that came.
    floor: Floor,
    /// Zeros that may be replaced, from their start on.
    room: Range<u64>,
}

impl Gather {
    pub(crate) fn new(structure: &'static str) -> Self {
        Self {
            structure,
            start: HostOffset(0),
            bytes: Vec::new(),
            floor: Floor::default(),
            room: 0..0,
        }
    }

    /// Where the last of what is gathered ends.
    fn end(&self) -> u64 {
        self.start.0 + len_u64(self.bytes.len())
    }

    /// Notes that `range` is written: after all that came, or in place of zeros.
    fn pass(&mut self, range: Range<u64>) -> Result<(), Error> {
        if self.room.start <= range.start && range.end <= self.room.end {
            self.room.start = range.end;
            return Ok(());
        }
        self.floor.check(self.structure, HostOffset(range.start))?;
        self.floor.rise(range.end);
        Ok(())
    }

    /// Writes `bytes` at `offset`, now or later.
    ///
    /// Fails with [`Error::GoesBack`] if something other than zeros is there already.
    pub(crate) fn write<T: Store>(
        &mut self,
        offset: HostOffset,
        bytes: &[u8],
        file: &ImageFile<T>,
    ) -> Result<(), Error> {
        self.pass(offset.0..offset.0 + len_u64(bytes.len()))?;
        if let Some(gathered) = self.gathered(offset, bytes.len()) {
            gathered.copy_from_slice(bytes);
            return Ok(());
        }
        self.go_to(offset, file)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(self.room(file)?.min(rest.len()));
            self.bytes.extend_from_slice(part);
            rest = after;
        }
        Ok(())
    }

    /// Writes `length` zeros at `offset`, now or later. Until the next zeros come, other
    /// bytes may take their place.
    pub(crate) fn write_zeroes<T: Store>(
        &mut self,
        offset: HostOffset,
        length: u64,
        file: &ImageFile<T>,
    ) -> Result<(), Error> {
        let zeros = offset.0..offset.0 + length;
        self.floor.check(self.structure, offset)?;
        self.floor.rise(zeros.end);
        self.room = zeros;
        self.go_to(offset, file)?;
        let mut rest = to_usize(length);
        while rest > 0 {
            let part = self.room(file)?.min(rest);
            self.bytes.resize(self.bytes.len() + part, 0);
            rest -= part;
        }
        Ok(())
    }

    /// The place of `length` bytes at `offset`, if all of them are gathered.
    fn gathered(&mut self, offset: HostOffset, length: usize) -> Option<&mut [u8]> {
        let start = to_usize(offset.0.checked_sub(self.start.0)?);
        self.bytes.get_mut(start..start.checked_add(length)?)
    }

    /// Makes `offset` the end of what is gathered.
    fn go_to<T: Store>(&mut self, offset: HostOffset, file: &ImageFile<T>) -> Result<(), Error> {
        if offset.0 != self.end() {
            self.flush(file)?;
            self.start = offset;
        }
        Ok(())
    }

    /// Bytes that may be added, at least one.
    fn room<T: Store>(&mut self, file: &ImageFile<T>) -> Result<usize, Error> {
        if self.bytes.len() == GATHER_BYTES {
            self.flush(file)?;
        }
        Ok(GATHER_BYTES - self.bytes.len())
    }

    /// Writes what is gathered. Zeros stay holes where nothing else can be.
    pub(crate) fn flush<T: Store>(&mut self, file: &ImageFile<T>) -> Result<(), Error> {
        if !self.bytes.is_empty() {
            file.write_new(self.structure, self.start, &self.bytes)?;
        }
        self.start = HostOffset(self.end());
        self.bytes.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
