//! The metadata of a filesystem: everything but the contents of regular files.

use std::ops::Range;

use blockio::{Extent, ExtentKind, Extents, ReadAt, clip};

use crate::error::Halt;
use crate::finding::damage::GroupDamage;
use crate::finding::{Distrust, Stop};
use crate::geometry::Geometry;
use crate::group::{Group, headers};
use crate::inodes;
use crate::superblock::Superblock;

/// Most separate runs of metadata while they are looked for: 64 MiB.
const RUNS_MAX: usize = 4 << 20;

/// Runs of blocks, counted through all groups: ascending, none touching the next, once they
/// are all known.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    runs: Vec<(u64, u64)>,
    /// So many runs are put in order next.
    join_at: usize,
}

impl Metadata {
    /// The metadata of the filesystem on `disk`, and `besides`.
    pub(crate) fn find<R: ReadAt + ?Sized>(
        disk: &R,
        superblock: &Superblock,
        besides: &[Range<u64>],
    ) -> Result<Self, Stop> {
        let geometry = &superblock.geometry;
        let mut found = Self {
            runs: Vec::new(),
            join_at: 1 << 16,
        };
        for range in besides {
            found.insert(range.start, range.end.saturating_sub(range.start));
        }
        let (log_ag, log_block) = superblock.log_place;
        found.insert(
            geometry.linear(log_ag, log_block),
            superblock.log_blocks.into(),
        );
        for ag in 0..geometry.ag_count {
            let group = Group {
                disk,
                superblock,
                ag,
            };
            group
                .metadata(&mut |run| {
                    found.insert(geometry.linear(ag, run.start), run.blocks.into());
                })
                .map_err(|halt| halt_of(ag, halt))?;
            found.insert(geometry.linear(ag, 0), headers::blocks(geometry).into());
            found.check_room()?;
        }
        let mut is_full = false;
        inodes::walk(disk, superblock, &mut |reference| {
            if reference.is_metadata {
                let run = reference.run;
                found.insert(geometry.linear(reference.ag, run.start), run.blocks.into());
                is_full |= found.check_room().is_err();
            }
            Ok(())
        })?;
        found.check_room()?;
        if is_full {
            return Err(too_much().into());
        }
        found.join();
        Ok(found)
    }

    fn insert(&mut self, start: u64, blocks: u64) {
        if self.runs.len() >= self.join_at {
            self.join();
            // Joining again pays only if there are many more.
            self.join_at = self.runs.len().saturating_mul(2).max(1 << 16);
        }
        if self.runs.len() < RUNS_MAX.saturating_mul(2) {
            self.runs.push((start, blocks));
        }
    }

    fn check_room(&self) -> Result<(), Distrust> {
        if self.runs.len() > RUNS_MAX {
            return Err(too_much());
        }
        Ok(())
    }

    /// Puts the runs in order, and joins those that touch.
    fn join(&mut self) {
        self.runs.sort_unstable();
        self.runs.dedup_by(|next, before| {
            let end = before.0.saturating_add(before.1);
            let touches = next.0 <= end;
            if touches {
                let next_end = next.0.saturating_add(next.1);
                before.1 = next_end.max(end).saturating_sub(before.0);
            }
            touches
        });
    }

    /// What the bytes `range` of a disk of `disk_bytes` are.
    pub(crate) fn extents<'a>(
        &'a self,
        geometry: &Geometry,
        disk_bytes: u64,
        range: Range<u64>,
    ) -> Extents<'a> {
        let log = geometry.block_log;
        let end_of = move |run: &(u64, u64)| run.0.saturating_add(run.1) << log;
        let skip = self.runs.partition_point(|run| end_of(run) <= range.start);
        let (before, runs) = self.runs.split_at_checked(skip).unwrap_or_default();
        let mut at = before.last().map_or(0, end_of);
        let last = self.runs.last().map_or(0, end_of);
        let both = runs.iter().flat_map(move |run| {
            let (start, end) = (run.0 << log, end_of(run));
            let gap = Extent::new(at..start, ExtentKind::Free);
            at = end;
            [gap, Extent::new(start..end, ExtentKind::Data)]
        });
        let tail = Extent::new(last..disk_bytes, ExtentKind::Free);
        let all = both.chain([tail]).filter(|extent| extent.length > 0);
        clip(all.map(Ok::<_, std::convert::Infallible>), range)
    }
}

fn too_much() -> Distrust {
    Distrust::TooMuchMetadata {
        limit: blockio::len_u64(RUNS_MAX),
    }
}

fn halt_of(group: u32, halt: Halt<GroupDamage>) -> Stop {
    match halt {
        Halt::Distrust(damage) => Distrust::Inodes { group, damage }.into(),
        Halt::Read(error) => Stop::Read(error),
    }
}
