//! A source that is read whole, and must be the same all the while.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use blockio::{BoxError, Extent, ExtentKind, Extents, Handle, Holes, Merge, ReadAt, Tiling};
use hostdisk::{Stamp, in_use};

use super::{Ask, Opened, Opening};
use crate::args::{InputArgs, SourceFormatArg};
use crate::failure::Failure;

/// A source that nobody else writes to, to be read whole. As a tiling it says where it holds
/// data.
pub(crate) struct Steady {
    pub(crate) disk: Opening,
    name: PathBuf,
    stamps: Vec<Stamp>,
    /// It may change: that was asked for.
    may_change: bool,
}

/// How a source is opened.
pub(crate) struct SteadyOptions<'a> {
    pub(crate) ask: Ask<'a>,
    pub(crate) format: SourceFormatArg,
    pub(crate) input: &'a InputArgs,
    pub(crate) quiet: bool,
    pub(crate) allow_mounted: bool,
}

impl Steady {
    /// Opens the source at `path`; one that is in use is refused, unless that is allowed.
    pub(crate) fn open(path: &Path, options: &SteadyOptions<'_>) -> Result<Self, Failure> {
        let SteadyOptions {
            ask,
            format,
            input,
            quiet,
            allow_mounted,
        } = options;
        let Opened { disk, .. } = Opened::open(path, ask, *format, input, *quiet)?;
        // That an image is in use was found when it was opened.
        let user = disk.raw().map(in_use::source_in_use).transpose()?.flatten();
        if let Some(user) = &user
            && !allow_mounted
        {
            let message = format!("{user}; --allow-mounted reads it all the same");
            return Err(Failure::because(ask.name, message));
        }
        Ok(Self {
            stamps: disk.stamps()?,
            may_change: user.is_some(),
            name: ask.name.into(),
            disk,
        })
    }

    /// Fails if the source is no longer what it was, unless that is allowed. Returns whether
    /// it may have changed.
    pub(crate) fn check_unchanged(&self) -> Result<bool, Failure> {
        for (file, stamp) in self.disk.files().iter().zip(&self.stamps) {
            if !self.may_change && file.stamp()? != *stamp {
                let message = "it changed while it was read";
                return Err(Failure::because(&self.name, message));
            }
        }
        Ok(self.may_change)
    }
}

impl ReadAt for Steady {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(offset, buf)
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.disk.next_data(from)
    }

    fn handle(&self) -> Option<&Handle> {
        self.disk.handle()
    }
}

impl Tiling for Steady {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        let disk = match &self.disk {
            Opening::Image(chain) => return Tiling::extents(&chain.image, range),
            Opening::Raw(disk) => disk,
        };
        let Range { mut start, end } = range;
        let holes = Holes::new();
        let mut data: Option<Range<u64>> = None;
        let parts = std::iter::from_fn(move || {
            if start >= end {
                return None;
            }
            if data.as_ref().is_none_or(|data| data.end <= start) {
                match holes.next_data(disk, start) {
                    Ok(next) => data = Some(next.unwrap_or(end..u64::MAX)),
                    Err(error) => {
                        start = end;
                        return Some(Err(BoxError::from(error)));
                    }
                }
            }
            let Range {
                start: from,
                end: to,
            } = data.clone()?;
            let (kind, until) = match from <= start {
                true => (ExtentKind::Data, to.min(end)),
                false => (ExtentKind::Unallocated, from.min(end)),
            };
            let part = Extent::new(start..until, kind);
            start = until;
            Some(Ok(part))
        });
        Box::new(Merge::new(parts))
    }
}
