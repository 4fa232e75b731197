//! How bytes in a row are cut into cells of a picture.

use std::ops::Range;

use serde::Serialize;

/// Most cells of a picture.
pub const CELLS_MAX: u64 = 2048;

/// How bytes in a row are cut into cells, all of one length but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Scale {
    /// How many bytes there are.
    pub bytes: u64,
    /// How many of them a cell stands for: a power of two.
    pub cell_bytes: u64,
}

impl Scale {
    /// Cuts `bytes` into at most [`CELLS_MAX`] cells, none shorter than `unit_bytes`, a
    /// power of two.
    #[must_use]
    pub fn new(bytes: u64, unit_bytes: u64) -> Self {
        let needed = bytes.div_ceil(CELLS_MAX).max(unit_bytes);
        // Above 2^63 there are only two cells.
        let cell_bytes = needed.checked_next_power_of_two().unwrap_or(1 << 63);
        Self { bytes, cell_bytes }
    }

    /// How many cells there are.
    #[must_use]
    pub fn count(self) -> usize {
        index(self.bytes.div_ceil(self.cell_bytes))
    }

    /// The cell with the byte at `offset`.
    #[must_use]
    pub fn cell(self, offset: u64) -> usize {
        index(offset >> self.cell_bytes.trailing_zeros())
    }

    /// The cells that `range` touches.
    #[must_use]
    pub fn cells(self, range: &Range<u64>) -> Range<usize> {
        if range.is_empty() {
            return 0..0;
        }
        let last = self.cell(range.end.saturating_sub(1));
        self.cell(range.start)..last.saturating_add(1)
    }

    /// Cuts `range` at the borders of cells: each part, with the index of its cell.
    pub(crate) fn split(self, range: Range<u64>) -> impl Iterator<Item = (usize, Range<u64>)> {
        let Range { mut start, end } = range;
        std::iter::from_fn(move || {
            if start >= end {
                return None;
            }
            let cell = start >> self.cell_bytes.trailing_zeros();
            let border = cell.saturating_add(1).saturating_mul(self.cell_bytes);
            let part = start..border.min(end);
            start = part.end;
            Some((index(cell), part))
        })
    }
}

/// At most [`CELLS_MAX`] for what lies within.
fn index(cell: u64) -> usize {
    usize::try_from(cell).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_few_and_their_length_is_a_power_of_two() {
        let scale = |bytes, unit| {
            let scale = Scale::new(bytes, unit);
            (scale.cell_bytes, scale.count())
        };
        assert_eq!(scale(0, 512), (512, 0));
        assert_eq!(scale(1, 512), (512, 1));
        assert_eq!(scale(513, 512), (512, 2));
        assert_eq!(scale(1 << 40, 65536), (512 << 20, 2048));
        assert_eq!(scale((1 << 40) + 1, 65536), (1 << 30, 1025));
        assert_eq!(scale(u64::MAX, 512), (1 << 53, 2048));
    }

    #[test]
    fn a_range_is_cut_where_cells_end() {
        let scale = Scale::new(100, 32);
        assert_eq!(scale.count(), 4);
        let parts: Vec<_> = scale.split(30..97).collect();
        assert_eq!(parts, [(0, 30..32), (1, 32..64), (2, 64..96), (3, 96..97)]);
        assert_eq!(scale.split(5..5).count(), 0);
        assert_eq!(scale.cells(&(30..97)), 0..4);
        assert_eq!(scale.cells(&(32..64)), 1..2);
        assert_eq!(scale.cells(&(7..7)), 0..0);
        let all = Scale::new(u64::MAX, 512);
        assert_eq!(all.split(0..u64::MAX).count(), all.count());
    }
}
