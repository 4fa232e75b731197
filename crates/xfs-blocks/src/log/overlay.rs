//! A disk as it would be after its log was replayed. The disk itself is never written.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use blockio::{Holes, ReadAt, len_u64};

use crate::bytes::usize_of;
use crate::error::{Error, Structure};

/// Bytes of a sector of the overlay: the unit in which XFS logs nothing smaller is a
/// quarter of it.
const SECTOR: u64 = 512;
const SECTOR_BYTES: usize = 512;

/// Most sectors that are kept: 80 MiB.
pub(crate) const SECTORS_MAX: usize = 160 << 10;

/// Sectors in place of those of a disk.
#[derive(Debug, Default)]
pub(crate) struct Sectors(BTreeMap<u64, Box<[u8; SECTOR_BYTES]>>);

impl Sectors {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Each with its byte on the disk, ascending.
    #[cfg(test)]
    pub(crate) fn all(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let all = self.0.iter();
        all.map(|(sector, bytes)| (sector.saturating_mul(SECTOR), bytes.as_slice()))
    }

    /// Reads through to `disk` what is not here.
    pub(crate) fn read<R: ReadAt + ?Sized>(
        &self,
        disk: &R,
        offset: u64,
        buf: &mut [u8],
    ) -> io::Result<()> {
        let end = offset.saturating_add(len_u64(buf.len()));
        let sectors = offset / SECTOR..end.div_ceil(SECTOR);
        let here = self.0.range(sectors.clone());
        let wanted = sectors.end.saturating_sub(sectors.start);
        let count = here.clone().count();
        if len_u64(count) < wanted {
            disk.read_at(offset, buf)?;
        }
        for (sector, bytes) in here {
            copy(offset, buf, sector.saturating_mul(SECTOR), bytes.as_slice());
        }
        Ok(())
    }

    /// Puts `bytes` in place of those at `offset`. The rest of a sector is that of `disk`.
    pub(crate) fn write<R: ReadAt + ?Sized>(
        &mut self,
        disk: &R,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let end = offset.saturating_add(len_u64(bytes.len()));
        for sector in offset / SECTOR..end.div_ceil(SECTOR) {
            let start = sector.saturating_mul(SECTOR);
            let is_whole = start >= offset && start.saturating_add(SECTOR) <= end;
            let stored = match self.0.entry(sector) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    let mut stored = Box::new([0; SECTOR_BYTES]);
                    if !is_whole {
                        read(disk, start, stored.as_mut_slice())?;
                    }
                    entry.insert(stored)
                }
            };
            copy(start, stored.as_mut_slice(), offset, bytes);
        }
        Ok(())
    }
}

fn read<R: ReadAt + ?Sized>(disk: &R, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
    crate::error::fill(disk, Structure::LoggedMetadata, offset, buf)
}

/// Copies the part of `bytes`, which lie at `at`, that is within `buf`, which lies at
/// `offset`.
fn copy(offset: u64, buf: &mut [u8], at: u64, bytes: &[u8]) {
    let start = at.max(offset);
    let end = at
        .saturating_add(len_u64(bytes.len()))
        .min(offset.saturating_add(len_u64(buf.len())));
    if start >= end {
        return;
    }
    let within =
        |base: u64| usize_of(start.saturating_sub(base))..usize_of(end.saturating_sub(base));
    if let (Some(into), Some(from)) = (buf.get_mut(within(offset)), bytes.get(within(at))) {
        into.copy_from_slice(from);
    }
}

/// A disk with the sectors that replaying its log gives in place of its own.
#[derive(Debug)]
pub(crate) struct View<R: ?Sized> {
    /// The disk's own: there may be many sectors before its next data.
    holes: Holes,
    sectors: Arc<Sectors>,
    disk: R,
}

impl<R: ReadAt> View<R> {
    /// `disk`, with `sectors`; none for a disk whose log is clean.
    pub(crate) const fn new(disk: R, sectors: Arc<Sectors>) -> Self {
        Self {
            holes: Holes::new(),
            sectors,
            disk,
        }
    }
}

impl<R: ReadAt + ?Sized> ReadAt for View<R> {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.sectors.read(&self.disk, offset, buf)
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        let below = self.holes.next_data(&self.disk, from)?;
        let Some((first, _)) = self.sectors.0.range(from / SECTOR..).next() else {
            return Ok(below);
        };
        let start = first.saturating_mul(SECTOR);
        let own = start.max(from)..start.saturating_add(SECTOR).min(self.size());
        Ok(match below {
            // The disk's own data comes first, and may go on after the sector.
            Some(below) if below.start <= own.start => Some(below),
            _ => Some(own),
        })
    }
}
