//! A disk as it would be after its log was replayed. The disk itself is never written.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use blockio::{Holes, ReadAt, len_u64};

use crate::bytes::usize_of;
use crate::error::{Error, Structure, fill};

/// Bytes of a sector: the unit in which changes are kept.
const SECTOR: u64 = 512;
const SECTOR_BYTES: usize = 512;

/// Most bytes of memory that sectors have, and what each of them has beyond its own.
const MEMORY_BYTES: usize = 80 << 20;
const OVERHEAD: usize = 56;

/// Sectors in place of those of a disk. Each is kept without the zeros at its end, which
/// are more than half of a new inode.
#[derive(Debug, Default)]
pub(crate) struct Sectors {
    by_number: BTreeMap<u64, Box<[u8]>>,
    bytes: usize,
}

impl Sectors {
    /// Whether they have more memory than they may.
    pub(crate) const fn are_too_many(&self) -> Option<usize> {
        if self.bytes > MEMORY_BYTES {
            return Some(MEMORY_BYTES);
        }
        None
    }

    /// Each with its byte on the disk, ascending, without the zeros at its end.
    #[cfg(test)]
    pub(crate) fn all(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let all = self.by_number.iter();
        all.map(|(sector, bytes)| (sector.saturating_mul(SECTOR), &**bytes))
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
        let wanted = sectors.end.saturating_sub(sectors.start);
        let here = self.by_number.range(sectors);
        if len_u64(here.clone().count()) < wanted {
            disk.read_at(offset, buf)?;
        }
        for (sector, bytes) in here {
            copy(offset, buf, sector.saturating_mul(SECTOR), &whole(bytes));
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
            let mut new = [0; SECTOR_BYTES];
            match self.by_number.get(&sector) {
                Some(stored) => new = whole(stored),
                None if is_whole => {}
                None => fill(disk, Structure::LoggedMetadata, start, &mut new)?,
            }
            copy(start, &mut new, offset, bytes);
            let kept = trimmed(&new);
            self.bytes = self.bytes.saturating_add(kept.len());
            match self.by_number.insert(sector, kept.into()) {
                Some(old) => self.bytes = self.bytes.saturating_sub(old.len()),
                None => self.bytes = self.bytes.saturating_add(OVERHEAD),
            }
        }
        Ok(())
    }
}

/// `bytes` without the zeros at their end.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let last = bytes.iter().rposition(|byte| *byte != 0);
    let length = last.map_or(0, |last| last.saturating_add(1));
    bytes.get(..length).unwrap_or(bytes)
}

/// The sector of which `bytes` are kept.
fn whole(bytes: &[u8]) -> [u8; SECTOR_BYTES] {
    let mut sector = [0; SECTOR_BYTES];
    for (into, from) in sector.iter_mut().zip(bytes) {
        *into = *from;
    }
    sector
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
        let Some((first, _)) = self.sectors.by_number.range(from / SECTOR..).next() else {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_has_the_disk_where_nothing_changed() {
        let disk = vec![7; 4096];
        let mut sectors = Sectors::default();
        sectors.write(&disk, 1000, &[1; 100]).unwrap();
        sectors.write(&disk, 1010, &[0; 14]).unwrap();
        sectors.write(&disk, 2048, &[0; 512]).unwrap();
        let mut wanted = disk.clone();
        wanted[1000..1100].fill(1);
        wanted[1010..1024].fill(0);
        wanted[2048..2560].fill(0);
        let kept: Vec<_> = sectors.all().map(|(at, bytes)| (at, bytes.len())).collect();
        assert_eq!(kept, [(512, 498), (1024, 512), (2048, 0)]);
        assert_eq!(sectors.bytes, 498 + 512 + 3 * OVERHEAD);
        let view = View::new(disk, Arc::new(sectors));
        for from in 0..4096 {
            for length in [1, 24, 600]
                .into_iter()
                .filter(|length| from + length <= 4096)
            {
                let mut bytes = vec![9; length];
                view.read_at(len_u64(from), &mut bytes).unwrap();
                assert_eq!(bytes, wanted[from..from + length]);
            }
        }
    }

    /// Zeros, of which nothing is data.
    struct Hole;

    impl ReadAt for Hole {
        fn size(&self) -> u64 {
            4096
        }

        fn read_at(&self, _: u64, buf: &mut [u8]) -> io::Result<()> {
            buf.fill(0);
            Ok(())
        }

        fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
            // But for its end.
            Ok((from < 4096).then(|| from.max(4000)..4096))
        }
    }

    #[test]
    fn changes_are_data_in_a_hole() {
        let mut sectors = Sectors::default();
        sectors.write(&Hole, 1000, &[1; 30]).unwrap();
        let view = View::new(Hole, Arc::new(sectors));
        assert_eq!(view.next_data(0).unwrap(), Some(512..1024));
        assert_eq!(view.next_data(600).unwrap(), Some(600..1024));
        assert_eq!(view.next_data(1024).unwrap(), Some(1024..1536));
        assert_eq!(view.next_data(1536).unwrap(), Some(4000..4096));
        assert_eq!(view.next_data(4096).unwrap(), None);
    }
}
