//! The free runs of all groups, in pages: in memory first, and in a spool after that.

use std::borrow::Cow;

use blockio::{NewSpool, Spool};

use crate::bytes::{be32, usize_of};
use crate::error::Error;
use crate::group::runs::{self, Run, overlapping};

/// Most bytes of runs in memory: those of 4 million.
pub(crate) const MEMORY_BYTES: usize = 32 << 20;

/// Runs of a page, and bytes of a run.
const PAGE_RUNS: usize = 512;
const RUN_BYTES: usize = 8;

/// What is free in each group.
#[derive(Debug, Default)]
pub(crate) struct FreeMap {
    groups: Vec<Group>,
    spool: Option<Box<dyn Spool>>,
    free_blocks: u64,
}

#[derive(Debug)]
struct Group {
    place: Place,
    blocks: u64,
}

#[derive(Debug)]
enum Place {
    /// All of it is in use.
    Nowhere,
    Memory(Box<[Run]>),
    /// From a byte of the spool, and the first block of each page.
    Spool {
        offset: u64,
        count: usize,
        firsts: Box<[u32]>,
    },
}

/// Takes down the free runs of groups, one after the other.
pub(crate) struct Recorder<'s> {
    done: FreeMap,
    memory_left: usize,
    spool_bytes: u64,
    new_spool: Option<NewSpool<'s>>,
}

impl<'s> Recorder<'s> {
    /// Keeps at most `memory` bytes in memory, and the rest in a spool if there is one.
    pub(crate) fn new(memory: usize, new_spool: Option<NewSpool<'s>>) -> Self {
        Self {
            done: FreeMap::default(),
            memory_left: memory,
            spool_bytes: 0,
            new_spool,
        }
    }

    /// Takes down the next group; `false` if there is no room, and all of it is in use.
    pub(crate) fn push(&mut self, runs: Vec<Run>) -> bool {
        let blocks = runs::blocks(&runs);
        let place = self.place(runs);
        let has_room = place.is_some();
        let blocks = if has_room { blocks } else { 0 };
        self.done.free_blocks = self.done.free_blocks.saturating_add(blocks);
        let place = place.unwrap_or(Place::Nowhere);
        self.done.groups.push(Group { place, blocks });
        has_room
    }

    /// What was taken down.
    pub(crate) fn finish(self) -> FreeMap {
        self.done
    }

    /// A spool that fails is none.
    fn place(&mut self, runs: Vec<Run>) -> Option<Place> {
        if runs.is_empty() {
            return Some(Place::Nowhere);
        }
        let bytes = runs.len().saturating_mul(RUN_BYTES);
        if let Some(left) = self.memory_left.checked_sub(bytes) {
            self.memory_left = left;
            return Some(Place::Memory(runs.into_boxed_slice()));
        }
        if self.done.spool.is_none() {
            self.done.spool = Some(self.new_spool?().ok()?);
        }
        let spool = self.done.spool.as_ref()?;
        let offset = self.spool_bytes;
        for page in runs.chunks(PAGE_RUNS) {
            let bytes: Vec<u8> = page.iter().flat_map(|run| encode(*run)).collect();
            spool.write_at(self.spool_bytes, &bytes).ok()?;
            let length = blockio::len_u64(bytes.len());
            self.spool_bytes = self.spool_bytes.saturating_add(length);
        }
        let firsts = runs.chunks(PAGE_RUNS).filter_map(|page| page.first());
        Some(Place::Spool {
            offset,
            count: runs.len(),
            firsts: firsts.map(|run| run.start).collect(),
        })
    }
}

fn encode(run: Run) -> [u8; RUN_BYTES] {
    let both = u64::from(run.start) << 32 | u64::from(run.blocks);
    both.to_be_bytes()
}

impl FreeMap {
    /// Blocks that are free.
    pub(crate) const fn free_blocks(&self) -> u64 {
        self.free_blocks
    }

    /// Calls all blocks of group `ag` used.
    pub(crate) fn keep(&mut self, ag: u32) {
        if let Some(group) = self.groups.get_mut(index(ag)) {
            self.free_blocks = self.free_blocks.saturating_sub(group.blocks);
            group.place = Place::Nowhere;
            group.blocks = 0;
        }
    }

