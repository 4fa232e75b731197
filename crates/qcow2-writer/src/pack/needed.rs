//! The parts of a disk that an image must hold, from what is known of the disk.

use std::ops::Range;

use blockio::{Extent, ExtentKind, Extents, Holes, ReadAt};

use crate::error::Error;

/// The guest bytes that are in use and may hold anything but zeros, as extents of
/// data, and if asked for the others in use, as extents of zeros; ascending.
/// Checks on the way that the given extents tile the disk. Ends after an error.
pub(crate) struct NeededExtents<'s, S: ?Sized> {
    source: &'s S,
    holes: Holes,
    extents: Extents<'s>,
    /// Length of the disk in bytes.
    size: u64,
    /// Guest bytes before this offset are covered by the extents so far.
    tiled: u64,
    /// What is left of the current data extent.
    extent: Range<u64>,
    /// Where the source may hold anything but zeros next.
    run: Range<u64>,
    /// What such places are rounded outward to multiples of, in bytes.
    unit: u64,
    /// Whether zeros are wanted, and what must be made of units.
    zeros: Zeros,
    /// Whether the bytes before `tiled` are in use.
    in_use: bool,
    used_bytes: u64,
    done: bool,
}

/// Whether extents of zeros are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Zeros {
    /// They are left out.
    Unwanted,
    /// They are wanted, and every extent must be made of units.
    OfUnits,
    /// They are wanted, and share units with data, but not with what is not in use.
    InUnits,
}

fn is_in_use(kind: ExtentKind) -> bool {
    match kind {
        ExtentKind::Data | ExtentKind::Zero | ExtentKind::Unreadable => true,
        ExtentKind::Unallocated | ExtentKind::Free => false,
    }
}

impl<'s, S> NeededExtents<'s, S>
where
    S: ReadAt + ?Sized,
{
    /// The data of `source`, a disk of `size` bytes, that `extents` describe.
    pub(crate) fn new(source: &'s S, extents: Extents<'s>, size: u64) -> Self {
        Self {
            source,
            holes: Holes::new(),
            extents,
            size,
            tiled: 0,
            extent: 0..0,
            run: 0..0,
            unit: 1,
            zeros: Zeros::Unwanted,
            in_use: false,
            used_bytes: 0,
            done: false,
        }
    }

    /// Cuts the disk into units of `unit` bytes, and takes for data all of a unit
    /// that the source may hold data in.
    pub(crate) fn in_units_of(self, unit: u64) -> Self {
        Self { unit, ..self }
    }

    /// As [`in_units_of`](Self::in_units_of), and adds the zeros. All given extents
    /// must be made of units; the last of them may be cut by the disk's end.
    pub(crate) fn exact(self, unit: u64) -> Self {
        Self {
            unit,
            zeros: Zeros::OfUnits,
            ..self
        }
    }

    /// As [`exact`](Self::exact), where only what is in use, as a whole, must be made
    /// of units.
    pub(crate) fn overlay(self, unit: u64) -> Self {
        Self {
            zeros: Zeros::InUnits,
            ..self.exact(unit)
        }
    }

    /// Bytes in use so far, zeros included.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    /// What the current extent and the source's run of data have in common; zeros
    /// before it, if they are wanted; or `None` where there is no more.
    fn next_in_extent(&mut self) -> Result<Option<Extent>, Error> {
        let from = self.extent.start;
        if self.run.end <= from {
            let run =
                self.holes
                    .next_data(self.source, from)
                    .map_err(|source| Error::ReadDisk {
                        offset: from,
                        length: self.size - from,
                        source,
                    })?;
            self.run = match run {
                None => self.size..u64::MAX,
                Some(run) => {
                    let end = run.end.checked_next_multiple_of(self.unit);
                    run.start - run.start % self.unit..end.unwrap_or(u64::MAX)
                }
            };
        }
        let part = if self.zeros != Zeros::Unwanted && from < self.run.start {
            Extent::new(from..self.extent.end.min(self.run.start), ExtentKind::Zero)
        } else {
            let data = from.max(self.run.start)..self.extent.end.min(self.run.end);
            Extent::new(data, ExtentKind::Data)
        };
        if part.length == 0 {
            return Ok(None);
        }
        self.extent.start = part.end();
        Ok(Some(part))
    }

    /// Takes the next extent; returns it where it is all zeros, and they are wanted.
    fn enter(&mut self, extent: &Extent) -> Result<Option<Extent>, Error> {
        let end = extent.start.checked_add(extent.length);
        if extent.start != self.tiled || extent.length == 0 || end.is_none_or(|end| end > self.size)
        {
            return Err(self.not_tiled(Some(extent)));
        }
        if !self.is_aligned(extent) {
            return Err(Error::Unaligned {
                start: extent.start,
                length: extent.length,
                unit_bytes: self.unit,
            });
        }
        self.tiled = extent.end();
        self.in_use = is_in_use(extent.kind);
        match extent.kind {
            ExtentKind::Data => {
                self.used_bytes += extent.length;
                self.extent = extent.range();
            }
            ExtentKind::Zero => {
                self.used_bytes += extent.length;
                return Ok((self.zeros != Zeros::Unwanted).then_some(*extent));
            }
            ExtentKind::Unallocated | ExtentKind::Free => {}
            ExtentKind::Unreadable => {
                return Err(Error::Unreadable {
                    start: extent.start,
                    length: extent.length,
                });
            }
        }
        Ok(None)
    }

    /// Whether units tell `extent`, the next one, apart as far as they must.
    fn is_aligned(&self, extent: &Extent) -> bool {
        let is_whole = |end: u64| end.is_multiple_of(self.unit) || end == self.size;
        match self.zeros {
            Zeros::Unwanted => true,
            Zeros::OfUnits => is_whole(extent.start) && is_whole(extent.end()),
            Zeros::InUnits => is_in_use(extent.kind) == self.in_use || is_whole(extent.start),
        }
    }

    fn not_tiled(&self, extent: Option<&Extent>) -> Error {
        Error::NotTiled {
            expected: self.tiled,
            start: extent.map(|extent| extent.start),
            length: extent.map_or(0, |extent| extent.length),
            size: self.size,
        }
    }

    fn find_next(&mut self) -> Result<Option<Extent>, Error> {
        loop {
            if !self.extent.is_empty() {
                if let Some(part) = self.next_in_extent()? {
                    return Ok(Some(part));
                }
                self.extent = 0..0;
            }
            match self.extents.next() {
                Some(Ok(extent)) => {
                    if let Some(zeros) = self.enter(&extent)? {
                        return Ok(Some(zeros));
                    }
                }
                Some(Err(error)) => return Err(Error::Extents(error)),
                None if self.tiled == self.size => return Ok(None),
                None => return Err(self.not_tiled(None)),
            }
        }
    }
}

impl<S: ReadAt + ?Sized> Iterator for NeededExtents<'_, S> {
    type Item = Result<Extent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.find_next().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

#[cfg(test)]
mod tests;
