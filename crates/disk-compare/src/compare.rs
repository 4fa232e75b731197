//! Whether two disks are the same.

use blockio::{Holes, ReadAt, Tiling, is_zero, len_u64};
use pipeline::{BufferPool, ordered_map};

use crate::error::Error;
use crate::options::Options;
use crate::pieces::{Piece, Pieces};

/// Compares two disks: where `matters` has [`Data`](blockio::ExtentKind::Data), `found`
/// must hold the bytes of `expected`, and zeros everywhere else. `stored` tells where
/// `found` holds data; elsewhere it reads as zeros, and is read only where something
/// else may be expected.
///
/// Where `expected` has a hole and `found` holds no data, both are zeros, and neither is read.
///
/// With [`AllData`](blockio::AllData) for `matters` the disks must be the same wholly.
///
/// # Errors
///
/// [`Error::Size`] or [`Error::Differs`] if they are not the same, [`Error::Expected`] or
/// [`Error::Found`] if one of them cannot be read, [`Error::Stopped`] if the callback
/// says so.
pub fn compare<E, M, F, T>(
    expected: &E,
    matters: &M,
    found: &F,
    stored: &T,
    options: &Options<'_>,
) -> Result<(), Error>
where
    E: ReadAt + ?Sized,
    M: Tiling + ?Sized,
    F: ReadAt + ?Sized,
    T: Tiling + ?Sized,
{
    let size = expected.size();
    if found.size() != size {
        return Err(Error::Size {
            expected: size,
            found: found.size(),
        });
    }
    let pool = BufferPool::new();
    let matters = matters.extents(0..size);
    let stored = stored.extents(0..size);
    let pieces = Pieces::new(
        matters.map(|extent| extent.map_err(Error::Expected)),
        stored.map(|extent| extent.map_err(Error::Found)),
    );
    let holes = Holes::new();
    let next_data = |from| holes.next_data(expected, from);
    let pieces = pieces.without_holes(&next_data);
    let work = |piece: Piece| {
        let mut bytes = pool.take(piece.length());
        found
            .read_at(piece.range.start, &mut bytes)
            .map_err(|error| Error::Found(error.into()))?;
        if !piece.used {
            return check(&piece, &bytes, is_zero(&bytes), |_| 0);
        }
        let mut wanted = pool.take(piece.length());
        expected
            .read_at(piece.range.start, &mut wanted)
            .map_err(|error| Error::Expected(error.into()))?;
        let same = *wanted == *bytes;
        check(&piece, &bytes, same, |at| {
            wanted.get(at).copied().unwrap_or(0)
        })
    };
    ordered_map(options.threads(), pieces, work, |end| {
        options.report(end, size)
    })
}

