//! Which blocks are used, asked for in any order.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use blockio::ReadAt;
use ext_format::bitmap::Bitmap;
use ext_format::error::Error;
use ext_format::geometry::Geometry;
use ext_format::group::{Layout, Verdict, verdict_of};
use ext_format::runs::BlockRun;

use crate::journal::Overlay;
use crate::used::bitmap_union::mark;
use crate::used::group_map::GroupMap;
use crate::used::loader::Loader;

/// Fewest and most bitmaps that are kept. Inodes and what they refer to lie close
/// together, so that few are asked for at a time.
const BITMAPS: RangeInclusive<u64> = 4..=4096;

/// The bitmaps of the groups that are trusted; some are kept in memory.
#[derive(Debug)]
pub(crate) struct Occupancy<'a, R: ?Sized> {
    layout: &'a Layout,
    groups: &'a GroupMap,
    loader: Loader<'a, R>,
    /// The bitmap of a group is in the slot of its number modulo so many, or in
    /// none.
    slots_max: u32,
    slots: HashMap<u32, Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    group: Option<u32>,
    bitmap: Bitmap,
}

impl<'a, R: ReadAt + ?Sized> Occupancy<'a, R> {
    /// What is used of `disk` by its `groups`, with bitmaps in at most `memory`
    /// bytes, if that is enough for a few.
    pub(crate) fn new(
        disk: &'a Overlay<R>,
        layout: &'a Layout,
        groups: &'a GroupMap,
        memory: u64,
    ) -> Self {
        let bitmap_bytes = layout.geometry.block_bytes();
        let slots_max =
            (memory >> bitmap_bytes.trailing_zeros()).clamp(*BITMAPS.start(), *BITMAPS.end());
        Self {
            layout,
            groups,
            loader: Loader::one_by_one(disk, layout, groups),
            slots_max: u32::try_from(slots_max).unwrap_or(1),
            slots: HashMap::new(),
        }
    }

    /// Calls `visit` with the free parts of `run`, which lies within the filesystem.
    pub(crate) fn free_of(
        &mut self,
        run: BlockRun,
        mut visit: impl FnMut(BlockRun),
    ) -> Result<(), Error> {
        let layout = self.layout;
        let geometry = &layout.geometry;
        let mut rest = run;
        while !rest.is_empty() {
            let group = geometry.group_of(rest.start);
            let within = geometry.blocks_of(group).end.saturating_sub(rest.start);
            let (part, others) = rest.split(within.max(1));
            rest = others;
            if verdict_of(&self.groups.verdicts, group) == Verdict::AllUsed {
                continue;
            }
            let bitmap = self.bitmap(group)?;
            let bits = geometry.bits_of(group, part);
            let mut next = bits.start;
            while let Some(first) = bitmap.first_free(next..bits.end) {
                let end = bitmap.run_from(first).map_or(bits.end, |(run, _)| run.end);
                next = end.min(bits.end);
                let free = BlockRun {
                    start: geometry.block_of_bit(group, first),
                    end: geometry.block_of_bit(group, next),
                };
                visit(free.intersection(part));
            }
        }
        Ok(())
    }

    /// Calls `visit` with the parts of `run` in inode tables that were never used, which
    /// read as zeros.
    pub(crate) fn never_used_of(&self, run: BlockRun, visit: impl FnMut(BlockRun)) {
        let tables = &self.groups.uninit;
        let from = tables.partition_point(|table| table.end <= run.start);
        let ahead = tables.get(from..).unwrap_or_default().iter();
        ahead
            .take_while(|table| table.start < run.end)
            .map(|table| table.intersection(run))
            .for_each(visit);
    }

    /// How many of the bytes that are free would not be if `runs` were used, which
    /// ascend without overlaps.
    pub(crate) fn bytes_taken(&mut self, runs: &[BlockRun]) -> Result<u64, Error> {
        let layout = self.layout;
        let geometry = &layout.geometry;
        let mut taken = 0u64;
        let mut next_group = 0;
        for run in runs {
            let first = geometry.group_of(run.start);
            let last = geometry.group_of(run.end.saturating_sub(1));
            for group in first.max(next_group)..=last {
                next_group = group.saturating_add(1);
                if verdict_of(&self.groups.verdicts, group) == Verdict::AllUsed {
                    continue;
                }
                let mut bitmap = self.bitmap(group)?.clone();
                let before = free_bytes(geometry, group, &bitmap);
                mark(runs, group, geometry, &mut bitmap);
                let after = free_bytes(geometry, group, &bitmap);
                taken = taken.saturating_add(before.saturating_sub(after));
            }
        }
        Ok(taken)
    }

    /// The bitmap of `group`, which is not used as a whole.
    fn bitmap(&mut self, group: u32) -> Result<&Bitmap, Error> {
        let slot = self.slots.entry(group.rem_euclid(self.slots_max));
        let slot = slot.or_default();
        if slot.group != Some(group) {
            slot.group = None;
            self.loader.load(group, &mut slot.bitmap)?;
            slot.group = Some(group);
        }
        Ok(&slot.bitmap)
    }
}

/// Bytes of the disk that `bitmap` of `group` calls free.
pub(crate) fn free_bytes(geometry: &Geometry, group: u32, bitmap: &Bitmap) -> u64 {
    let free = u64::try_from(bitmap.free_count()).unwrap_or(u64::MAX);
    let bytes = free.saturating_mul(geometry.cluster_bytes());
    let past_end = if bitmap.last_is_free() {
        geometry.bytes_past_end(group)
    } else {
        0
    };
    bytes.saturating_sub(past_end)
}
