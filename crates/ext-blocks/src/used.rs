//! What every byte of the disk is, run by run.

pub(crate) mod agreement;
mod bitmap_union;
pub(crate) mod clusters;
pub mod discardable;
pub(crate) mod group_map;
mod loader;
mod occupancy;
mod relabel;
pub(crate) mod survey;
mod uninit_tables;

use std::ops::Range;

use blockio::{Extent, ExtentKind, Merge, ReadAt};
use ext_format::bitmap::Bitmap;
use ext_format::error::Error;
use ext_format::group::Layout;
use ext_format::runs::BlockRun;

use crate::journal::Overlay;
use crate::used::group_map::GroupMap;
use crate::used::loader::Loader;
use crate::used::relabel::Relabel;

/// The extents of a disk with an ext filesystem: ascending, without gaps, as
/// long as they can be, and covering all of the disk. Made by
/// [`Filesystem::used_extents`](crate::Filesystem::used_extents); ends after
/// the first error.
#[derive(Debug)]
pub struct UsedExtents<'a, R: ?Sized>(Merge<Relabel<'a, Relabel<'a, Source<'a, R>>>>);

/// What tells which blocks of a filesystem are used.
pub(crate) struct Groups<'a, R: ?Sized> {
    pub(crate) disk: &'a Overlay<R>,
    pub(crate) layout: &'a Layout,
    pub(crate) groups: &'a GroupMap,
    /// Blocks that are left out, ascending without overlaps.
    pub(crate) discarded: &'a [BlockRun],
    /// What the bytes after the end of the filesystem are.
    pub(crate) tail: ExtentKind,
}

impl<'a, R: ReadAt + ?Sized> UsedExtents<'a, R> {
    /// All of `disk` is used.
    pub(crate) fn everything(disk: &R) -> Self {
        Self::new(Source::Everything(Some(0..disk.size())), &[], &[], 0)
    }

    /// The bytes of `runs` of blocks are used, which ascend without overlaps, and
    /// nothing else. Begins at or before byte `start`.
    pub(crate) fn from_runs(disk: &R, runs: &'a [BlockRun], block_bytes: u64, start: u64) -> Self {
        let end = |run: &BlockRun| run.end.saturating_mul(block_bytes);
        let before = runs.partition_point(|run| end(run) <= start);
        let (before, runs) = runs.split_at_checked(before).unwrap_or_default();
        let runs = Runs {
            at: before.last().map_or(0, end).min(disk.size()),
            disk_bytes: disk.size(),
            runs,
            block_bytes,
        };
        Self::new(Source::Runs(runs), &[], &[], 0)
    }

    /// What the trusted block bitmaps say, without the blocks that are left out. Begins
    /// at or before byte `start`.
    pub(crate) fn from_bitmaps(groups: &Groups<'a, R>, start: u64) -> Self {
        let Groups {
            disk,
            layout,
            groups,
            discarded,
            tail,
        } = *groups;
        let geometry = &layout.geometry;
        let block_bits = geometry.block_bytes().trailing_zeros();
        let block = start >> block_bits;
        let runs = GroupRuns {
            disk_bytes: disk.size(),
            loader: Loader::new(disk, layout, groups),
            tail,
            bitmap: Bitmap::default(),
            at: if start >= geometry.filesystem_bytes() {
                At::Group(geometry.group_count())
            } else if block < geometry.blocks_of(0).start {
                At::Start
            } else {
                At::Group(geometry.group_of(block))
            },
        };
        let from = |runs: &'a [BlockRun]| {
            let before = runs.partition_point(|run| run.end <= block);
            runs.get(before..).unwrap_or_default()
        };
        let (zeros, discarded) = (from(&groups.uninit), from(discarded));
        Self::new(Source::Groups(runs), zeros, discarded, block_bits)
    }

    fn new(
        source: Source<'a, R>,
        zeros: &'a [BlockRun],
        discarded: &'a [BlockRun],
        block_bits: u32,
    ) -> Self {
        let with_zeros = Relabel::new(source, zeros, block_bits, ExtentKind::Zero);
        let without = Relabel::new(with_zeros, discarded, block_bits, ExtentKind::Free);
        Self(Merge::new(without))
    }
}

