//! Where the bytes of a logical volume lie.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use blockio::{ReadAt, len_u64};

/// Where the bytes of a logical volume lie: runs of them, each on one stripe or in turn on
/// several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    bytes: u64,
    /// In order, without a gap.
    runs: Vec<Run>,
}

/// Bytes in a row of a logical volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// In bytes of the volume.
    pub(super) range: Range<u64>,
    /// Bytes that go to one stripe before the next one.
    pub(super) chunk: u64,
    /// Where each stripe begins; never empty.
    pub(super) stripes: Vec<Place>,
}

/// A byte of one of several disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which disk.
    pub disk: usize,
    /// The byte.
    pub at: u64,
}

impl Mapping {
    /// The volume of `runs`, which follow one another.
    pub(super) fn new(runs: Vec<Run>) -> Self {
        Self {
            bytes: runs.last().map_or(0, |run| run.range.end),
            runs,
        }
    }

    /// Length of the volume in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The same with each place moved to where `on` has it.
    pub(super) fn moved(mut self, on: impl Fn(Place) -> Option<Place>) -> Option<Self> {
        let places = self.runs.iter_mut().flat_map(|run| &mut run.stripes);
        for place in places {
            *place = on(*place)?;
        }
        Some(self)
    }

    pub(super) fn run(&self, index: usize) -> Option<&Run> {
        self.runs.get(index)
    }

    /// The first piece of `range` that lies in a row on one disk, and where; `None` if the
    /// range is empty or begins past the end.
    #[must_use]
    pub fn piece(&self, range: &Range<u64>) -> Option<(Range<u64>, Place)> {
        let index = self
            .runs
            .partition_point(|run| run.range.end <= range.start);
        let run = self.runs.get(index).filter(|_| !range.is_empty())?;
        let (place, left) = run.find(range.start.checked_sub(run.range.start)?)?;
        let end = range.start.saturating_add(left);
        Some((range.start..end.min(range.end), place))
    }

    /// The bytes of the disks that the volume lies on, by stripes.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (usize, Range<u64>)> {
        self.runs.iter().flat_map(|run| {
            let length = run.stripe_bytes();
            let places = run.stripes.iter();
            places.map(move |place| (place.disk, place.at..place.at.saturating_add(length)))
        })
    }
}

