//! What of a disk differs from an older one.

mod base;
mod batches;
mod ranges;
mod units;

use std::fmt;
use std::ops::Range;

use blockio::{Extent, ExtentKind, Extents, Merge, ReadAt, Tiling, is_zero};
use pipeline::{BufferPool, ordered_map};

use crate::error::Error;
use crate::index::IndexWriter;
use crate::index::layout::{Digest, digest_of};
use crate::options::Options;
use crate::units::{Units, usize_of};
pub use base::Base;
use batches::{Batch, Batches, Known};
use units::{Change, UnitMap};

/// How much of a disk changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangeReport {
    /// Bytes of the new disk in use, zeros included.
    pub used_bytes: u64,
    /// Bytes of the new disk in units that differ.
    pub changed_bytes: u64,
    /// Bytes of the new disk in units that are zeros, or free, and were not before.
    pub zeroed_bytes: u64,
    /// Bytes of the new disk in units that hold data, the same as before.
    pub unchanged_bytes: u64,
}

/// What of a disk differs from an older one, made by [`changes()`]: a [`Tiling`] of the new
/// disk, for an image that lies over the old one.
///
/// A unit is as a whole `Unallocated` if both disks hold the same there, or as a whole
/// `Zero` if the new one holds nothing but zeros and free bytes. Else it differs: what is
/// in use there is `Data`, and the rest `Zero`.
pub struct Changes<'t, G: ?Sized> {
    tiling: &'t G,
    map: UnitMap,
    units: Units,
    report: ChangeReport,
}

impl<G: ?Sized> Changes<'_, G> {
    /// How much that is.
    #[must_use]
    pub fn report(&self) -> ChangeReport {
        self.report
    }
}

impl<G: ?Sized> fmt::Debug for Changes<'_, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes")
            .field("units", &self.units)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

/// Compares `source`, of which `tiling` says what is in use, unit by unit with `base`:
/// what is not in use counts as zeros, and so does what lies past the end of either.
///
/// A unit has `unit_bytes` bytes, a power of two from 512 to 2 MiB, and begins at a
/// multiple of that. What both disks are known to hold nothing but zeros in is not read.
/// What is found out takes two bits a unit where that changes from unit to unit, and
/// next to nothing elsewhere.
///
/// Of what lies past the end of `source`, 511 bytes at most count: readers that count
/// in sectors see them, and must see zeros.
///
/// With `index` the digest of every unit of `source` goes there, to be compared with the
/// next time.
///
/// # Errors
///
/// [`Error::Unit`] for such a size, [`Error::Expected`] where `source` cannot be read, is
/// not tiled, or is known to be unreadable where it is in use; [`Error::Found`] if `base`
/// cannot be read; [`Error::Index`] where digests cannot be read or written;
/// [`Error::Stopped`] if the callback says so.
///
/// # Example
///
/// ```
/// use blockio::{AllData, Extent, ExtentKind, Tiling};
/// use disk_compare::{Base, Options, changes};
///
/// let old = vec![1; 4096];
/// let mut new = old.clone();
/// new[1000] = 2;
/// new[2048..4096].fill(0);
/// let base = Base::Disk { disk: &old, stored: &AllData };
/// let changes = changes(&new, &AllData, &base, 512, None, &Options::default())?;
/// let extents: Vec<Extent> = changes.extents(0..4096).map(Result::unwrap).collect();
/// assert_eq!(extents, [
///     Extent::new(0..512, ExtentKind::Unallocated),
///     Extent::new(512..1024, ExtentKind::Data),
///     Extent::new(1024..2048, ExtentKind::Unallocated),
///     Extent::new(2048..4096, ExtentKind::Zero),
/// ]);
/// # Ok::<(), disk_compare::Error>(())
/// ```
pub fn changes<'t, S, G>(
    source: &S,
    tiling: &'t G,
    base: &Base<'_>,
    unit_bytes: u64,
    mut index: Option<&mut IndexWriter<'_>>,
    options: &Options<'_>,
) -> Result<Changes<'t, G>, Error>
where
    S: ReadAt + ?Sized,
    G: Tiling + ?Sized,
{
    let units = Units::new(source.size(), unit_bytes)?;
    let mut batches = Batches::new(source, tiling, base, units)?;
    let mut map = UnitMap::default();
    let mut report = ChangeReport::default();
    let pool = BufferPool::new();
    let judge = Judge {
        source,
        base,
        units,
        pool: &pool,
        digests: index.is_some(),
    };
    ordered_map(
        options.threads(),
        &mut batches,
        |batch| judge.judge(&batch),
        |judged: Judged| {
            for (unit, verdict) in (judged.first_unit..).zip(&judged.verdicts) {
                map.push(unit, verdict.change);
                let bytes = units.bytes_of(unit);
                match verdict.change {
                    Change::Data => report.changed_bytes += bytes,
                    Change::Zero => report.zeroed_bytes += bytes,
                    Change::Same if verdict.is_data => report.unchanged_bytes += bytes,
                    Change::Same => {}
                }
                if let (Some(index), Some(digest)) = (index.as_mut(), &verdict.digest) {
                    index.push(unit, digest)?;
                }
            }
            options.report(judged.end.min(units.disk_bytes), units.disk_bytes)
        },
    )?;
    report.used_bytes = batches.used_bytes();
    map.finish();
    options.report(units.disk_bytes, units.disk_bytes)?;
    Ok(Changes {
        tiling,
        map,
        units,
        report,
    })
}

