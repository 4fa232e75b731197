//! What the bytes of this device are, from what is used of the filesystem.

use std::convert::Infallible;
use std::ops::Range;

use blockio::{Extent, ExtentKind, Extents, clip};

use crate::runs::Runs;
use crate::superblock::{PLACE_BYTES, PLACES};
use crate::volume::{Chunk, Chunks, STRIPE_BYTES, Spread};

/// Bytes at the start of a device that no chunk uses, nor anybody else may be sure of.
const HEAD_BYTES: u64 = 1 << 20;

/// A stripe on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Where it starts on the disk.
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    /// The number of its chunk.
    chunk: usize,
    /// Its number among the stripes of the chunk.
    index: u64,
}

impl Stretch {
    pub(crate) const fn end(&self) -> u64 {
        self.at.saturating_add(self.bytes)
    }

    /// The start of its chunk.
    pub(crate) fn chunk_start(&self, chunks: &Chunks) -> Option<u64> {
        chunks.all().get(self.chunk).map(|chunk| chunk.start)
    }
}

/// All stripes on this device, ascending by their place on the disk.
pub(crate) fn stretches(chunks: &Chunks) -> Vec<Stretch> {
    let mut all: Vec<_> = (chunks.all().iter().enumerate())
        .flat_map(|(number, chunk)| {
            chunk.own.iter().map(move |stripe| Stretch {
                at: stripe.at,
                bytes: chunk.stripe_bytes(),
                chunk: number,
                index: stripe.index,
            })
        })
        .collect();
    all.sort_unstable_by_key(|stretch| stretch.at);
    all
}

/// What is where on this device.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) chunks: Chunks,
    /// Ascending, and not overlapping.
    pub(crate) stretches: Vec<Stretch>,
    /// What is used, in bytes of the filesystem.
    pub(crate) used: Runs,
    /// Where the filesystem ends on this device.
    pub(crate) end: u64,
    pub(crate) disk_bytes: u64,
}

impl Layout {
    /// What the bytes `range` of the disk are.
    pub(crate) fn extents(&self, range: Range<u64>) -> Extents<'_> {
        let mut at = range.start;
        let pieces = std::iter::from_fn(move || {
            if at >= self.disk_bytes {
                return None;
            }
            let (is_used, end) = self.piece(at);
            let end = end.clamp(at.saturating_add(1), self.disk_bytes);
            let kind = if is_used {
                ExtentKind::Data
            } else {
                ExtentKind::Free
            };
            let piece = Extent::new(at..end, kind);
            at = end;
            Some(Ok::<_, Infallible>(piece))
        });
        clip(pieces, range)
    }

    /// Whether the byte `at` of the disk is used, and until where that is so at least.
    fn piece(&self, at: u64) -> (bool, u64) {
        if at < HEAD_BYTES {
            return (true, HEAD_BYTES);
        }
        if at >= self.end {
            return (true, u64::MAX);
        }
        let mut limit = self.end;
        for place in PLACES {
            let end = place.saturating_add(PLACE_BYTES);
            if (place..end).contains(&at) {
                return (true, end);
            }
            if place > at {
                limit = limit.min(place);
            }
        }
        let after = self.stretches.partition_point(|one| one.end() <= at);
        let (is_used, end) = match self.stretches.get(after) {
            Some(stretch) if stretch.at <= at => self.piece_of(stretch, at),
            Some(stretch) => (false, stretch.at),
            None => (false, u64::MAX),
        };
        (is_used, end.min(limit))
    }

    fn piece_of(&self, stretch: &Stretch, at: u64) -> (bool, u64) {
        let Some(chunk) = self.chunks.all().get(stretch.chunk) else {
            return (true, stretch.end());
        };
        let inside = at.saturating_sub(stretch.at);
        let (is_used, end) = match chunk.spread {
            Spread::Copies => {
                let (is_used, end) = self.used.at(chunk.start.saturating_add(inside));
                (is_used, end.saturating_sub(chunk.start))
            }
            Spread::Turns { copies } => {
                let column = stretch.index.checked_div(copies).unwrap_or(0);
                self.turn(chunk, column, inside)
            }
            Spread::Parity { .. } => self.row(chunk, inside),
        };
        let end = stretch.at.saturating_add(end);
        (is_used, end.min(stretch.end()))
    }

    /// Whether the byte `inside` a stripe is used if stripes take turns, and until where.
    fn turn(&self, chunk: &Chunk, column: u64, inside: u64) -> (bool, u64) {
        let row = inside.wrapping_div(STRIPE_BYTES);
        let in_piece = inside.wrapping_rem(STRIPE_BYTES);
        let number = row.saturating_mul(chunk.turns()).saturating_add(column);
        let logical = number.saturating_mul(STRIPE_BYTES).saturating_add(in_piece);
        let (is_used, end) = self.used.at(chunk.start.saturating_add(logical));
        let end = end.saturating_sub(chunk.start);
        let here = inside.saturating_add(end.saturating_sub(logical));
        let row_end = row.saturating_add(1).saturating_mul(STRIPE_BYTES);
        // As long as whole rows are the same, so is this stripe.
        (is_used, here.min(row_end).max(whole_rows(chunk, end)))
    }

    /// Whether the byte `inside` a stripe is used if there is parity, and until where. A row
    /// of which anything is used is used whole: its parity is that of all its bytes.
    fn row(&self, chunk: &Chunk, inside: u64) -> (bool, u64) {
        let row = inside.wrapping_div(STRIPE_BYTES);
        let row_end = row.saturating_add(1).saturating_mul(STRIPE_BYTES);
        let bytes = chunk.turns().saturating_mul(STRIPE_BYTES);
        let start = row.saturating_mul(bytes);
        let (is_used, end) = self.used.at(chunk.start.saturating_add(start));
        let end = end.saturating_sub(chunk.start);
        if !is_used && end < start.saturating_add(bytes) {
            return (true, row_end);
        }
        (is_used, row_end.max(whole_rows(chunk, end)))
    }
}

/// How far into a stripe the rows reach that end at byte `end` of the chunk, or before it.
fn whole_rows(chunk: &Chunk, end: u64) -> u64 {
    let bytes = chunk.turns().saturating_mul(STRIPE_BYTES);
    let rows = end.checked_div(bytes).unwrap_or(0);
    rows.saturating_mul(STRIPE_BYTES)
}