impl Run {
    fn bytes(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    fn stripe_bytes(&self) -> u64 {
        let count = len_u64(self.stripes.len());
        self.bytes().checked_div(count).unwrap_or(0)
    }

    /// Bytes of a row: one chunk of each stripe.
    fn row(&self) -> u64 {
        self.chunk.saturating_mul(len_u64(self.stripes.len()))
    }

    /// Where the byte `at` of the run lies, and how many follow it there in a row.
    fn find(&self, at: u64) -> Option<(Place, u64)> {
        let (row, inside) = (at.checked_div(self.row())?, at.checked_rem(self.row())?);
        let stripe = inside.checked_div(self.chunk)?;
        let inside = inside.checked_rem(self.chunk)?;
        let place = self.stripes.get(usize::try_from(stripe).ok()?)?;
        let before = row.checked_mul(self.chunk)?.checked_add(inside)?;
        let place = Place {
            disk: place.disk,
            at: place.at.checked_add(before)?,
        };
        Some((place, self.chunk.saturating_sub(inside)))
    }

    /// How many of the first `bytes` bytes of the run lie on stripe `stripe`. What lies
    /// between two bytes of the run lies there in a row.
    pub(super) fn on_stripe(&self, stripe: usize, bytes: u64) -> u64 {
        let rows = bytes.checked_div(self.row()).unwrap_or(0);
        let inside = bytes.checked_rem(self.row()).unwrap_or(0);
        let before = self.chunk.saturating_mul(len_u64(stripe));
        let more = inside.saturating_sub(before).min(self.chunk);
        rows.saturating_mul(self.chunk).saturating_add(more)
    }

    /// The bytes of the run, in whole rows, among which those in `range` of a stripe are.
    pub(super) fn rows(&self, range: &Range<u64>) -> Range<u64> {
        if self.stripes.len() == 1 {
            return range.clone();
        }
        let first = range.start.checked_div(self.chunk).unwrap_or(0);
        let end = range.end.div_ceil(self.chunk.max(1));
        let start = first.saturating_mul(self.row());
        start..end.saturating_mul(self.row()).min(self.bytes())
    }
}

/// A logical volume as a disk, over the disks that it lies on.
#[derive(Clone, Debug)]
pub struct VolumeDisk<R> {
    disks: Vec<R>,
    mapping: Arc<Mapping>,
}

impl<R: ReadAt> VolumeDisk<R> {
    /// Returns the volume that `mapping` finds on `disks`, or `None` if part of it passes
    /// their ends.
    #[must_use]
    pub fn new(disks: Vec<R>, mapping: Arc<Mapping>) -> Option<Self> {
        let is_there = |(disk, range): (usize, Range<u64>)| {
            let disk = disks.get(disk);
            disk.is_some_and(|disk| range.end <= disk.size())
        };
        let is_there = mapping.ranges().all(is_there);
        is_there.then_some(Self { disks, mapping })
    }
}

impl<R: ReadAt> ReadAt for VolumeDisk<R> {
    fn size(&self) -> u64 {
        self.mapping.bytes()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let missing = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let end = offset.checked_add(len_u64(buf.len()));
        let end = end.filter(|end| *end <= self.size()).ok_or_else(missing)?;
        let (mut rest, mut at) = (buf, offset);
        while at < end {
            let (range, place) = self.mapping.piece(&(at..end)).ok_or_else(missing)?;
            let length = usize::try_from(range.end.saturating_sub(at)).map_err(|_| missing())?;
            let (piece, after) = rest.split_at_mut_checked(length).ok_or_else(missing)?;
            let disk = self.disks.get(place.disk).ok_or_else(missing)?;
            disk.read_at(place.at, piece)?;
            (rest, at) = (after, range.end);
        }
        Ok(())
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        let mut from = from;
        while let Some((range, place)) = self.mapping.piece(&(from..self.size())) {
            let Some(disk) = self.disks.get(place.disk) else {
                return Ok(Some(range));
            };
            let length = range.end.saturating_sub(range.start);
            let end = place.at.saturating_add(length);
            if let Some(run) = disk.next_data(place.at)?
                && run.start < end
            {
                let in_volume = |at: u64| range.start.saturating_add(at.saturating_sub(place.at));
                return Ok(Some(in_volume(run.start)..in_volume(run.end.min(end))));
            }
            from = range.end;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two stripes of 2 x 3 bytes, and then 4 bytes in one.
    fn mapping() -> Mapping {
        let place = |disk, at| Place { disk, at };
        Mapping::new(vec![
            Run {
                range: 0..12,
                chunk: 3,
                stripes: vec![place(0, 1), place(1, 0)],
            },
            Run {
                range: 12..16,
                chunk: 4,
                stripes: vec![place(0, 8)],
            },
        ])
    }

    fn disks() -> Vec<Vec<u8>> {
        vec![b".abcghi.mnop".to_vec(), b"defjkl".to_vec()]
    }

    #[test]
    fn stripes_take_turns() {
        let disk = VolumeDisk::new(disks(), Arc::new(mapping())).unwrap();
        assert_eq!(disk.size(), 16);
        for start in 0..16 {
            for end in start..=16 {
                let mut found = vec![0; end - start];
                disk.read_at(len_u64(start), &mut found).unwrap();
                assert_eq!(found, b"abcdefghijklmnop"[start..end]);
            }
        }
        assert!(disk.read_at(16, &mut [0]).is_err());
        assert!(disk.read_at(u64::MAX, &mut [0]).is_err());
        assert_eq!(disk.next_data(4).unwrap(), Some(4..6));
        assert_eq!(disk.next_data(13).unwrap(), Some(13..16));
        assert_eq!(disk.next_data(16).unwrap(), None);
    }

    #[test]
    fn a_volume_that_passes_the_end_of_a_disk_is_none() {
        let mut short = disks();
        short[1].pop();
        assert!(VolumeDisk::new(short, Arc::new(mapping())).is_none());
        assert!(VolumeDisk::new(vec![vec![0; 20]], Arc::new(mapping())).is_none());
    }

    #[test]
    fn bytes_of_the_volume_lie_in_a_row_on_each_stripe() {
        let mapping = mapping();
        let run = mapping.run(0).unwrap();
        for stripe in 0..2 {
            // Each byte of the run that lies on the stripe is the next one there.
            let mut count = 0;
            for at in 0..12 {
                let (place, _) = run.find(at).unwrap();
                assert_eq!(run.on_stripe(stripe, at), count);
                if place.disk == stripe {
                    assert_eq!(place.at, run.stripes[stripe].at + count);
                    count += 1;
                }
            }
            assert_eq!(run.on_stripe(stripe, 12), 6);
        }
        assert_eq!(run.rows(&(1..2)), 0..6);
        assert_eq!(run.rows(&(2..4)), 0..12);
        assert_eq!(run.rows(&(3..4)), 6..12);
        assert_eq!(mapping.run(1).unwrap().rows(&(1..2)), 1..2);
        let ranges: Vec<_> = mapping.ranges().collect();
        assert_eq!(ranges, [(0, 1..7), (1, 0..6), (0, 8..12)]);
    }
}