/// What holds units against the base.
struct Judge<'a, S: ?Sized> {
    source: &'a S,
    base: &'a Base<'a>,
    units: Units,
    pool: &'a BufferPool,
    /// Whether the digests of all units are wanted.
    digests: bool,
}

/// What is known of the units of a batch.
struct Judged {
    first_unit: u64,
    verdicts: Vec<Verdict>,
    /// Where they end on the disk.
    end: u64,
}

/// What is known of a unit.
struct Verdict {
    change: Change,
    /// Whether the new disk holds anything but zeros there.
    is_data: bool,
    /// The digest of that, if it is wanted.
    digest: Option<Digest>,
}

impl<S: ReadAt + ?Sized> Judge<'_, S> {
    /// Reads what must be read of `batch`.
    fn judge(&self, batch: &Batch) -> Result<Judged, Error> {
        let unit_bytes = usize_of(self.units.unit_bytes);
        let new = self
            .load(self.source, batch, &batch.needed)
            .map_err(|error| Error::Expected(error.into()))?;
        let first_unit = batch.range.start / self.units.unit_bytes;
        let new_units = new.chunks_exact(unit_bytes);
        let verdicts = match (&batch.known, self.base) {
            (Known::Bytes(stored), Base::Disk { disk, .. }) => {
                let old = self
                    .load(*disk, batch, stored)
                    .map_err(|error| Error::Found(error.into()))?;
                new_units
                    .zip(old.chunks_exact(unit_bytes))
                    .map(|(new, old)| self.against_bytes(new, new == old))
                    .collect()
            }
            (Known::Digests(known), _) => {
                let mut known = known.iter().peekable();
                (first_unit..)
                    .zip(new_units)
                    .map(|(unit, new)| {
                        let old = known.next_if(|(known, _)| *known == unit);
                        self.against_digest(new, old.map(|(_, digest)| digest))
                    })
                    .collect()
            }
            (Known::Bytes(_), _) => new_units
                .map(|new| self.against_bytes(new, is_zero(new)))
                .collect(),
        };
        Ok(Judged {
            first_unit,
            verdicts,
            end: batch.range.end,
        })
    }

    fn against_bytes(&self, new: &[u8], same: bool) -> Verdict {
        let is_data = !is_zero(new);
        Verdict {
            change: change(same, is_data),
            is_data,
            digest: (self.digests && is_data).then(|| digest_of(new)),
        }
    }

    /// A unit without a digest held zeros.
    fn against_digest(&self, new: &[u8], old: Option<&Digest>) -> Verdict {
        let is_data = !is_zero(new);
        let digest = (is_data && (self.digests || old.is_some())).then(|| digest_of(new));
        Verdict {
            change: change(digest.as_ref() == old && is_data == old.is_some(), is_data),
            is_data,
            digest: digest.filter(|_| self.digests),
        }
    }

    /// The bytes of the units of `batch`, of which `disk` holds `ranges`; zeros
    /// elsewhere.
    fn load<D: ReadAt + ?Sized>(
        &self,
        disk: &D,
        batch: &Batch,
        ranges: &[Range<u64>],
    ) -> std::io::Result<pipeline::PooledBuffer<'_>> {
        let at = |offset: u64| usize_of(offset.saturating_sub(batch.range.start));
        let mut buffer = self.pool.take(at(batch.range.end));
        let mut filled = 0;
        for range in ranges {
            let part = at(range.start)..at(range.end);
            buffer[filled..part.start].fill(0);
            filled = part.end;
            disk.read_at(range.start, &mut buffer[part])?;
        }
        buffer[filled..].fill(0);
        Ok(buffer)
    }
}

fn change(same: bool, is_data: bool) -> Change {
    match (same, is_data) {
        (true, _) => Change::Same,
        (false, true) => Change::Data,
        (false, false) => Change::Zero,
    }
}

impl<G: Tiling + ?Sized> Tiling for Changes<'_, G> {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        let end = range.end;
        let mut in_use = self.tiling.extents(range.clone());
        let mut held: Option<Extent> = None;
        let mut runs = self.map.runs(range, self.units.unit_bytes);
        let mut run = runs.next();
        let parts = std::iter::from_fn(move || {
            let (start, kind) = match &run {
                Some((bytes, kind)) => (bytes.start, *kind),
                None => return None,
            };
            let run_end = run.as_ref().map_or(start, |(bytes, _)| bytes.end).min(end);
            let (part_end, kind) = match kind {
                Change::Same => (run_end, ExtentKind::Unallocated),
                Change::Zero => (run_end, ExtentKind::Zero),
                Change::Data => {
                    while held.is_none_or(|extent| extent.end() <= start) {
                        match in_use.next()? {
                            Ok(extent) => held = Some(extent),
                            Err(error) => {
                                run = None;
                                return Some(Err(error));
                            }
                        }
                    }
                    let extent = held?;
                    let kind = match extent.kind {
                        kind @ (ExtentKind::Data | ExtentKind::Unreadable) => kind,
                        _ => ExtentKind::Zero,
                    };
                    (extent.end().min(run_end), kind)
                }
            };
            if part_end >= run_end {
                run = runs.next();
            } else if let Some((bytes, _)) = &mut run {
                bytes.start = part_end;
            }
            Some(Ok(Extent::new(start..part_end, kind)))
        });
        Box::new(Merge::new(parts))
    }
}

#[cfg(test)]
mod tests;
