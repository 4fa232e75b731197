//! What every byte of the disk is, from the free runs of the groups.

use std::ops::Range;

use blockio::{Extent, ExtentKind, Extents, clip};

use crate::error::Error;
use crate::geometry::Geometry;
use crate::used::free_map::FreeMap;

/// The extents of `range` of a disk of `disk_bytes`, whose bytes after the filesystem are
/// `tail`.
pub(crate) fn extents<'a>(
    map: &'a FreeMap,
    geometry: &'a Geometry,
    tail: ExtentKind,
    disk_bytes: u64,
    range: Range<u64>,
) -> Extents<'a> {
    let walk = Walk::new(map, geometry, tail, disk_bytes, range.start);
    clip(walk, range)
}

/// A walk over the disk, from one change of kind to the next.
struct Walk<'a> {
    map: &'a FreeMap,
    geometry: &'a Geometry,
    tail: ExtentKind,
    disk_bytes: u64,
    /// The first byte not given yet.
    at: u64,
    /// The group, its next page, and what is left of the page before that, last first.
    ag: u32,
    page: usize,
    runs: Vec<Extent>,
    is_done: bool,
}

impl<'a> Walk<'a> {
    fn new(
        map: &'a FreeMap,
        geometry: &'a Geometry,
        tail: ExtentKind,
        disk_bytes: u64,
        start: u64,
    ) -> Self {
        let block = start.min(geometry.bytes()) >> geometry.block_log;
        let ag = block.checked_div(u64::from(geometry.ag_blocks));
        let ag = u32::try_from(ag.unwrap_or(0)).unwrap_or(geometry.ag_count);
        let within = block.saturating_sub(geometry.linear(ag, 0));
        let within = u32::try_from(within).unwrap_or(u32::MAX);
        Self {
            map,
            geometry,
            tail,
            disk_bytes,
            at: block << geometry.block_log,
            ag,
            page: map.page_of(ag, within),
            runs: Vec::new(),
            is_done: false,
        }
    }

    /// The next free extent that ends after the bytes given so far.
    fn next_free(&mut self) -> Result<Option<Extent>, Error> {
        loop {
            if let Some(free) = self.runs.pop() {
                if free.end() > self.at {
                    return Ok(Some(free));
                }
                continue;
            }
            if self.ag >= self.geometry.ag_count {
                return Ok(None);
            }
            let (ag, geometry) = (self.ag, self.geometry);
            let page = self.map.page(ag, self.page)?;
            if page.is_empty() {
                self.ag = ag.saturating_add(1);
                self.page = 0;
                continue;
            }
            self.page = self.page.saturating_add(1);
            let bytes = |block| geometry.byte_of(ag, block);
            let free = page
                .iter()
                .rev()
                .map(|run| Extent::new(bytes(run.start)..bytes(run.end()), ExtentKind::Free));
            self.runs.extend(free);
        }
    }

    /// What is before `end`, or else the free extent after it, or the tail.
    fn step(&mut self) -> Result<Option<Extent>, Error> {
        let end = self.geometry.bytes();
        if self.at >= end {
            self.is_done = true;
            let tail = Extent::new(self.at..self.disk_bytes, self.tail);
            return Ok((tail.length > 0).then_some(tail));
        }
        let free = self.next_free()?;
        let next = match free {
            Some(free) if free.start <= self.at => {
                Extent::new(self.at..free.end(), ExtentKind::Free)
            }
            Some(free) => {
                self.runs.push(free);
                Extent::new(self.at..free.start, ExtentKind::Data)
            }
            None => Extent::new(self.at..end, ExtentKind::Data),
        };
        self.at = next.end();
        Ok(Some(next))
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Extent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let step = self.step();
        self.is_done |= step.is_err();
        step.transpose()
    }
}
