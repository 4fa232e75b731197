//! Proof that a finished image restores to what it was made from.

use std::error::Error;
use std::iter::Peekable;
use std::num::NonZeroUsize;
use std::ops::Range;

use blockio::{Extent, ExtentKind, ReadAt, is_zero};
use pipeline::{BufferPool, ordered_map};
use qcow2_reader::Image;
use sha2::{Digest, Sha256};

/// Bytes compared or hashed in one piece.
const PIECE_BYTES: u64 = 1 << 20;

/// Why an image could not be proven.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    #[error("the source cannot be read again")]
    Source(#[source] Box<dyn Error + Send + Sync>),
    #[error("the image cannot be read back")]
    Image(#[source] Box<dyn Error + Send + Sync>),
    #[error("verification failed: the image restores {found} bytes, the source has {expected}")]
    Size { expected: u64, found: u64 },
    #[error(
        "verification failed: the image is not what was read: byte {offset:#x} of the disk is {found:#04x}, it must be {expected:#04x}"
    )]
    Differs {
        offset: u64,
        expected: u8,
        found: u8,
    },
}

/// Compares every used byte of `source`, as `extents` tile it, with what
/// `image` restores, and zero with every other byte. `progress` hears how many
/// bytes of the disk are done.
pub(crate) fn verify<S, I, X>(
    source: &S,
    extents: I,
    image: &Image<impl ReadAt>,
    threads: NonZeroUsize,
    progress: impl Fn(u64) + Sync,
) -> Result<(), VerifyError>
where
    S: ReadAt + ?Sized,
    I: Iterator<Item = Result<Extent, X>> + Send,
    X: Error + Send + Sync + 'static,
{
    if image.size() != source.size() {
        return Err(VerifyError::Size {
            expected: source.size(),
            found: image.size(),
        });
    }
    let pool = BufferPool::new();
    let extents = extents.map(|extent| extent.map_err(|error| VerifyError::Source(error.into())));
    let stored = image
        .extents(0..image.size())
        .map(|extent| extent.map_err(|error| VerifyError::Image(error.into())));
    let compare = |piece: Piece| {
        let mut found = pool.take(piece.length());
        read_image(image, piece.range.start, &mut found)?;
        if !piece.used {
            return check(&piece, &found, is_zero(&found), |_| 0);
        }
        let mut expected = pool.take(piece.length());
        source
            .read_at(piece.range.start, &mut expected)
            .map_err(|error| VerifyError::Source(error.into()))?;
        let same = *expected == *found;
        check(&piece, &found, same, |at| {
            expected.get(at).copied().unwrap_or(0)
        })
    };
    ordered_map(threads, Pieces::new(extents, stored), compare, |end| {
        progress(end);
        Ok(())
    })
}

/// The SHA-256 of the disk that `image` restores to, in hexadecimal.
pub(crate) fn sha256(
    image: &Image<impl ReadAt>,
    threads: NonZeroUsize,
    progress: impl Fn(u64) + Sync,
) -> Result<String, VerifyError> {
    let pool = BufferPool::new();
    let zeros = vec![0; usize_of(PIECE_BYTES)];
    let mut hash = Sha256::new();
    let all_used = [Ok(Extent::new(0..image.size(), ExtentKind::Data))];
    let stored = image
        .extents(0..image.size())
        .map(|extent| extent.map_err(|error| VerifyError::Image(error.into())));
    let read = |piece: Piece| {
        let mut bytes = None;
        if piece.stored {
            let buffer = bytes.insert(pool.take(piece.length()));
            read_image(image, piece.range.start, buffer)?;
        }
        Ok((piece, bytes))
    };
    ordered_map(
        threads,
        Pieces::new(all_used.into_iter(), stored),
        read,
        |(piece, bytes)| {
            match &bytes {
                Some(bytes) => hash.update(&**bytes),
                None => hash.update(zeros.get(..piece.length()).unwrap_or(&zeros)),
            }
            progress(piece.range.end);
            Ok(())
        },
    )?;
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn read_image(
    image: &Image<impl ReadAt>,
    offset: u64,
    buffer: &mut [u8],
) -> Result<(), VerifyError> {
    image
        .read_at(offset, buffer)
        .map_err(|error| VerifyError::Image(error.into()))
}

/// The end of `piece` where it is the `same`, else the first byte of `found`
/// that is not what `expected` says for its place in the piece.
fn check(
    piece: &Piece,
    found: &[u8],
    same: bool,
    expected: impl Fn(usize) -> u8,
) -> Result<u64, VerifyError> {
    let differing = || {
        found
            .iter()
            .enumerate()
            .find(|&(at, &byte)| byte != expected(at))
    };
    match if same { None } else { differing() } {
        None => Ok(piece.range.end),
        Some((at, &found)) => Err(VerifyError::Differs {
            offset: piece.range.start + blockio::len_u64(at),
            expected: expected(at),
            found,
        }),
    }
}

/// A few bytes of the disk that somebody has to look at.
struct Piece {
    range: Range<u64>,
    /// The source needs these bytes.
    used: bool,
    /// The image holds these bytes.
    stored: bool,
}

impl Piece {
    fn length(&self) -> usize {
        usize_of(self.range.end.saturating_sub(self.range.start))
    }
}

/// At most [`PIECE_BYTES`], which every address space holds.
fn usize_of(piece_bytes: u64) -> usize {
    usize::try_from(piece_bytes).unwrap_or(usize::MAX)
}

/// Two tilings of one disk, cut into pieces on which both are constant; what
/// neither the source needs nor the image holds is left out.
struct Pieces<A: Iterator, B: Iterator> {
    source: Peekable<A>,
    image: Peekable<B>,
    at: u64,
}

impl<A, B> Pieces<A, B>
where
    A: Iterator<Item = Result<Extent, VerifyError>>,
    B: Iterator<Item = Result<Extent, VerifyError>>,
{
    fn new(source: A, image: B) -> Self {
        Self {
            source: source.peekable(),
            image: image.peekable(),
            at: 0,
        }
    }
}

impl<A, B> Iterator for Pieces<A, B>
where
    A: Iterator<Item = Result<Extent, VerifyError>>,
    B: Iterator<Item = Result<Extent, VerifyError>>,
{
    type Item = Result<Piece, VerifyError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let source = match extent_at(&mut self.source, self.at)? {
                Ok(extent) => extent,
                Err(error) => return Some(Err(error)),
            };
            let image = match extent_at(&mut self.image, self.at)? {
                Ok(extent) => extent,
                Err(error) => return Some(Err(error)),
            };
            let (used, stored) = (
                source.kind == ExtentKind::Data,
                image.kind == ExtentKind::Data,
            );
            let start = self.at;
            let end = source.end().min(image.end());
            if used || stored {
                self.at = end.min(start.saturating_add(PIECE_BYTES));
                return Some(Ok(Piece {
                    range: start..self.at,
                    used,
                    stored,
                }));
            }
            self.at = end;
        }
    }
}