    /// The first free run of group `ag` that has a block of `run`.
    pub(crate) fn overlapping(&self, ag: u32, run: Run) -> Result<Option<Run>, Error> {
        let Some(group) = self.groups.get(index(ag)) else {
            return Ok(None);
        };
        match &group.place {
            Place::Nowhere => Ok(None),
            Place::Memory(runs) => Ok(overlapping(runs, run)),
            Place::Spool { firsts, .. } => {
                let after = firsts.partition_point(|first| *first <= run.start);
                for page in [after.saturating_sub(1), after] {
                    let runs = self.page(ag, page)?;
                    if let Some(found) = overlapping(&runs, run) {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
        }
    }

    /// The page of group `ag` that has the first run to end after `block`, or one before.
    pub(crate) fn page_of(&self, ag: u32, block: u32) -> usize {
        match self.groups.get(index(ag)).map(|group| &group.place) {
            Some(Place::Memory(runs)) => {
                let first = runs.partition_point(|run| run.end() <= block);
                first.checked_div(PAGE_RUNS).unwrap_or(0)
            }
            Some(Place::Spool { firsts, .. }) => {
                let after = firsts.partition_point(|first| *first <= block);
                after.saturating_sub(1)
            }
            _ => 0,
        }
    }

    /// The runs of page `page` of group `ag`; none after the last.
    pub(crate) fn page(&self, ag: u32, page: usize) -> Result<Cow<'_, [Run]>, Error> {
        let none = Cow::Borrowed(&[][..]);
        let Some(group) = self.groups.get(index(ag)) else {
            return Ok(none);
        };
        let first = page.saturating_mul(PAGE_RUNS);
        match &group.place {
            Place::Nowhere => Ok(none),
            Place::Memory(runs) => {
                let rest = runs.get(first..).unwrap_or_default();
                Ok(Cow::Borrowed(rest.get(..PAGE_RUNS).unwrap_or(rest)))
            }
            Place::Spool { offset, count, .. } => {
                let runs = count.saturating_sub(first).min(PAGE_RUNS);
                let mut bytes = vec![0; runs.saturating_mul(RUN_BYTES)];
                let into = blockio::len_u64(first.saturating_mul(RUN_BYTES));
                if let Some(spool) = self.spool.as_ref().filter(|_| runs > 0) {
                    let at = offset.saturating_add(into);
                    spool.read_at(at, &mut bytes).map_err(Error::Spool)?;
                }
                let stored = bytes.chunks_exact(RUN_BYTES);
                let runs = stored.map(|one| Run::new(be32(one, 0), be32(one, 4)));
                Ok(Cow::Owned(runs.collect()))
            }
        }
    }
}

fn index(ag: u32) -> usize {
    usize_of(u64::from(ag))
}

#[cfg(test)]
mod tests {
    use std::io;

    use blockio::MemoryDisk;

    use super::*;

    fn spool() -> io::Result<Box<dyn Spool>> {
        Ok(Box::new(MemoryDisk::default()))
    }

    fn every_third(count: u32) -> Vec<Run> {
        (0..count).map(|n| Run::new(n * 3 + 1, 2)).collect()
    }

    #[test]
    fn memory_and_spool_give_the_same() {
        for memory in [0, 1 << 20] {
            let mut recorder = Recorder::new(memory, Some(&spool));
            assert!(recorder.push(every_third(3)));
            assert!(recorder.push(Vec::new()));
            assert!(recorder.push(every_third(1025)));
            let mut map = recorder.finish();
            assert_eq!(map.free_blocks(), 2 * 1028);
            assert_eq!(map.page(0, 0).unwrap().len(), 3);
            assert_eq!(map.page(1, 0).unwrap().len(), 0);
            let pages: Vec<_> = (0..4).map(|n| map.page(2, n).unwrap().to_vec()).collect();
            assert_eq!(pages.concat(), every_third(1025));
            for block in 0..3080 {
                let run = Run::new(block, 1);
                let want = overlapping(&every_third(1025), run);
                assert_eq!(map.overlapping(2, run).unwrap(), want, "{block}");
                let page = map.page_of(2, block);
                assert!(page == 0 || map.page(2, page - 1).unwrap()[511].end() <= block);
            }
            assert_eq!(
                map.overlapping(2, Run::new(0, 9)).unwrap(),
                Some(Run::new(1, 2))
            );
            assert_eq!(map.overlapping(1, Run::new(0, 9)).unwrap(), None);
            assert_eq!(map.overlapping(9, Run::new(0, 9)).unwrap(), None);
            map.keep(2);
            assert_eq!(map.free_blocks(), 6);
            assert_eq!(map.page(2, 0).unwrap().len(), 0);
        }
    }

    #[test]
    fn without_room_a_group_is_used() {
        let mut recorder = Recorder::new(16, None);
        assert!(!recorder.push(every_third(3)));
        assert!(recorder.push(every_third(2)));
        assert!(!recorder.push(every_third(1)));
        let map = recorder.finish();
        assert_eq!(map.free_blocks(), 4);
        assert_eq!(map.page(0, 0).unwrap().len(), 0);
        assert_eq!(map.page(1, 0).unwrap().len(), 2);
    }
}