impl<R: ReadAt + ?Sized> Iterator for UsedExtents<'_, R> {
    type Item = Result<Extent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// Used and unused runs, which tile the disk.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one a walk, and it stays where it is"
)]
enum Source<'a, R: ?Sized> {
    Everything(Option<Range<u64>>),
    Runs(Runs<'a>),
    Groups(GroupRuns<'a, R>),
}

impl<R: ReadAt + ?Sized> Iterator for Source<'_, R> {
    type Item = Result<Extent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Everything(bytes) => Some(Ok(Extent::new(bytes.take()?, ExtentKind::Data))),
            Self::Runs(runs) => runs.next().map(Ok),
            Self::Groups(groups) => groups.next(),
        }
    }
}

/// Runs of used blocks, and what is between them.
#[derive(Debug)]
struct Runs<'a> {
    /// The first byte that was not given yet.
    at: u64,
    disk_bytes: u64,
    runs: &'a [BlockRun],
    block_bytes: u64,
}

impl Iterator for Runs<'_> {
    type Item = Extent;

    fn next(&mut self) -> Option<Extent> {
        let byte_of = |block: u64| block.saturating_mul(self.block_bytes).min(self.disk_bytes);
        let (end, kind) = match self.runs.split_first() {
            Some((run, rest)) if byte_of(run.start) <= self.at => {
                self.runs = rest;
                (byte_of(run.end), ExtentKind::Data)
            }
            Some((run, _)) => (byte_of(run.start), ExtentKind::Free),
            None if self.at < self.disk_bytes => (self.disk_bytes, ExtentKind::Free),
            None => return None,
        };
        let start = self.at;
        self.at = end.max(start);
        Some(Extent::new(start..self.at, kind))
    }
}

/// Where a walk over the disk is.
#[derive(Clone, Copy, Debug)]
enum At {
    /// Before the first group.
    Start,
    /// Before `group`, whose bitmap has not been loaded.
    Group(u32),
    /// In `group`, before cluster `bit`.
    Bit { group: u32, bit: usize },
    /// After the tail.
    End,
}

/// The boot block, the groups one by one, and the tail.
#[derive(Debug)]
struct GroupRuns<'a, R: ?Sized> {
    disk_bytes: u64,
    loader: Loader<'a, R>,
    /// What the bytes after the filesystem are.
    tail: ExtentKind,
    bitmap: Bitmap,
    at: At,
}

impl<R: ReadAt + ?Sized> Iterator for GroupRuns<'_, R> {
    type Item = Result<Extent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let geometry = &self.loader.layout().geometry;
        loop {
            match self.at {
                At::Start => {
                    self.at = At::Group(0);
                    let start = geometry.byte_of(geometry.blocks_of(0).start);
                    return Some(Ok(Extent::new(0..start, ExtentKind::Data)));
                }
                At::Group(group) if group >= geometry.group_count() => {
                    self.at = At::End;
                    let tail = geometry.filesystem_bytes()..self.disk_bytes;
                    return Some(Ok(Extent::new(tail, self.tail)));
                }
                At::Group(group) => {
                    if let Err(error) = self.loader.load(group, &mut self.bitmap) {
                        self.at = At::End;
                        return Some(Err(error));
                    }
                    self.at = At::Bit { group, bit: 0 };
                }
                At::Bit { group, bit } => match self.bitmap.run_from(bit) {
                    Some((run, used)) => {
                        self.at = At::Bit {
                            group,
                            bit: run.end,
                        };
                        let kind = if used {
                            ExtentKind::Data
                        } else {
                            ExtentKind::Free
                        };
                        return Some(Ok(Extent::new(geometry.bytes_of(group, run), kind)));
                    }
                    None => self.at = At::Group(group.saturating_add(1)),
                },
                At::End => return None,
            }
        }
    }
}
