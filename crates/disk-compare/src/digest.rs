//! The digest of a disk.

use std::io;
use std::iter;
use std::ops::Range;

use blockio::{AllData, ExtentKind, Holes, ReadAt, Tiling, is_zero};
use pipeline::{BufferPool, ordered_map};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::options::Options;
use crate::pieces::{PIECE_BYTES, Piece, Pieces};
use crate::units::usize_of;

/// The SHA-256 of all bytes of `disk`. `stored` tells where it holds data; elsewhere it
/// reads as zeros, and is not read.
///
/// # Errors
///
/// [`Error::Found`] if the disk cannot be read, [`Error::Stopped`] if the callback says so.
pub fn sha256<D, T>(disk: &D, stored: &T, options: &Options<'_>) -> Result<[u8; 32], Error>
where
    D: ReadAt + ?Sized,
    T: Tiling + ?Sized,
{
    let size = disk.size();
    let pool = BufferPool::new();
    let zeros = vec![0; usize_of(PIECE_BYTES)];
    let mut hash = Sha256::new();
    let all = AllData.extents(0..size);
    let stored = stored.extents(0..size);
    let pieces = Pieces::new(
        all.map(|extent| extent.map_err(Error::Found)),
        stored.map(|extent| extent.map_err(Error::Found)),
    );
    let read = |piece: Piece| {
        let mut bytes = None;
        if piece.stored {
            let buffer = bytes.insert(pool.take(piece.length()));
            disk.read_at(piece.range.start, buffer)
                .map_err(|error| Error::Found(error.into()))?;
        }
        Ok((piece, bytes))
    };
    ordered_map(options.threads(), pieces, read, |(piece, bytes)| {
        match &bytes {
            Some(bytes) => hash.update(&**bytes),
            None => hash.update(zeros.get(..piece.length()).unwrap_or(&zeros)),
        }
        options.report(piece.range.end, size)
    })?;
    Ok(hash.finalize().into())
}

/// A digest of what `matters` on `disk`, which is [`Data`](blockio::ExtentKind::Data): the
/// SHA-256 of the pieces in which there is anything but zeros, each after its place.
///
/// It does not depend on which zeros are holes, and holes are not read. Digests can only be
/// compared if they are of the same bytes.
///
/// # Errors
///
/// [`Error::Expected`] if it is not known what matters, and as [`sha256`].
pub fn digest_of<D, T>(disk: &D, matters: &T, options: &Options<'_>) -> Result<[u8; 32], Error>
where
    D: ReadAt + ?Sized,
    T: Tiling + ?Sized,
{
    let size = disk.size();
    let (pool, holes) = (BufferPool::new(), Holes::new());
    let mut hash = Sha256::new();
    let extents = matters.extents(0..size);
    let data = extents.filter(|one| !matches!(one, Ok(one) if one.kind != ExtentKind::Data));
    let pieces = data.flat_map(|extent| {
        let (mut rest, mut failed) = match extent {
            Ok(extent) => (extent.range(), None),
            Err(error) => (0..0, Some(Error::Expected(error))),
        };
        let holes = &holes;
        iter::from_fn(move || {
            if let Some(error) = failed.take() {
                return Some(Err(error));
            }
            if rest.is_empty() {
                return None;
            }
            match next_piece(disk, holes, &rest) {
                Ok(piece) => {
                    rest.start = piece.as_ref().map_or(rest.end, |piece| piece.end);
                    piece.map(Ok)
                }
                Err(error) => {
                    rest.start = rest.end;
                    Some(Err(Error::Found(error.into())))
                }
            }
        })
    });
    let read = |piece: Range<u64>| {
        let mut bytes = pool.take(usize_of(piece.end.saturating_sub(piece.start)));
        disk.read_at(piece.start, &mut bytes)
            .map_err(|error| Error::Found(error.into()))?;
        Ok((piece, bytes))
    };
    ordered_map(options.threads(), pieces, read, |(piece, bytes)| {
        if !is_zero(&bytes) {
            hash.update(piece.start.to_le_bytes());
            hash.update(piece.end.to_le_bytes());
            hash.update(&*bytes);
        }
        options.report(piece.end, size)
    })?;
    Ok(hash.finalize().into())
}

/// The next piece of `range` that is not a hole of `disk` with all its bytes. Where pieces
/// begin and end does not depend on the holes.
fn next_piece(
    disk: &(impl ReadAt + ?Sized),
    holes: &Holes,
    range: &Range<u64>,
) -> io::Result<Option<Range<u64>>> {
    let data = holes.next_data(disk, range.start)?;
    let Some(data) = data.filter(|data| data.start < range.end) else {
        return Ok(None);
    };
    let start = data.start / PIECE_BYTES * PIECE_BYTES;
    let end = start.saturating_add(PIECE_BYTES).min(range.end);
    Ok(Some(start.max(range.start)..end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use blockio::testing::Sparse;
    use blockio::{Extent, ExtentKind, MemoryDisk, WriteAt};
    use std::ops::ControlFlow;

    #[test]
    fn the_digest_covers_holes() {
        let disk = MemoryDisk::default();
        disk.write_at(2_500_000, &[1]).unwrap();
        disk.write_at(2_999_999, &[0]).unwrap();
        let stored = [
            Extent::new(0..2_490_368, ExtentKind::Unallocated),
            Extent::new(2_490_368..2_555_904, ExtentKind::Data),
            Extent::new(2_555_904..2_600_000, ExtentKind::Zero),
            Extent::new(2_600_000..3_000_000, ExtentKind::Unallocated),
        ];
        let mut bytes = vec![0; 3_000_000];
        bytes[2_500_000] = 1;
        let want: [u8; 32] = Sha256::digest(&bytes).into();
        let options = Options::default();
        assert_eq!(sha256(&disk, &stored, &options).unwrap(), want);
        assert_eq!(sha256(&bytes, &AllData, &options).unwrap(), want);
    }

    #[test]
    fn holes_and_zeros_and_what_does_not_matter_are_all_the_same() {
        let size = (5 << 40) + 77;
        let at = |place: u64, byte: u8| Sparse::new(size).with(place, [byte; 3]);
        let matters = [
            Extent::new(0..1000, ExtentKind::Data),
            Extent::new(1000..3 << 40, ExtentKind::Free),
            Extent::new(3 << 40..size, ExtentKind::Data),
        ];
        let options = Options::default();
        let digest = |disk: &Sparse| digest_of(disk, &matters, &options).unwrap();
        let empty = digest(&at(5, 0));
        // Zeros, and what is free.
        for (place, byte) in [(4 << 40, 0), (1000, 1), ((3 << 40) - 3, 1)] {
            assert_eq!(digest(&at(place, byte)), empty, "{place}");
        }
        let places = [0, 997, 3 << 40, (3 << 40) + 1, 4 << 40, size - 3];
        let mut digests: Vec<_> = places.map(|place| digest(&at(place, 1))).into();
        digests.push(digest(&at(0, 2)));
        digests.push(empty);
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), places.len() + 2);
        // Zeros beside data make no difference, be they held or not.
        let held = at(4 << 40, 1).with((4 << 40) + 70_000, vec![0; 3 << 20]);
        assert_eq!(digest(&held), digest(&at(4 << 40, 1)));
    }

    #[test]
    fn a_digest_can_be_stopped() {
        let stop = |_| ControlFlow::Break(());
        let options = Options {
            progress: Some(&stop),
            ..Options::default()
        };
        let stopped = sha256(&vec![0; 10], &AllData, &options);
        assert!(matches!(stopped, Err(Error::Stopped)));
    }
}
