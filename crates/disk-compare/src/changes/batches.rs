//! What is read at once: a few whole units.

use std::ops::Range;

use blockio::{ReadAt, Tiling};

use crate::error::Error;
use crate::index::Records;
use crate::index::layout::Digest;
use crate::units::Units;

use super::base::Base;
use super::ranges::{Needed, Ranges, stored};

/// Bytes of units that are read at once, unless a unit is larger: with both disks, no
/// more than 2 MiB are in memory for each thread.
const BATCH_BYTES: u64 = 256 << 10;

/// Whole units, and what of them is read.
pub(crate) struct Batch {
    /// From the start of the first to the end of the last, which may be past the end of
    /// the disk.
    pub(crate) range: Range<u64>,
    /// Where the new disk may hold something other than zeros.
    pub(crate) needed: Vec<Range<u64>>,
    pub(crate) known: Known,
}

/// What is known of the old disk.
pub(crate) enum Known {
    /// It may hold something other than zeros there.
    Bytes(Vec<Range<u64>>),
    /// The digests of the units that do.
    Digests(Vec<(u64, Digest)>),
}

/// Where the old disk may hold something other than zeros.
enum Old<'a> {
    Bytes(Ranges<Box<dyn Iterator<Item = Result<Range<u64>, Error>> + Send + 'a>>),
    Digests(Records<'a>),
}

/// The units that either disk may hold something other than zeros in, which ascend.
pub(crate) struct Batches<'a, S: ?Sized> {
    needed: Ranges<Needed<'a, S>>,
    old: Old<'a>,
    units: Units,
    /// Units before this one are done.
    next_unit: u64,
}

impl<'a, S: ReadAt + ?Sized> Batches<'a, S> {
    pub(crate) fn new<G: Tiling + ?Sized>(
        source: &'a S,
        tiling: &'a G,
        base: &'a Base<'_>,
        units: Units,
    ) -> Result<Self, Error> {
        let old = match base {
            Base::Disk {
                disk,
                stored: tiling,
            } => {
                // What nobody can see of it makes no difference.
                let end = disk.size().min(units.seen_bytes);
                Old::Bytes(Ranges::new(Box::new(stored(tiling.extents(0..end)))))
            }
            Base::Nothing => Old::Bytes(Ranges::new(Box::new(std::iter::empty()))),
            Base::Index(index) => Old::Digests(index.records(units.unit_bytes)?),
        };
        Ok(Self {
            needed: Ranges::new(Needed::new(source, tiling.extents(0..units.disk_bytes))),
            old,
            units,
            next_unit: 0,
        })
    }

    /// Bytes of the new disk in use, as far as it was gone through.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.needed.inner().used_bytes()
    }

    fn find_next(&mut self) -> Result<Option<Batch>, Error> {
        let unit_bytes = self.units.unit_bytes;
        let needed = self.needed.next_start()?.map(|start| start / unit_bytes);
        let old = match &mut self.old {
            Old::Bytes(ranges) => ranges.next_start()?.map(|start| start / unit_bytes),
            Old::Digests(records) => records.next_unit()?,
        };
        let first = needed.into_iter().chain(old).min();
        let Some(first) = first.filter(|first| *first < self.units.count) else {
            return Ok(None);
        };
        let first = first.max(self.next_unit);
        let count = (BATCH_BYTES / unit_bytes).max(1);
        let end = first.saturating_add(count).min(self.units.count);
        self.next_unit = end;
        let range = first.saturating_mul(unit_bytes)..end.saturating_mul(unit_bytes);
        Ok(Some(Batch {
            needed: self.needed.take_until(range.end)?,
            known: match &mut self.old {
                Old::Bytes(ranges) => Known::Bytes(ranges.take_until(range.end)?),
                Old::Digests(records) => Known::Digests(records.take_until(end)?),
            },
            range,
        }))
    }
}

impl<S: ReadAt + ?Sized> Iterator for Batches<'_, S> {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.find_next().transpose()
    }
}