/// The extent that holds byte `at`, which never goes back.
fn extent_at<I: Iterator<Item = Result<Extent, VerifyError>>>(
    extents: &mut Peekable<I>,
    at: u64,
) -> Option<Result<Extent, VerifyError>> {
    while let Some(next) = extents.next_if(|next| matches!(next, Ok(extent) if extent.end() <= at))
    {
        drop(next);
    }
    match extents.peek()? {
        Ok(extent) => Some(Ok(*extent)),
        Err(_) => extents.next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blockio::{AllData, MemoryDisk};
    use qcow2_reader::OpenOptions;
    use qcow2_writer::{PackOptions, pack};
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU64, Ordering};

    const UNUSED: Range<u64> = 100_000..250_000;

    fn tiling() -> [Extent; 3] {
        [
            Extent::new(0..UNUSED.start, ExtentKind::Data),
            Extent::new(UNUSED, ExtentKind::Free),
            Extent::new(UNUSED.end..300_000, ExtentKind::Data),
        ]
    }

    fn verify_against(disk: &Vec<u8>, image: &[u8]) -> Result<u64, VerifyError> {
        let image = Image::open(image, &OpenOptions::default()).unwrap();
        let done = AtomicU64::new(0);
        let extents = tiling().into_iter().map(Ok::<_, Infallible>);
        verify(disk, extents, &image, NonZeroUsize::MIN, |at| {
            done.store(at, Ordering::Relaxed);
        })?;
        Ok(done.into_inner())
    }

    #[test]
    fn a_used_byte_that_differs_is_found_where_it_is() {
        let mut disk: Vec<u8> = (0..300_000u32).map(|n| n.to_le_bytes()[1] | 1).collect();
        let target = MemoryDisk::default();
        pack(&disk, &tiling(), &target, &PackOptions::default()).unwrap();
        let image = target.into_bytes();
        assert!(matches!(verify_against(&disk, &image), Ok(300_000)));

        // An unused byte may be anything in the source.
        disk[150_000] ^= 2;
        assert!(matches!(verify_against(&disk, &image), Ok(300_000)));
        for at in [0, 99_999, 250_000, 299_999] {
            let right = disk[at];
            disk[at] ^= 2;
            let want = Err((u64::try_from(at).unwrap(), disk[at], right));
            let found = verify_against(&disk, &image).map_err(|error| match error {
                VerifyError::Differs {
                    offset,
                    expected,
                    found,
                } => (offset, expected, found),
                other => panic!("{other}"),
            });
            assert_eq!(found, want);
            disk[at] = right;
        }
        disk.push(0);
        let found = verify_against(&disk, &image);
        assert!(matches!(
            found,
            Err(VerifyError::Size {
                expected: 300_001,
                found: 300_000
            })
        ));
    }

    #[test]
    fn a_stale_byte_in_the_image_is_found() {
        let disk = vec![1; 300_000];
        let target = MemoryDisk::default();
        pack(&disk, &AllData, &target, &PackOptions::default()).unwrap();
        let found = verify_against(&disk, &target.into_bytes());
        assert!(matches!(
            found,
            Err(VerifyError::Differs {
                offset: 100_000,
                expected: 0,
                found: 1
            })
        ));
    }

    #[test]
    fn the_digest_covers_holes() {
        let mut disk = vec![0; 3_000_000];
        disk[2_500_000] = 1;
        let target = MemoryDisk::default();
        pack(&disk, &AllData, &target, &PackOptions::default()).unwrap();
        let bytes = target.into_bytes();
        let image = Image::open(bytes.as_slice(), &OpenOptions::default()).unwrap();
        let digest = sha256(&image, NonZeroUsize::MIN, |_| {}).unwrap();
        let want: String = Sha256::digest(&disk)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(digest, want);
    }
}
