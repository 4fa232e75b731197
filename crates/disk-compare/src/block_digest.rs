//! The digest of a disk, of the digests of its blocks.

use std::num::NonZeroU32;
use std::ops::Range;

use blake2::Blake2b;
use blake2::digest::consts::U32;
use blockio::{Extent, ExtentKind, ReadAt, Tiling, is_zero};
use pipeline::{BufferPool, ordered_map};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::options::Options;
use crate::units::usize_of;

/// Length of a digest in bytes.
const DIGEST_BYTES: usize = 32;

/// A digest function. Both give 32 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// BLAKE2b with a digest of 32 bytes, no key, salt or personalization (RFC 7693).
    #[default]
    Blake2b,
    /// SHA-256 (FIPS 180-4).
    Sha256,
}

impl Algorithm {
    /// The name, as Python's hashlib has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blake2b => "blake2b",
            Self::Sha256 => "sha256",
        }
    }

    fn digest(self, bytes: &[u8]) -> [u8; DIGEST_BYTES] {
        let mut hash = Hash::new(self);
        hash.update(bytes);
        hash.finish()
    }
}

/// A digest function at work.
enum Hash {
    Blake2b(Box<Blake2b<U32>>),
    Sha256(Box<Sha256>),
}

impl Hash {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Blake2b => Self::Blake2b(Box::default()),
            Algorithm::Sha256 => Self::Sha256(Box::default()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Blake2b(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
        }
    }

    fn finish(self) -> [u8; DIGEST_BYTES] {
        match self {
            Self::Blake2b(hash) => hash.finalize().into(),
            Self::Sha256(hash) => hash.finalize().into(),
        }
    }
}

/// How a disk is cut into blocks, and what makes their digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockDigest {
    /// Makes the digests of the blocks, and that of these.
    pub algorithm: Algorithm,
    /// Size of a block in bytes.
    pub block_bytes: NonZeroU32,
}

impl Default for BlockDigest {
    /// BLAKE2b of blocks of 4 MiB.
    fn default() -> Self {
        Self {
            algorithm: Algorithm::default(),
            block_bytes: const { NonZeroU32::new(4 << 20).unwrap() },
        }
    }
}

/// The digest of all bytes of `disk`, at a cost that grows with its data: the disk is cut
/// into blocks from its start on, the last of which may be shorter, and the digest is that
/// of the digests of all blocks, one after the other. The digest of a block of zeros is
/// known. `stored` tells where the disk holds data; elsewhere it reads as zeros, and is not
/// read.
///
/// So it depends on the bytes of the disk and on `how` alone, not on what is a hole.
///
/// # Errors
///
/// [`Error::Found`] if the disk cannot be read, [`Error::Stopped`] if the callback says so.
///
/// # Example
///
/// ```
/// use blockio::AllData;
/// use disk_compare::{BlockDigest, Options, block_digest};
///
/// let digest = block_digest(&vec![0; 1], &AllData, BlockDigest::default(), &Options::default())?;
/// // The digest of the digest of one zero.
/// assert_eq!(digest[..4], [0xfb, 0x9d, 0x7a, 0x94]);
/// # Ok::<(), disk_compare::Error>(())
/// ```
pub fn block_digest<D, T>(
    disk: &D,
    stored: &T,
    how: BlockDigest,
    options: &Options<'_>,
) -> Result<[u8; DIGEST_BYTES], Error>
where
    D: ReadAt + ?Sized,
    T: Tiling + ?Sized,
{
    let size = disk.size();
    let block_bytes = u64::from(how.block_bytes.get());
    let zeros = how.algorithm.digest(&vec![0; usize_of(block_bytes)]);
    let pool = BufferPool::new();
    let blocks = Blocks {
        stored: stored.extents(0..size),
        held: None,
        at: 0,
        size,
        block_bytes,
    };
    let work = |step: Step| {
        let Step::Block { range, data } = step else {
            return Ok((step, zeros));
        };
        let place = |at: u64| usize_of(at.saturating_sub(range.start));
        let mut bytes = pool.take(place(range.end));
        let mut filled = 0;
        for part in &data {
            let part_at = place(part.start)..place(part.end);
            bytes[filled..part_at.start].fill(0);
            filled = part_at.end;
            disk.read_at(part.start, &mut bytes[part_at])
                .map_err(|error| Error::Found(error.into()))?;
        }
        bytes[filled..].fill(0);
        let is_whole = range.end.saturating_sub(range.start) == block_bytes;
        let digest = match is_whole && is_zero(&bytes) {
            true => zeros,
            false => how.algorithm.digest(&bytes),
        };
        Ok((Step::Block { range, data }, digest))
    };
    let mut root = Hash::new(how.algorithm);
    ordered_map(options.threads(), blocks, work, |(step, digest)| {
        let (count, end) = match step {
            Step::Zeros { blocks, end } => (blocks, end),
            Step::Block { range, .. } => (1, range.end),
        };
        for _ in 0..count {
            root.update(&digest);
        }
        options.report(end, size)
    })?;
    Ok(root.finish())
}

/// What comes next on a disk.
enum Step {
    /// So many whole blocks of which nothing is stored, and where they end.
    Zeros { blocks: u64, end: u64 },
    /// A block, and what of it is stored.
    Block {
        range: Range<u64>,
        data: Vec<Range<u64>>,
    },
}

/// Whole blocks of nothing that are told at once: progress is told after each step.
const ZERO_BLOCKS_MAX: u64 = 1 << 16;

