//! The extent tree: every range in use, whether it holds a block of a tree or contents.

use std::ops::Range;

use blockio::ReadAt;

use super::block_groups::{Group, group};
use super::free_space::FreeSpace;
use super::item::{range, unsound};
use crate::bytes::le64;
use crate::filesystem::Keep;
use crate::finding::{Distrust, Step};
use crate::key::{item, tree};
use crate::runs::Runs;
use crate::tree::{Item, Pointer, Reader, Walk};
use crate::volume::{Chunk, Chunks};

/// Bytes of an extent item before its references. Shorter ones are of 2007.
const BYTES_MIN: usize = 24;
const DATA: u64 = 1;
const TREE_BLOCK: u64 = 2;

/// What the extent tree holds.
pub(super) struct Found {
    /// What is used, of the kind that is kept.
    pub(super) used: Runs,
    /// Bytes of extents in each chunk.
    pub(super) sums: Vec<u64>,
    /// Block groups, if they are in this tree.
    pub(super) groups: Vec<Group>,
}

/// Reads the extent tree, and holds it against the free space tree.
pub(super) fn read<R: ReadAt + ?Sized>(
    reader: &Reader<'_, R>,
    root: Pointer,
    sector: u64,
    keep: Keep,
    free_space: Option<&mut FreeSpace<'_, '_, R>>,
) -> Step<Found> {
    let mut gaps = Gaps {
        chunks: &reader.chunks,
        chunk: 0,
        at: reader.chunks.all().first().map_or(0, |chunk| chunk.start),
        free_space,
    };
    let mut found = Found {
        used: Runs::default(),
        sums: vec![0; reader.chunks.len()],
        groups: Vec::new(),
    };
    let mut walk = Walk::new(reader, root);
    while let Some(leaf) = walk.next()? {
        for item in leaf.items() {
            let length = match item.key.kind {
                item::EXTENT => item.key.offset,
                item::METADATA => reader.node_bytes(),
                item::BLOCK_GROUP => {
                    if found.groups.len() >= reader.chunks.len() {
                        let start = item.key.object;
                        return Err(Distrust::BlockGroup { start }.into());
                    }
                    found.groups.push(group(tree::EXTENT, &item)?);
                    continue;
                }
                _ => continue,
            };
            let (extent, is_tree) = extent(&item, length, sector, reader.node_bytes())?;
            let number = gaps.take(&item, &extent, is_tree)?;
            if let Some(sum) = found.sums.get_mut(number) {
                *sum = sum.saturating_add(length);
            }
            if is_tree || keep == Keep::Used {
                found.used.push(extent);
            }
        }
    }
    gaps.finish()?;
    Ok(found)
}

/// The range that an item describes, and whether it holds a block of a tree.
fn extent(
    item: &Item<'_>,
    length: u64,
    sector: u64,
    node_bytes: u64,
) -> Result<(Range<u64>, bool), Distrust> {
    let fault = |what| unsound(tree::EXTENT, item.key, what);
    if item.bytes.len() < BYTES_MIN {
        return Err(fault("it is too short"));
    }
    let start = item.key.object;
    let is_aligned = start.is_multiple_of(sector) && length.is_multiple_of(sector);
    let range = range(start, length).filter(|range| is_aligned && !range.is_empty());
    let range = range.ok_or(fault("it is not of whole sectors"))?;
    let is_tree = match le64(item.bytes, 16) & (DATA | TREE_BLOCK) {
        DATA if item.key.kind == item::EXTENT => false,
        TREE_BLOCK if length == node_bytes => true,
        _ => return Err(fault("what it holds is not known")),
    };
    Ok((range, is_tree))
}

/// What is between extents, held against the free space tree.
struct Gaps<'f, 'r, 'd, R: ?Sized> {
    chunks: &'f Chunks,
    /// The number of the chunk with the last extent.
    chunk: usize,
    /// The end of the last extent.
    at: u64,
    free_space: Option<&'f mut FreeSpace<'r, 'd, R>>,
}

impl<R: ReadAt + ?Sized> Gaps<'_, '_, '_, R> {
    /// Takes the next extent, and returns the number of its chunk.
    fn take(&mut self, item: &Item<'_>, extent: &Range<u64>, is_tree: bool) -> Step<usize> {
        let fault = |what| unsound(tree::EXTENT, item.key, what);
        let (number, chunk) = (self.chunks.holding(extent)).ok_or(fault("it is in no chunk"))?;
        let fits = if is_tree {
            chunk.has_trees()
        } else {
            chunk.has_data()
        };
        if !fits {
            return Err(fault("its chunk is for something else").into());
        }
        self.advance(number)?;
        if extent.start < self.at {
            return Err(fault("it overlaps the one before").into());
        }
        self.gap(extent.start)?;
        self.at = extent.end;
        Ok(number)
    }

    /// Goes on to the chunk of that number.
    fn advance(&mut self, number: usize) -> Step<()> {
        let chunks = self.chunks;
        while self.chunk < number {
            let end = chunks.all().get(self.chunk).map_or(0, Chunk::end);
            self.gap(end)?;
            self.chunk = self.chunk.saturating_add(1);
            let next = chunks.all().get(self.chunk);
            self.at = next.map_or(self.at, |chunk| chunk.start);
        }
        Ok(())
    }

    /// Nothing is used up to `end`.
    fn gap(&mut self, end: u64) -> Step<()> {
        if self.at >= end {
            return Ok(());
        }
        let Some(free_space) = &mut self.free_space else {
            return Ok(());
        };
        match free_space.next()? {
            Some(free) if free == (self.at..end) => Ok(()),
            Some(free) => {
                let at = if free.start == self.at {
                    free.end.min(end)
                } else {
                    free.start.min(self.at)
                };
                Err(Distrust::FreeSpace { at }.into())
            }
            None => Err(Distrust::FreeSpace { at: self.at }.into()),
        }
    }

    fn finish(mut self) -> Step<()> {
        self.advance(self.chunks.len())?;
        match self.free_space {
            Some(free_space) => free_space.finish(),
            None => Ok(()),
        }
    }
}
