//! The digest of a disk.

use blockio::{AllData, ReadAt, Tiling};
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

#[cfg(test)]
mod tests {
    use super::*;
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
