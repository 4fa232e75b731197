//! File allocation tables: what follows each cluster.

use blockio::{ReadAt, len_u64};

use crate::bytes::{array, usize_of};
use crate::claims::{Claims, fault_of};
use crate::error::{Structure, fill};
use crate::finding::{ClusterFault, Distrust, Step};

/// Bytes of a FAT that are read at once: whole entries of 12, 16 and 32 bits.
pub(crate) const PAGE_BYTES: u64 = 24 << 10;
/// Pages that are kept: 16 MiB.
const PAGES_KEPT: u64 = 683;

/// How a FAT stores entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    Fat12,
    Fat16,
    Fat32,
    ExFat,
}

/// What an entry of a FAT says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Free,
    Next(u32),
    End,
    Bad,
    Reserved,
}

impl Width {
    /// How many whole entries `bytes` bytes have.
    pub(crate) const fn entries(self, bytes: u64) -> u64 {
        match self {
            Self::Fat12 => bytes.saturating_mul(2) / 3,
            Self::Fat16 => bytes / 2,
            Self::Fat32 | Self::ExFat => bytes / 4,
        }
    }

    /// What the entry `raw` says. The upper four bits of a FAT32 entry are reserved: an
    /// entry with one of them is not free, whatever the others are.
    pub(crate) const fn link(self, raw: u32) -> Link {
        let (value, bad) = match self {
            Self::Fat12 => (raw, 0xff7),
            Self::Fat16 => (raw, 0xfff7),
            Self::Fat32 => (raw & 0x0fff_ffff, 0x0fff_fff7),
            Self::ExFat => (raw, 0xffff_fff7),
        };
        match value {
            0 if raw == 0 => Link::Free,
            0 | 1 => Link::Reserved,
            _ if value == bad => Link::Bad,
            _ if value > bad => Link::End,
            // Others up to here do not exist, or are numbers of clusters.
            _ => Link::Next(value),
        }
    }
}

/// Where the copies of a FAT are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) start: u64,
    /// Bytes of one copy; the next begins there.
    pub(crate) bytes: u64,
    pub(crate) copies: u32,
    pub(crate) width: Width,
}

/// A FAT, of which some pages are in memory.
pub(crate) struct Table<'d, R: ?Sized> {
    disk: &'d R,
    place: Place,
    pages: Vec<Option<(u64, Vec<u8>)>>,
}

impl<'d, R: ReadAt + ?Sized> Table<'d, R> {
    pub(crate) fn new(disk: &'d R, place: Place) -> Self {
        let kept = place.bytes.div_ceil(PAGE_BYTES).min(PAGES_KEPT);
        let pages = vec![None; usize_of(kept.max(1))];
        Self { disk, place, pages }
    }

    pub(crate) const fn width(&self) -> Width {
        self.place.width
    }

    /// The entries of one page.
    pub(crate) const fn page_entries(&self) -> u64 {
        self.place.width.entries(PAGE_BYTES)
    }

    /// Page `number`, in which all copies must agree.
    pub(crate) fn page(&mut self, number: u64) -> Step<&[u8]> {
        let (disk, place) = (self.disk, self.place);
        let kept = len_u64(self.pages.len());
        let slot = usize_of(number.checked_rem(kept).unwrap_or(0));
        let Some(slot) = self.pages.get_mut(slot) else {
            return Ok(&[]);
        };
        if slot.as_ref().is_none_or(|(held, _)| *held != number) {
            *slot = Some((number, load(disk, place, number)?));
        }
        Ok(slot.as_ref().map_or(&[], |(_, page)| page))
    }

    /// The entry of `cluster`, as it is stored.
    pub(crate) fn raw(&mut self, cluster: u32) -> Step<u32> {
        let width = self.place.width;
        let entries = self.page_entries();
        let cluster = u64::from(cluster);
        let page = self.page(cluster.checked_div(entries).unwrap_or(0))?;
        let index = cluster.checked_rem(entries).unwrap_or(0);
        Ok(decode(width, page, index))
    }

    /// Claims the chain from `first`, which must have at least `needed` clusters, and calls
    /// `each` with the byte of each cluster.
    pub(crate) fn claim(
        &mut self,
        claims: &mut Claims,
        first: u32,
        needed: u64,
        mut each: impl FnMut(u64) -> Step<()>,
    ) -> Step<()> {
        let mut found = 0u64;
        let mut cluster = first;
        loop {
            each(claims.claim(first, cluster)?)?;
            found = found.saturating_add(1);
            let raw = self.raw(cluster)?;
            let fault = match self.place.width.link(raw) {
                Link::Next(next) => {
                    cluster = next;
                    continue;
                }
                Link::End => break,
                Link::Free => ClusterFault::Free,
                Link::Bad => ClusterFault::Bad,
                Link::Reserved => ClusterFault::Reserved,
            };
            return Err(fault_of(first, cluster, fault).into());
        }
        if found < needed {
            return Err(Distrust::Short {
                first,
                found,
                needed,
            }
            .into());
        }
        Ok(())
    }
}

/// Entry `index` of `page`.
pub(crate) fn decode(width: Width, page: &[u8], index: u64) -> u32 {
    let index = usize_of(index);
    match width {
        Width::Fat12 => {
            let at = index.saturating_add(index / 2);
            let pair = u32::from(u16::from_le_bytes(array(page, at)));
            if index.is_multiple_of(2) {
                pair & 0xfff
            } else {
                pair >> 4
            }
        }
        Width::Fat16 => u32::from(u16::from_le_bytes(array(page, index.saturating_mul(2)))),
        Width::Fat32 | Width::ExFat => u32::from_le_bytes(array(page, index.saturating_mul(4))),
    }
}

/// Reads page `number` of all copies.
fn load<R: ReadAt + ?Sized>(disk: &R, place: Place, number: u64) -> Step<Vec<u8>> {
    let at = number.saturating_mul(PAGE_BYTES).min(place.bytes);
    let length = usize_of(place.bytes.saturating_sub(at).min(PAGE_BYTES));
    let mut page = vec![0; length];
    let mut other = Vec::new();
    for copy in 0..u64::from(place.copies) {
        let start = copy.saturating_mul(place.bytes).saturating_add(at);
        let offset = place.start.saturating_add(start);
        if copy == 0 {
            fill(disk, Structure::Fat, offset, &mut page)?;
            continue;
        }
        other.resize(length, 0);
        fill(disk, Structure::Fat, offset, &mut other)?;
        if other != page {
            return Err(Distrust::CopiesDiffer { at }.into());
        }
    }
    Ok(page)
}
