//! The bytes of a disk that must be read, from what is known of it.

use std::ops::Range;

use blockio::{Extent, ExtentKind, ReadAt};

use crate::error::Error;

/// The ranges of guest bytes that are in use and may hold anything but zeros,
/// ascending; checks on the way that the extents tile the disk. Ends after an
/// error.
#[derive(Debug)]
pub(crate) struct DataRanges<'s, S: ?Sized, I> {
    source: &'s S,
    extents: I,
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
    used_bytes: u64,
    done: bool,
}

impl<'s, S, I> DataRanges<'s, S, I>
where
    S: ReadAt + ?Sized,
{
    /// The ranges of `source`, a disk of `size` bytes, that `extents` describe.
    pub(crate) fn new(source: &'s S, extents: I, size: u64) -> Self {
        Self {
            source,
            extents,
            size,
            tiled: 0,
            extent: 0..0,
            run: 0..0,
            unit: 1,
            used_bytes: 0,
            done: false,
        }
    }

    /// Cuts the disk into units of `unit` bytes, and takes for data all of a unit
    /// that the source may hold data in.
    pub(crate) fn in_units_of(self, unit: u64) -> Self {
        Self { unit, ..self }
    }

    /// Bytes in use so far, zeros included.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    /// What the current extent and the source's run of data have in common, or
    /// `None` where the rest of the extent is zeros.
    fn next_in_extent(&mut self) -> Result<Option<Range<u64>>, Error> {
        let from = self.extent.start;
        if self.run.end <= from {
            let run = self
                .source
                .next_data(from)
                .map_err(|source| Error::ReadDisk {
                    offset: from,
                    length: self.size - from,
                    source,
                })?;
            self.run = match run {
                None => self.size..u64::MAX,
                Some(run) if run.end <= from => from..self.size,
                Some(run) => {
                    let end = run.end.checked_next_multiple_of(self.unit);
                    run.start - run.start % self.unit..end.unwrap_or(u64::MAX)
                }
            };
        }
        let part = from.max(self.run.start)..self.extent.end.min(self.run.end);
        if part.is_empty() {
            return Ok(None);
        }
        self.extent.start = part.end;
        Ok(Some(part))
    }

    /// Takes the next extent.
    fn enter(&mut self, extent: &Extent) -> Result<(), Error> {
        let end = extent.start.checked_add(extent.length);
        if extent.start != self.tiled || extent.length == 0 || end.is_none_or(|end| end > self.size)
        {
            return Err(self.not_tiled(Some(extent)));
        }
        self.tiled = extent.end();
        match extent.kind {
            ExtentKind::Data => {
                self.used_bytes += extent.length;
                self.extent = extent.range();
            }
            ExtentKind::Zero => self.used_bytes += extent.length,
            ExtentKind::Unused => {}
            ExtentKind::Unreadable => {
                return Err(Error::Unreadable {
                    start: extent.start,
                    length: extent.length,
                });
            }
        }
        Ok(())
    }

    fn not_tiled(&self, extent: Option<&Extent>) -> Error {
        Error::NotTiled {
            expected: self.tiled,
            start: extent.map(|extent| extent.start),
            length: extent.map_or(0, |extent| extent.length),
            size: self.size,
        }
    }
}

impl<S, I, X> DataRanges<'_, S, I>
where
    S: ReadAt + ?Sized,
    I: Iterator<Item = Result<Extent, X>>,
    X: std::error::Error + Send + Sync + 'static,
{
    fn find_next(&mut self) -> Result<Option<Range<u64>>, Error> {
        loop {
            if !self.extent.is_empty() {
                if let Some(range) = self.next_in_extent()? {
                    return Ok(Some(range));
                }
                self.extent = 0..0;
            }
            match self.extents.next() {
                Some(Ok(extent)) => self.enter(&extent)?,
                Some(Err(error)) => return Err(Error::Extents(Box::new(error))),
                None if self.tiled == self.size => return Ok(None),
                None => return Err(self.not_tiled(None)),
            }
        }
    }
}

impl<S, I, X> Iterator for DataRanges<'_, S, I>
where
    S: ReadAt + ?Sized,
    I: Iterator<Item = Result<Extent, X>>,
    X: std::error::Error + Send + Sync + 'static,
{
    type Item = Result<Range<u64>, Error>;

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
