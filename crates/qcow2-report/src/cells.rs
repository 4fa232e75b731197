//! Cells of a picture: how many bytes of each kind each of them has.

use std::marker::PhantomData;
use std::ops::Range;

use crate::kinds::{KINDS_MAX, Kind};
use crate::scale::Scale;

/// The cells of a picture, and how many bytes of each kind each of them has.
#[derive(Clone, Debug)]
pub struct Cells<K> {
    /// Which bytes each of them stands for.
    pub scale: Scale,
    cells: Vec<[u64; KINDS_MAX]>,
    totals: [u64; KINDS_MAX],
    kind: PhantomData<K>,
}

impl<K: Kind> Cells<K> {
    /// Empty cells.
    pub(crate) fn new(scale: Scale) -> Self {
        Self {
            scale,
            cells: vec![[0; KINDS_MAX]; scale.count()],
            totals: [0; KINDS_MAX],
            kind: PhantomData,
        }
    }

    /// Counts the bytes `range` as bytes of `kind`.
    pub(crate) fn add(&mut self, range: Range<u64>, kind: K) {
        let index = kind.index();
        let add = |counts: &mut [u64; KINDS_MAX], bytes: u64| {
            if let Some(count) = counts.get_mut(index) {
                *count = count.saturating_add(bytes);
            }
        };
        add(&mut self.totals, range.end.saturating_sub(range.start));
        for (cell, part) in self.scale.split(range) {
            if let Some(counts) = self.cells.get_mut(cell) {
                add(counts, part.end.saturating_sub(part.start));
            }
        }
    }

    /// How many bytes of `kind` there are in all.
    #[must_use]
    pub fn total(&self, kind: K) -> u64 {
        self.totals.get(kind.index()).copied().unwrap_or(0)
    }

    /// How many bytes of each kind each cell has, without those of which it has none.
    pub fn iter(&self) -> impl Iterator<Item = Vec<(K, u64)>> {
        self.cells.iter().map(|counts| {
            let counts = K::ALL.iter().copied().zip(counts.iter().copied());
            counts.filter(|(_, bytes)| *bytes > 0).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::DiskKind::{Free, Used};

    #[test]
    fn bytes_are_counted_in_the_cells_that_they_lie_in() {
        let mut cells = Cells::new(Scale::new(100, 32));
        cells.add(0..40, Used);
        cells.add(40..100, Free);
        cells.add(100..100, Used);
        let found: Vec<_> = cells.iter().collect();
        assert_eq!(
            found,
            [
                vec![(Used, 32)],
                vec![(Used, 8), (Free, 24)],
                vec![(Free, 32)],
                vec![(Free, 4)],
            ]
        );
        assert_eq!((cells.total(Used), cells.total(Free)), (40, 60));
    }
}
