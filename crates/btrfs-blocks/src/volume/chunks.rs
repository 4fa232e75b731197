//! All chunks of a filesystem.

use std::ops::Range;

use super::chunk::{Chunk, Place};
use crate::finding::Distrust;

/// Most chunks that are followed: 256 TiB in chunks of 1 GiB.
const CHUNKS_MAX: usize = 1 << 18;

/// Chunks, ascending by their place in the filesystem.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunks(Vec<Chunk>);

impl Chunks {
    /// Adds a chunk.
    pub(crate) fn add(&mut self, chunk: Chunk) -> Result<(), Distrust> {
        if self.0.len() >= CHUNKS_MAX {
            return Err(Distrust::TooMany {
                what: "chunks",
                limit: blockio::len_u64(CHUNKS_MAX),
            });
        }
        let index = self.0.partition_point(|other| other.start < chunk.start);
        let after = self.0.get(index);
        let before = index.checked_sub(1).and_then(|before| self.0.get(before));
        let overlaps = after.is_some_and(|after| after.start < chunk.end())
            || before.is_some_and(|before| before.end() > chunk.start);
        if overlaps {
            return Err(Distrust::Chunk {
                start: chunk.start,
                what: "it overlaps another one",
            });
        }
        self.0.insert(index, chunk);
        Ok(())
    }

    pub(crate) fn all(&self) -> &[Chunk] {
        &self.0
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The chunk with the byte `at`, and its number.
    pub(crate) fn find(&self, at: u64) -> Option<(usize, &Chunk)> {
        let after = self.0.partition_point(|chunk| chunk.start <= at);
        let index = after.checked_sub(1)?;
        let chunk = self.0.get(index).filter(|chunk| at < chunk.end())?;
        Some((index, chunk))
    }

    /// The chunk that starts at `start`, and its number.
    pub(crate) fn starting_at(&self, start: u64) -> Option<(usize, &Chunk)> {
        self.find(start).filter(|(_, chunk)| chunk.start == start)
    }

    /// The chunk that all of `range` is in, and its number.
    pub(crate) fn holding(&self, range: &Range<u64>) -> Option<(usize, &Chunk)> {
        let found = self.find(range.start);
        found.filter(|(_, chunk)| !range.is_empty() && range.end <= chunk.end())
    }

    /// Whether any byte of `range` is in a chunk.
    pub(crate) fn overlaps(&self, range: &Range<u64>) -> bool {
        let before = self.0.partition_point(|chunk| chunk.end() <= range.start);
        let chunk = self.0.get(before);
        chunk.is_some_and(|chunk| chunk.start < range.end)
    }

    /// How many copies of the bytes at `at` there are.
    pub(crate) fn copies(&self, at: u64) -> u64 {
        self.find(at).map_or(0, |(_, chunk)| chunk.copies())
    }

    /// Where the byte `at` is, in the copy of that number.
    pub(crate) fn place(&self, at: u64, copy: u64) -> Option<Place> {
        let (_, chunk) = self.find(at)?;
        Some(chunk.place(at.saturating_sub(chunk.start), copy))
    }
}
