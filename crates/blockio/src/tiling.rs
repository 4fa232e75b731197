//! Disks that can tell what their bytes are.

use std::error::Error;
use std::ops::Range;
use std::sync::Arc;

use crate::extent::{Extent, ExtentKind, Merge};

/// Why a [`Tiling`] cannot tell what comes next.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Extents that tile a range, in order; they end after the first error.
pub type Extents<'a> = Box<dyn Iterator<Item = Result<Extent, BoxError>> + Send + 'a>;

/// A disk that can tell what its bytes are.
pub trait Tiling: Send + Sync {
    /// Returns maximal extents that tile `range`, in order, and the same each time.
    /// `range` must lie within the disk.
    fn extents(&self, range: Range<u64>) -> Extents<'_>;
}

/// A disk on which every byte matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllData;

impl Tiling for AllData {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        let all = Extent::new(range, ExtentKind::Data);
        Box::new((all.length > 0).then_some(Ok(all)).into_iter())
    }
}

impl Tiling for [Extent] {
    /// Returns the parts of these extents, which tile the disk, that lie in `range`.
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        let first = self.partition_point(|extent| extent.end() <= range.start);
        let rest = self.get(first..).unwrap_or_default();
        clip(rest.iter().copied().map(Ok::<_, BoxError>), range)
    }
}

/// Returns the parts of `extents`, which ascend, that lie in `range`, as maximal runs.
pub fn clip<'a, E: Into<BoxError>>(
    extents: impl Iterator<Item = Result<Extent, E>> + Send + 'a,
    range: Range<u64>,
) -> Extents<'a> {
    let Range { start, end } = range;
    let mut extents = extents;
    let mut at = start;
    let parts = std::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let part = extents.next()?.map_err(Into::into).map(|extent| {
            at = extent.end();
            Extent::new(extent.start.max(start)..at.min(end), extent.kind)
        });
        Some(part)
    });
    Box::new(Merge::new(parts))
}

/// Implements the trait for pointers to such a disk.
macro_rules! by_pointer {
    ($($pointer:ty),*) => {$(
        impl<T: Tiling + ?Sized> Tiling for $pointer {
            fn extents(&self, range: Range<u64>) -> Extents<'_> {
                (**self).extents(range)
            }
        }
    )*};
}

by_pointer!(&T, Box<T>, Arc<T>);

impl Tiling for Vec<Extent> {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        self.as_slice().extents(range)
    }
}

impl<const N: usize> Tiling for [Extent; N] {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        self.as_slice().extents(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ExtentKind::{Data, Free};

    fn all(tiling: &(impl Tiling + ?Sized), range: Range<u64>) -> Vec<Extent> {
        let extents: Result<_, _> = tiling.extents(range).collect();
        extents.unwrap()
    }

    #[test]
    fn a_part_of_a_tiling_tiles_that_part() {
        let disk = [
            Extent::new(0..4, Data),
            Extent::new(4..6, Data),
            Extent::new(6..10, Free),
        ];
        assert_eq!(all(&disk, 0..10), [Extent::new(0..6, Data), disk[2]]);
        let part = [Extent::new(5..6, Data), Extent::new(6..7, Free)];
        assert_eq!(all(&Box::new(disk), 5..7), part);
        assert_eq!(all(&disk[..], 6..6), []);
        assert_eq!(all(&disk.to_vec(), 10..10), []);
        assert_eq!(all(&AllData, 3..5), [Extent::new(3..5, Data)]);
        assert_eq!(all(&AllData, 3..3), []);
    }

    #[test]
    fn extents_past_the_range_are_not_asked_for() {
        let mut asked = 0;
        let endless = std::iter::from_fn(|| {
            asked += 4;
            Some(Ok::<_, BoxError>(Extent::new(asked - 4..asked, Data)))
        });
        assert_eq!(
            clip(endless, 2..9).map(Result::unwrap).collect::<Vec<_>>(),
            [Extent::new(2..9, Data)]
        );
        assert_eq!(asked, 12);
    }
}
