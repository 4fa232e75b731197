//! Where disks may hold something other than zeros.

use std::ops::Range;

use blockio::{BoxError, Extent, ExtentKind, Extents, Holes, ReadAt};

use crate::error::Error;

/// Ranges that ascend, taken up to a place at a time.
pub(crate) struct Ranges<I> {
    inner: I,
    held: Option<Range<u64>>,
}

impl<I: Iterator<Item = Result<Range<u64>, Error>>> Ranges<I> {
    pub(crate) fn new(inner: I) -> Self {
        Self { inner, held: None }
    }

    pub(crate) fn inner(&self) -> &I {
        &self.inner
    }

    /// Where the next one starts.
    pub(crate) fn next_start(&mut self) -> Result<Option<u64>, Error> {
        while self.held.as_ref().is_none_or(Range::is_empty) {
            match self.inner.next() {
                Some(range) => self.held = Some(range?),
                None => return Ok(None),
            }
        }
        Ok(self.held.as_ref().map(|range| range.start))
    }

    /// Takes what lies before `end`.
    pub(crate) fn take_until(&mut self, end: u64) -> Result<Vec<Range<u64>>, Error> {
        let mut taken = Vec::new();
        while self.next_start()?.is_some_and(|start| start < end) {
            if let Some(range) = &mut self.held {
                taken.push(range.start..range.end.min(end));
                range.start = range.end.min(end);
            }
        }
        Ok(taken)
    }
}

/// Where a disk is in use and may hold something other than zeros. The extents must tile
/// it.
pub(crate) struct Needed<'s, S: ?Sized> {
    disk: &'s S,
    holes: Holes,
    extents: Extents<'s>,
    /// Length of the disk in bytes.
    size: u64,
    /// Guest bytes before this offset are covered by the extents so far.
    tiled: u64,
    /// What is left of the current extent of data.
    extent: Range<u64>,
    used_bytes: u64,
}

impl<'s, S: ReadAt + ?Sized> Needed<'s, S> {
    pub(crate) fn new(disk: &'s S, extents: Extents<'s>) -> Self {
        Self {
            disk,
            holes: Holes::new(),
            extents,
            size: disk.size(),
            tiled: 0,
            extent: 0..0,
            used_bytes: 0,
        }
    }

    /// Bytes in use so far, zeros included.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    fn enter(&mut self, extent: &Extent) -> Result<(), Error> {
        let end = extent.start.checked_add(extent.length);
        let is_next = extent.start == self.tiled && extent.length > 0;
        let Some(end) = end.filter(|end| is_next && *end <= self.size) else {
            return Err(self.not_tiled());
        };
        self.tiled = end;
        match extent.kind {
            ExtentKind::Data => {
                self.used_bytes = self.used_bytes.saturating_add(extent.length);
                self.extent = extent.range();
            }
            ExtentKind::Zero => self.used_bytes = self.used_bytes.saturating_add(extent.length),
            ExtentKind::Unallocated | ExtentKind::Free => {}
            ExtentKind::Unreadable => {
                let message = format!(
                    "{} bytes at {:#x} are in use and cannot be read",
                    extent.length, extent.start
                );
                return Err(Error::Expected(message.into()));
            }
        }
        Ok(())
    }

    fn not_tiled(&self) -> Error {
        let message = format!(
            "its extents do not tile its {} bytes: they go wrong at {:#x}",
            self.size, self.tiled
        );
        Error::Expected(message.into())
    }

    fn find_next(&mut self) -> Result<Option<Range<u64>>, Error> {
        loop {
            if !self.extent.is_empty() {
                let failed = |error: std::io::Error| Error::Expected(error.into());
                let from = self.extent.start;
                let data = self.holes.next_data(self.disk, from).map_err(failed)?;
                let data = data.map_or(self.extent.end..self.extent.end, |data| {
                    data.start.clamp(from, self.extent.end)..data.end.clamp(from, self.extent.end)
                });
                if data.is_empty() {
                    self.extent = 0..0;
                    continue;
                }
                self.extent.start = data.end;
                return Ok(Some(data));
            }
            match self.extents.next() {
                Some(Ok(extent)) => self.enter(&extent)?,
                Some(Err(error)) => return Err(Error::Expected(error)),
                None if self.tiled == self.size => return Ok(None),
                None => return Err(self.not_tiled()),
            }
        }
    }
}

impl<S: ReadAt + ?Sized> Iterator for Needed<'_, S> {
    type Item = Result<Range<u64>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.find_next().transpose()
    }
}

/// Where a base holds data, of its `extents`.
pub(crate) fn stored<'b>(
    extents: Extents<'b>,
) -> impl Iterator<Item = Result<Range<u64>, Error>> + Send + 'b {
    let mut end = 0;
    extents.filter_map(move |extent| match extent {
        Ok(extent) if extent.start < end => {
            let message: BoxError = "its extents do not ascend".into();
            Some(Err(Error::Found(message)))
        }
        Ok(extent) => {
            end = extent.end();
            let is_zeros = matches!(extent.kind, ExtentKind::Zero | ExtentKind::Unallocated);
            (!is_zeros).then(|| Ok(extent.range()))
        }
        Err(error) => Some(Err(Error::Found(error))),
    })
}
