//! How often each host cluster is used and for what, in pages that exist only if
//! something in them is used.
//!
//! A cluster takes one byte, in pages with a cluster that is used more than six times
//! four. Beside its count, a cluster remembers whether its stored refcount is 0, 1, 2 or
//! more: most of them need not be looked up again.

use std::io;
use std::ops::Range;

use crate::finding::Use;

/// Log2 of the clusters of a page.
pub(crate) const PAGE_BITS: u32 = 12;
pub(crate) const PAGE_CLUSTERS: u64 = 1 << PAGE_BITS;

/// Most pages that are made for one image: two billion clusters that lie side by side,
/// and much less of what is scattered.
pub(crate) const PAGES_MAX: u64 = 1 << 19;

/// Most pages that the directory names: it has 4 MiB then.
const DIRECTORY_MAX: u64 = 1 << 20;

/// What a cluster has been used for: nothing, one thing, or things that exclude each
/// other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Used {
    Nothing,
    For(Use),
    Conflict,
}

/// What is known of a cluster: bits 0 and 1 are its stored refcount, 3 meaning more
/// than two, bits 2 to 4 its use, and the others its references.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell(u32);

impl Cell {
    const STORED: u32 = 3;
    const USE_SHIFT: u32 = 2;
    const COUNT_SHIFT: u32 = 5;
    const COUNT_MAX: u32 = u32::MAX >> Self::COUNT_SHIFT;
    const CONFLICT: u32 = 5;

    fn with_stored(refcount: u64) -> Self {
        Self(u32::try_from(refcount.min(3)).unwrap_or(3))
    }

    fn use_bits(self) -> u32 {
        self.0 >> Self::USE_SHIFT & 7
    }

    /// How often it is used; at least so often if this is the most that is counted.
    pub(crate) fn references(self) -> u64 {
        (self.0 >> Self::COUNT_SHIFT).into()
    }

    pub(crate) fn used(self) -> Used {
        match self.use_bits() {
            0 => Used::Nothing,
            1 => Used::For(Use::Data),
            2 => Used::For(Use::Stream),
            3 => Used::For(Use::L2Table),
            4 => Used::For(Use::Metadata),
            _ => Used::Conflict,
        }
    }

    /// The stored refcount, if it is less than three.
    pub(crate) fn stored(self) -> Option<u64> {
        let stored = self.0 & Self::STORED;
        (stored < 3).then_some(stored.into())
    }

    /// Whether all is right with it, without a look at the refcount.
    pub(crate) fn is_right(self) -> bool {
        self.use_bits() != Self::CONFLICT && self.stored() == Some(self.references())
    }

    fn add(self, used_as: Use, times: u32) -> Self {
        let new = match used_as {
            Use::Data => 1,
            Use::Stream => 2,
            Use::L2Table => 3,
            Use::Metadata => 4,
        };
        // Metadata other than L2 tables is never shared.
        let used = match self.use_bits() {
            0 if times > 1 && used_as == Use::Metadata => Self::CONFLICT,
            0 => new,
            old if old == new && used_as != Use::Metadata => new,
            _ => Self::CONFLICT,
        };
        let count = (self.0 >> Self::COUNT_SHIFT).saturating_add(times);
        let count = count.min(Self::COUNT_MAX);
        Self(count << Self::COUNT_SHIFT | used << Self::USE_SHIFT | self.0 & Self::STORED)
    }
}

/// The cells of a page.
#[derive(Debug)]
enum Page {
    /// Of clusters that are used up to six times.
    Narrow(Box<[u8]>),
    Wide(Box<[u32]>),
}

impl Page {
    fn bytes(&self) -> usize {
        match self {
            Self::Narrow(cells) => cells.len(),
            Self::Wide(cells) => cells.len().saturating_mul(4),
        }
    }

    fn get(&self, index: usize) -> Cell {
        Cell(match self {
            Self::Narrow(cells) => cells.get(index).copied().unwrap_or(0).into(),
            Self::Wide(cells) => cells.get(index).copied().unwrap_or(0),
        })
    }

    /// Counts a use; `None` if the page is too narrow for it.
    #[inline]
    fn add(&mut self, index: usize, used_as: Use, times: u32) -> Option<Cell> {
        match self {
            Self::Narrow(cells) => {
                let at = cells.get_mut(index)?;
                let cell = Cell((*at).into()).add(used_as, times);
                *at = u8::try_from(cell.0).ok()?;
                Some(cell)
            }
            Self::Wide(cells) => {
                let at = cells.get_mut(index)?;
                let cell = Cell(*at).add(used_as, times);
                *at = cell.0;
                Some(cell)
            }
        }
    }