/// A disk, block by block.
struct Blocks<'t> {
    stored: blockio::Extents<'t>,
    held: Option<Extent>,
    at: u64,
    size: u64,
    block_bytes: u64,
}

impl Blocks<'_> {
    /// The extent that holds byte `at`, which is on the disk.
    fn extent_at(&mut self, at: u64) -> Result<Extent, Error> {
        loop {
            match self.held {
                Some(extent) if extent.end() > at => return Ok(extent),
                _ => {}
            }
            let next = self.stored.next();
            let next =
                next.ok_or_else(|| Error::Found("the map of the disk ends too early".into()));
            self.held = Some(next?.map_err(Error::Found)?);
        }
    }

    fn step(&mut self) -> Result<Option<Step>, Error> {
        let start = self.at;
        if start >= self.size {
            return Ok(None);
        }
        let extent = self.extent_at(start)?;
        let whole = extent.end().saturating_sub(start) / self.block_bytes;
        if extent.kind != ExtentKind::Data && whole > 0 {
            let blocks = whole.min(ZERO_BLOCKS_MAX);
            self.at = start.saturating_add(blocks.saturating_mul(self.block_bytes));
            return Ok(Some(Step::Zeros {
                blocks,
                end: self.at,
            }));
        }
        let end = start.saturating_add(self.block_bytes).min(self.size);
        let mut data: Vec<Range<u64>> = Vec::new();
        let mut at = start;
        while at < end {
            let extent = self.extent_at(at)?;
            let part = at..extent.end().min(end);
            at = part.end;
            if extent.kind == ExtentKind::Data {
                data.push(part);
            }
        }
        self.at = end;
        Ok(Some(Step::Block {
            range: start..end,
            data,
        }))
    }
}

impl Iterator for Blocks<'_> {
    type Item = Result<Step, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blockio::testing::Sparse;
    use blockio::{AllData, MemoryDisk, WriteAt};
    use std::ops::ControlFlow;

    fn hex(digest: [u8; 32]) -> String {
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn of(algorithm: Algorithm, block_bytes: u32) -> BlockDigest {
        BlockDigest {
            algorithm,
            block_bytes: NonZeroU32::new(block_bytes).unwrap(),
        }
    }

    /// What the documentation says, written down as it stands there.
    fn by_the_book(bytes: &[u8], how: BlockDigest) -> [u8; 32] {
        let all: Vec<u8> = bytes
            .chunks(how.block_bytes.get().try_into().unwrap())
            .flat_map(|block| how.algorithm.digest(block))
            .collect();
        how.algorithm.digest(&all)
    }

    #[test]
    fn an_empty_disk_has_the_digest_of_nothing() {
        let digest = |algorithm| {
            let how = of(algorithm, 4096);
            hex(block_digest(&Vec::new(), &AllData, how, &Options::default()).unwrap())
        };
        assert_eq!(
            digest(Algorithm::Sha256),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            digest(Algorithm::Blake2b),
            "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"
        );
    }

    #[test]
    fn the_digest_depends_on_the_bytes_alone() {
        let disk = MemoryDisk::default();
        disk.write_at(25_000, &[1]).unwrap();
        disk.write_at(99_999, &[0]).unwrap();
        let stored = [
            Extent::new(0..24_576, ExtentKind::Unallocated),
            Extent::new(24_576..26_000, ExtentKind::Data),
            Extent::new(26_000..60_000, ExtentKind::Zero),
            Extent::new(60_000..60_001, ExtentKind::Data),
            Extent::new(60_001..100_000, ExtentKind::Unallocated),
        ];
        let mut bytes = vec![0; 100_000];
        bytes[25_000] = 1;
        let options = Options::default();
        for algorithm in [Algorithm::Blake2b, Algorithm::Sha256] {
            for block_bytes in [1, 1000, 4096, 25_000, 100_000, 1 << 20] {
                let how = of(algorithm, block_bytes);
                let want = by_the_book(&bytes, how);
                let sparse = block_digest(&disk, &stored, how, &options).unwrap();
                let full = block_digest(&bytes, &AllData, how, &options).unwrap();
                assert_eq!((sparse, full), (want, want), "{how:?}");
            }
        }
    }

    #[test]
    fn what_is_not_stored_is_not_read() {
        const SIZE: u64 = 1 << 50;
        let disk = Sparse::new(SIZE).with(1 << 40, [1; 9]);
        let data = (1 << 40)..(1 << 40) + 65_536;
        let stored = [
            Extent::new(0..data.start, ExtentKind::Unallocated),
            Extent::new(data.clone(), ExtentKind::Data),
            Extent::new(data.end..SIZE, ExtentKind::Zero),
        ];
        let how = of(Algorithm::Sha256, 1 << 30);
        let digest = |disk: &Sparse| block_digest(disk, &stored, how, &Options::default()).unwrap();
        assert_ne!(digest(&disk), digest(&Sparse::new(SIZE)));
    }

    #[test]
    fn it_can_be_stopped_and_tells_of_errors() {
        let stop = |_| ControlFlow::Break(());
        let options = Options {
            progress: Some(&stop),
            ..Options::default()
        };
        let how = BlockDigest::default();
        let stopped = block_digest(&vec![0; 10], &AllData, how, &options);
        assert!(matches!(stopped, Err(Error::Stopped)));
        let short = [Extent::new(0..5, ExtentKind::Data)];
        let short = block_digest(&vec![0; 10], &short, how, &Options::default());
        assert!(
            matches!(short, Err(Error::Found(error)) if error.to_string().contains("too early"))
        );
    }
}