/// The end of `piece` where it is the `same`, else the first byte of `found`
/// that is not what `expected` says for its place in the piece.
fn check(
    piece: &Piece,
    found: &[u8],
    same: bool,
    expected: impl Fn(usize) -> u8,
) -> Result<u64, Error> {
    let differing = || {
        found
            .iter()
            .enumerate()
            .find(|&(at, &byte)| byte != expected(at))
    };
    match if same { None } else { differing() } {
        None => Ok(piece.range.end),
        Some((at, &found)) => Err(Error::Differs {
            offset: piece.range.start.saturating_add(len_u64(at)),
            expected: expected(at),
            found,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blockio::testing::Sparse;
    use blockio::{AllData, BoxError, Extent, ExtentKind, Extents};
    use std::num::NonZeroUsize;
    use std::ops::{ControlFlow, Range};
    use std::sync::atomic::{AtomicU64, Ordering};

    const UNUSED: Range<u64> = 100_000..250_000;

    fn matters() -> [Extent; 3] {
        [
            Extent::new(0..UNUSED.start, ExtentKind::Data),
            Extent::new(UNUSED, ExtentKind::Free),
            Extent::new(UNUSED.end..300_000, ExtentKind::Data),
        ]
    }

    /// What an image of clusters of 64 KiB would store of such a disk.
    fn stored() -> [Extent; 3] {
        [
            Extent::new(0..131_072, ExtentKind::Data),
            Extent::new(131_072..196_608, ExtentKind::Unallocated),
            Extent::new(196_608..300_000, ExtentKind::Data),
        ]
    }

    /// How far the comparison came.
    fn compared(expected: &Vec<u8>, found: &Vec<u8>) -> Result<u64, Error> {
        let done = AtomicU64::new(0);
        let hear = |progress: blockio::Progress| {
            assert_eq!(progress.total_bytes, 300_000);
            done.store(progress.done_bytes, Ordering::Relaxed);
            ControlFlow::Continue(())
        };
        let options = Options {
            threads: Some(NonZeroUsize::MIN),
            progress: Some(&hear),
        };
        compare(expected, &matters(), found, &stored(), &options)?;
        Ok(done.into_inner())
    }

    #[test]
    fn a_used_byte_that_differs_is_found_where_it_is() {
        let mut disk: Vec<u8> = (0..300_000u32).map(|n| n.to_le_bytes()[1] | 1).collect();
        let mut found = disk.clone();
        found[100_000..250_000].fill(0);
        assert!(matches!(compared(&disk, &found), Ok(300_000)));

        // An unused byte may be anything in the source.
        disk[150_000] ^= 2;
        assert!(matches!(compared(&disk, &found), Ok(300_000)));
        for at in [0, 99_999, 250_000, 299_999] {
            let right = disk[at];
            disk[at] ^= 2;
            let want = Err((u64::try_from(at).unwrap(), disk[at], right));
            let told = compared(&disk, &found).map_err(|error| match error {
                Error::Differs {
                    offset,
                    expected,
                    found,
                } => (offset, expected, found),
                other => panic!("{other}"),
            });
            assert_eq!(told, want);
            disk[at] = right;
        }
        disk.push(0);
        assert!(matches!(
            compared(&disk, &found),
            Err(Error::Size {
                expected: 300_001,
                found: 300_000
            })
        ));
    }

    #[test]
    fn a_stale_byte_is_found() {
        let disk = vec![1; 300_000];
        assert!(matches!(
            compared(&disk, &disk),
            Err(Error::Differs {
                offset: 100_000,
                expected: 0,
                found: 1
            })
        ));
    }

    #[test]
    fn wholly_the_same_is_the_same_in_every_byte() {
        let disk: Vec<u8> = (0..3_000_000u32).map(|n| n.to_le_bytes()[1]).collect();
        let options = Options::default();
        compare(&disk, &AllData, &disk, &AllData, &options).unwrap();
        let mut other = disk.clone();
        other[2_999_999] ^= 1;
        let found = compare(&disk, &AllData, &other, &AllData, &options);
        assert!(matches!(
            found,
            Err(Error::Differs {
                offset: 2_999_999,
                ..
            })
        ));
    }

    #[test]
    fn what_is_a_hole_on_both_sides_is_not_read() {
        const SIZE: u64 = 1 << 50;
        let disks = [1, 1, 2].map(|byte| Sparse::new(SIZE).with(1 << 40, [byte; 9]));
        let options = Options::default();
        let data = (1 << 40)..(1 << 40) + 65_536;
        let stored = [
            Extent::new(0..data.start, ExtentKind::Unallocated),
            Extent::new(data.clone(), ExtentKind::Data),
            Extent::new(data.end..SIZE, ExtentKind::Zero),
        ];
        let [one, other, wrong] = &disks;
        compare(one, &AllData, other, &stored, &options).unwrap();
        let differs = compare(one, &AllData, wrong, &stored, &options);
        assert!(matches!(differs, Err(Error::Differs { offset, .. }) if offset == 1 << 40));
        // What is expected, and not stored, is read.
        let nothing = [Extent::new(0..SIZE, ExtentKind::Unallocated)];
        let empty = Sparse::new(SIZE);
        let differs = compare(one, &AllData, &empty, &nothing, &options);
        assert!(
            matches!(differs, Err(Error::Differs { offset, expected: 1, .. }) if offset == 1 << 40)
        );
    }

    /// A disk that does not know what its bytes are.
    struct Unknown;

    impl Tiling for Unknown {
        fn extents(&self, _: Range<u64>) -> Extents<'_> {
            Box::new([Err(BoxError::from("no map"))].into_iter())
        }
    }

    #[test]
    fn whose_fault_it_is_is_told() {
        let disk = vec![0; 10];
        let options = Options::default();
        let one = compare(&disk, &Unknown, &disk, &AllData, &options);
        assert!(matches!(one, Err(Error::Expected(error)) if error.to_string() == "no map"));
        let other = compare(&disk, &AllData, &disk, &Unknown, &options);
        assert!(matches!(other, Err(Error::Found(error)) if error.to_string() == "no map"));
    }

    #[test]
    fn a_comparison_can_be_stopped() {
        let disk = vec![0; 3 << 20];
        let calls = AtomicU64::new(0);
        let stop = |_| {
            calls.fetch_add(1, Ordering::Relaxed);
            ControlFlow::Break(())
        };
        let options = Options {
            progress: Some(&stop),
            ..Options::default()
        };
        let stopped = compare(&disk, &AllData, &disk, &AllData, &options);
        assert!(matches!(stopped, Err(Error::Stopped)));
        assert_eq!(calls.into_inner(), 1);
    }
}