    #[cold]
    fn widen(&mut self) {
        if let Self::Narrow(cells) = self {
            *self = Self::Wide(cells.iter().map(|byte| u32::from(*byte)).collect());
        }
    }
}

/// Pages of cells.
#[derive(Debug)]
pub(crate) struct Pages {
    /// First cluster of the first page.
    start: u64,
    /// Clusters from here on are not counted: they are past the end of the file, or
    /// there was no room.
    end: u64,
    file_clusters: u64,
    /// Index of each page plus one, zero if there is none.
    directory: Vec<u32>,
    pages: Vec<Page>,
    /// Pages that were given up.
    spare: Vec<u32>,
    bytes: usize,
    bytes_max: usize,
    /// Pages that were made in all.
    pub(crate) made: u64,
    /// The first cluster that was not counted for want of room.
    next: Option<u64>,
}

impl Pages {
    /// Counts clusters from `start` on, a multiple of the page's, in about `bytes_max`
    /// bytes.
    pub(crate) fn new(start: u64, file_clusters: u64, bytes_max: usize) -> Self {
        let pages = file_clusters.saturating_sub(start).div_ceil(PAGE_CLUSTERS);
        let pages = pages.min(DIRECTORY_MAX);
        let end = start.saturating_add(pages.saturating_mul(PAGE_CLUSTERS));
        Self {
            start,
            end: end.min(file_clusters),
            file_clusters,
            directory: vec![0; usize::try_from(pages).unwrap_or(0)],
            pages: Vec::new(),
            spare: Vec::new(),
            bytes: 0,
            bytes_max,
            made: 0,
            next: None,
        }
    }

    /// The clusters that are counted.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// The first cluster that has to be counted another time, if there is one.
    pub(crate) fn next(&self) -> Option<u64> {
        self.next
    }

    fn slot(&self, cluster: u64) -> (usize, usize) {
        let from_start = cluster.saturating_sub(self.start);
        let page = usize::try_from(from_start >> PAGE_BITS).unwrap_or(usize::MAX);
        let index = usize::try_from(from_start & (PAGE_CLUSTERS - 1)).unwrap_or(0);
        (page, index)
    }

    /// Counts a use of a cluster, and says what is known of it then; `None` if it is not
    /// counted now. `load` gives the stored refcounts of the clusters from one on.
    ///
    /// # Errors
    ///
    /// That of `load`.
    #[inline]
    pub(crate) fn add(
        &mut self,
        cluster: u64,
        used_as: Use,
        times: u32,
        load: &mut impl FnMut(u64, &mut [u64]) -> io::Result<()>,
    ) -> io::Result<Option<Cell>> {
        if cluster < self.start || cluster >= self.end {
            self.defer(cluster);
            return Ok(None);
        }
        let (slot, index) = self.slot(cluster);
        let known = self.directory.get(slot).copied().unwrap_or(0);
        let page = match known {
            0 => self.make(slot, load)?,
            known => Some(known.wrapping_sub(1)),
        };
        let page = page.and_then(|page| usize::try_from(page).ok());
        let Some(page) = page.and_then(|page| self.pages.get_mut(page)) else {
            self.next = Some(self.next.map_or(cluster, |next| next.min(cluster)));
            return Ok(None);
        };
        if let Some(cell) = page.add(index, used_as, times) {
            return Ok(Some(cell));
        }
        self.bytes = self.bytes.saturating_sub(page.bytes());
        page.widen();
        self.bytes = self.bytes.saturating_add(page.bytes());
        Ok(page.add(index, used_as, times))
    }

    /// Notes that a cluster after these has to be counted later.
    fn defer(&mut self, cluster: u64) {
        if cluster >= self.end && cluster < self.file_clusters {
            self.next = Some(self.next.map_or(cluster, |next| next.min(cluster)));
        }
    }

