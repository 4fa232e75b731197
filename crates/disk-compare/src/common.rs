//! What two tilings of a disk have in common.

use std::ops::Range;

use blockio::{Extent, ExtentKind, Extents, Merge, Tiling};

/// What is [`Data`](ExtentKind::Data) in two tilings of one disk: that, and nothing else.
/// All other bytes are `Unallocated`.
///
/// It narrows what is compared: to bytes that matter *and* that a disk holds.
///
/// ```
/// use blockio::{Extent, ExtentKind, Tiling};
/// use disk_compare::Common;
///
/// let matters = [Extent::new(0..6, ExtentKind::Data), Extent::new(6..9, ExtentKind::Free)];
/// let stored = [Extent::new(0..4, ExtentKind::Unallocated), Extent::new(4..9, ExtentKind::Data)];
/// let both = Common::new(&matters, &stored);
/// assert_eq!(both.extents(0..9).map(Result::unwrap).collect::<Vec<_>>(), [
///     Extent::new(0..4, ExtentKind::Unallocated),
///     Extent::new(4..6, ExtentKind::Data),
///     Extent::new(6..9, ExtentKind::Unallocated),
/// ]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Common<A, B> {
    one: A,
    other: B,
}

impl<A: Tiling, B: Tiling> Common<A, B> {
    /// What `one` and `other`, which tile the same disk, have in common.
    pub fn new(one: A, other: B) -> Self {
        Self { one, other }
    }
}

impl<A: Tiling, B: Tiling> Tiling for Common<A, B> {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        let (mut one, mut other) = (
            self.one.extents(range.clone()),
            self.other.extents(range.clone()),
        );
        let (mut first, mut second) = (None::<Extent>, None::<Extent>);
        let mut at = range.start;
        let parts = std::iter::from_fn(move || {
            for (held, rest) in [(&mut first, &mut one), (&mut second, &mut other)] {
                if held.is_none_or(|extent| extent.end() <= at) {
                    match rest.next()? {
                        Ok(extent) => *held = Some(extent),
                        Err(error) => return Some(Err(error)),
                    }
                }
            }
            let (first, second) = (first?, second?);
            let end = first.end().min(second.end());
            let is_data = |extent: Extent| extent.kind == ExtentKind::Data;
            let kind = match is_data(first) && is_data(second) {
                true => ExtentKind::Data,
                false => ExtentKind::Unallocated,
            };
            let part = Extent::new(at..end, kind);
            at = end;
            Some(Ok(part))
        });
        Box::new(Merge::new(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ExtentKind::{Data, Free, Unallocated, Zero};
    use blockio::{AllData, BoxError};

    #[test]
    fn only_what_both_hold_is_data() {
        let one = [
            Extent::new(0..10, Data),
            Extent::new(10..20, Zero),
            Extent::new(20..40, Data),
        ];
        let other = [
            Extent::new(0..5, Free),
            Extent::new(5..30, Data),
            Extent::new(30..40, Unallocated),
        ];
        let common = Common::new(&one, &other);
        let parts = |range| {
            common
                .extents(range)
                .map(Result::unwrap)
                .collect::<Vec<_>>()
        };
        let all = [
            Extent::new(0..5, Unallocated),
            Extent::new(5..10, Data),
            Extent::new(10..20, Unallocated),
            Extent::new(20..30, Data),
            Extent::new(30..40, Unallocated),
        ];
        assert_eq!(parts(0..40), all);
        assert_eq!(
            parts(7..22),
            [Extent::new(7..10, Data), all[2], Extent::new(20..22, Data)]
        );
        let same = Common::new(AllData, &one);
        assert_eq!(same.extents(0..40).count(), 3);
    }

    #[test]
    fn an_error_of_either_is_told_once() {
        struct Unknown;
        impl Tiling for Unknown {
            fn extents(&self, _: Range<u64>) -> Extents<'_> {
                Box::new([Err(BoxError::from("no map"))].into_iter())
            }
        }
        let (unknown, known): (&dyn Tiling, &dyn Tiling) = (&Unknown, &AllData);
        for told in [Common::new(unknown, known), Common::new(known, unknown)] {
            let all: Vec<_> = told.extents(0..9).collect();
            assert!(matches!(all.as_slice(), [Err(error)] if error.to_string() == "no map"));
        }
    }
}
