//! A disk that says what of it must be kept.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use blockio::{BoxError, ExtentKind, Extents, Handle, Merge, ReadAt, Tiling};

use crate::error::Error;
use crate::options::Options;
use crate::parts::{self, Owned};
use crate::provider::{ExtFilesystem, Provider, Source};
use crate::report::Report;

/// A disk that was looked at. Its bytes are those of its source; its extents say what
/// each of them is.
pub struct Disk<'d> {
    source: Source<'d>,
    /// What tiles the disk, in order.
    parts: Vec<Owned<'d>>,
    report: Report,
}

/// How many bytes are in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Bytes in use, those that read as zeros among them.
    pub used_bytes: u64,
    /// Bytes that are proven free.
    pub free_bytes: u64,
}

impl<'d> Disk<'d> {
    /// Looks at `source`. It is read again for each walk over the extents.
    ///
    /// # Errors
    ///
    /// [`Error`] if it cannot be read where it matters, or does not hold what was asked
    /// for.
    pub fn open(source: impl ReadAt + 'd, options: &Options<'_>) -> Result<Self, Error> {
        Self::open_with(source, options, &[])
    }

    /// As [`open`](Self::open), and asks `others` for the content, too, besides the
    /// providers of this crate.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with(
        source: impl ReadAt + 'd,
        options: &Options<'_>,
        others: &[&dyn Provider],
    ) -> Result<Self, Error> {
        let source: Source<'d> = Arc::new(source);
        let (parts, report) = parts::split(&source, options, others)?;
        Ok(Self {
            source,
            parts,
            report,
        })
    }

    /// What was found, and why it is kept.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// Counts the bytes in use in `range`, which lies on the disk.
    ///
    /// # Errors
    ///
    /// As the extents have it.
    pub fn usage(&self, range: Range<u64>) -> Result<Usage, BoxError> {
        let mut usage = Usage::default();
        for extent in self.extents(range) {
            let extent = extent?;
            let count = match extent.kind {
                ExtentKind::Free | ExtentKind::Unallocated => &mut usage.free_bytes,
                _ => &mut usage.used_bytes,
            };
            *count = count.saturating_add(extent.length);
        }
        Ok(usage)
    }

    /// The filesystem, if the disk is one of the ext family: for views that only it has,
    /// such as the disk after recovery.
    #[must_use]
    pub fn as_ext(&self) -> Option<&ExtFilesystem<'_>> {
        match self.parts.as_slice() {
            [only] => only.owner.as_ext(),
            _ => None,
        }
    }
}

impl ReadAt for Disk<'_> {
    fn size(&self) -> u64 {
        self.source.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.source.read_at(offset, buf)
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.source.next_data(from)
    }

    fn handle(&self) -> Option<&Handle> {
        self.source.handle()
    }
}

impl Tiling for Disk<'_> {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        let inside = self.parts.iter().flat_map(move |part| {
            let within = range.start.max(part.range.start)..range.end.min(part.range.end);
            let is_inside = !within.is_empty();
            is_inside
                .then(|| part.extents(within))
                .into_iter()
                .flatten()
        });
        Box::new(Merge::new(inside))
    }
}

impl fmt::Debug for Disk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk")
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}