    /// Makes a page. The last pages make room for those before them.
    #[cold]
    fn make(
        &mut self,
        slot: usize,
        load: &mut impl FnMut(u64, &mut [u64]) -> io::Result<()>,
    ) -> io::Result<Option<u32>> {
        if self.made >= PAGES_MAX {
            return Ok(None);
        }
        while self.bytes >= self.bytes_max {
            let last = self.directory.iter().rposition(|page| *page != 0);
            let Some(last) = last.filter(|last| *last > 0) else {
                break;
            };
            self.give_up(last);
            if last <= slot {
                return Ok(None);
            }
        }
        let first = self.first_of(slot);
        let mut refcounts = [0; 1 << PAGE_BITS];
        load(first, &mut refcounts)?;
        let cells = match refcounts.iter().all(|refcount| *refcount == 0) {
            true => vec![0; 1 << PAGE_BITS].into_boxed_slice(),
            false => {
                let cells = refcounts.iter();
                let cells = cells.map(|refcount| Cell::with_stored(*refcount).0);
                cells.map(|cell| u8::try_from(cell).unwrap_or(0)).collect()
            }
        };
        let page = Page::Narrow(cells);
        self.bytes = self.bytes.saturating_add(page.bytes());
        self.made = self.made.saturating_add(1);
        let at = match self.spare.pop() {
            Some(at) => {
                let index = usize::try_from(at).unwrap_or(usize::MAX);
                if let Some(old) = self.pages.get_mut(index) {
                    *old = page;
                }
                at
            }
            None => {
                self.pages.push(page);
                u32::try_from(self.pages.len())
                    .unwrap_or(u32::MAX)
                    .saturating_sub(1)
            }
        };
        if let Some(named) = self.directory.get_mut(slot) {
            *named = at.saturating_add(1);
        }
        Ok(Some(at))
    }

    fn first_of(&self, slot: usize) -> u64 {
        let pages = u64::try_from(slot).unwrap_or(u64::MAX);
        self.start
            .saturating_add(pages.saturating_mul(PAGE_CLUSTERS))
    }

    /// Counts nothing from this page on.
    fn give_up(&mut self, slot: usize) {
        let end = self.first_of(slot);
        self.end = end;
        self.defer(end);
        let Some(named) = self.directory.get_mut(slot) else {
            return;
        };
        let at = named.saturating_sub(1);
        *named = 0;
        self.spare.push(at);
        // The search for the last page starts at the end of the directory.
        self.directory.truncate(slot);
        let index = usize::try_from(at).unwrap_or(usize::MAX);
        if let Some(page) = self.pages.get_mut(index) {
            self.bytes = self.bytes.saturating_sub(page.bytes());
            *page = Page::Narrow(Box::default());
        }
    }

    /// The first cluster of the first page in a range of clusters, from a page's start on.
    pub(crate) fn first_page(&self, clusters: Range<u64>) -> Option<u64> {
        let (first, _) = self.slot(clusters.start);
        let (end, _) = self.slot(clusters.end.saturating_add(PAGE_CLUSTERS - 1));
        let end = end.min(self.directory.len());
        let pages = self.directory.get(first..end)?;
        let found = pages.iter().position(|page| *page != 0)?;
        Some(self.first_of(first.saturating_add(found)))
    }

    /// Whether there is a page for the cluster.
    pub(crate) fn has_page(&self, cluster: u64) -> bool {
        let (slot, _) = self.slot(cluster);
        self.directory.get(slot).is_some_and(|page| *page != 0)
    }

    /// The cells of the page of `cluster` that are not known to be right, with their
    /// clusters, and the last one that is used or has a refcount.
    pub(crate) fn wrong_in(&self, cluster: u64) -> (Vec<(u64, Cell)>, Option<u64>) {
        let (slot, _) = self.slot(cluster);
        let first = self.first_of(slot);
        let at = self.directory.get(slot).copied().unwrap_or(0);
        let page = usize::try_from(at)
            .ok()
            .and_then(|at| self.pages.get(at.checked_sub(1)?));
        let Some(page) = page else {
            return (Vec::new(), None);
        };
        let cells = match page {
            Page::Narrow(cells) => cells.len(),
            Page::Wide(cells) => cells.len(),
        };
        let (mut wrong, mut last) = (Vec::new(), None);
        for (index, cluster) in (0..cells).zip(first..self.end) {
            let cell = page.get(index);
            if cell.0 == 0 {
                continue;
            }
            last = Some(cluster);
            if !cell.is_right() {
                wrong.push((cluster, cell));
            }
        }
        (wrong, last)
    }
}
