//! A second, naive opinion on images: literal offsets and masks, no code of
//! ours. And storage that promises nothing, or fails.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::as_conversions,
    clippy::unwrap_used,
    reason = "shared by tests, each of which uses a part"
)]

mod compressed;
mod entries;
pub mod in_units;

use std::io;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use blockio::{Extent, Extents, MemoryDisk, ReadAt, Tiling, WriteAt};
use qcow2_writer::{Compression, DeflateWindow};

pub use entries::Unit;
use entries::{Entry, Shape};

pub const MAGIC: [u8; 4] = [0x51, 0x46, 0x49, 0xfb];

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// An image, taken apart.
#[derive(Debug)]
pub struct Naive {
    /// The disk, as long as the header says, rounded to 512 bytes.
    pub disk: Vec<u8>,
    /// Exact length of the disk.
    pub size: u64,
    /// Guest clusters that are stored.
    pub stored_clusters: u64,
    /// Those of them that are compressed.
    pub compressed_clusters: u64,
    /// Where their streams are in the image, in the order of the guest.
    pub streams: Vec<Range<usize>>,
    /// What is said of each subcluster, or cluster.
    pub units: Vec<Unit>,
    /// The unit of an exact allocation in bytes, if the image is marked.
    pub exact_unit: Option<u32>,
}

/// Takes `image` apart and checks on the way that every host cluster is
/// referenced as often as it is counted, and more than once by streams alone;
/// that the image ends at a cluster boundary, right behind what is used; that all
/// entries but those of streams are marked as the only ones; that streams do not
/// overlap, and are alone in their clusters, with nothing but zeros around them;
/// that subclusters without data hold zeros.
pub fn expand(image: &[u8]) -> Naive {
    assert_eq!(image[..4], MAGIC);
    let version = u32_at(image, 4);
    let shape = Shape::of(image);
    let cluster = shape.cluster;
    let header_size = u64_at(image, 24);
    let l1_entries = u32_at(image, 36) as usize;
    let l1 = u64_at(image, 40) as usize;
    let order = if version == 3 { u32_at(image, 96) } else { 4 };
    assert_eq!(image.len() % cluster, 0);
    assert_eq!(
        (u64_at(image, 8), u32_at(image, 32), u32_at(image, 60)),
        (0, 0, 0)
    );

    let mut used = vec![0u64; image.len() / cluster];
    let mut claim = |offset: usize| {
        assert_eq!(offset % cluster, 0);
        used[offset / cluster] += 1;
    };
    let mut found = Vec::new();
    claim(0);
    (0..l1_entries * 8)
        .step_by(cluster)
        .for_each(|at| claim(l1 + at));

    let mut disk = vec![0; header_size as usize];
    let mut stored_clusters = 0;
    let mut units = vec![Unit::Unallocated; l1_entries * shape.l2_entries() * shape.units()];
    for (index, entry) in entries_in_use(image, shape, &mut claim) {
        units[index * shape.units()..][..shape.units()].copy_from_slice(&entry.units);
        let Some(content) = entry.content else {
            continue;
        };
        for index in entry.host.start / cluster..=(entry.host.end - 1) / cluster {
            claim(index * cluster);
        }
        if entry.is_stream {
            found.push(entry.host);
        }
        stored_clusters += 1;
        let guest = index * cluster;
        let length = cluster.min(disk.len() - guest);
        disk[guest..guest + length].copy_from_slice(&content[..length]);
        assert!(content[length..].iter().all(|byte| *byte == 0));
    }

    let counts = stored_counts(image, order, &mut claim);
    assert_eq!(used, counts);
    assert_eq!(used.last(), Some(&1));
    compressed::check_surroundings(image, &found, cluster, &used);
    let behind = units.split_off(disk.len().div_ceil(cluster / shape.units()));
    let is_nothing = |unit: &Unit| matches!(unit, Unit::Unallocated | Unit::Compressed);
    assert!(behind.iter().all(is_nothing));
    Naive {
        units,
        exact_unit: extension(image, version, 0x5132_414c).map(|at| {
            assert_eq!((u32_at(image, at), u32_at(image, at + 4)), (8, 1));
            u32_at(image, at + 8)
        }),
        disk,
        size: extension(image, version, 0x5132_4c4e)
            .map_or(header_size, |at| u64_at(image, at + 4)),
        stored_clusters,
        compressed_clusters: found.len() as u64,
        streams: found,
    }
}

/// The entries of the L2 tables of `image`, with the numbers of their clusters.
/// Each table is handed to `claim`.
fn entries_in_use(
    image: &[u8],
    shape: Shape,
    claim: &mut impl FnMut(usize),
) -> Vec<(usize, Entry)> {
    let zstd = compressed::is_zstd(image);
    let l1 = u64_at(image, 40) as usize;
    let mut entries = Vec::new();
    for l1_index in 0..u32_at(image, 36) as usize {
        let Some(l2) = host(u64_at(image, l1 + l1_index * 8)) else {
            continue;
        };
        claim(l2);
        entries.extend((0..shape.l2_entries()).map(|l2_index| {
            let at = l2 + l2_index * shape.entry_bytes();
            let index = l1_index * shape.l2_entries() + l2_index;
            (index, shape.entry(image, at, zstd))
        }));
    }
    entries
}

/// The refcount of every host cluster of `image`, as its refcount blocks say.
/// Each cluster of refcounts is handed to `claim`.
fn stored_counts(image: &[u8], order: u32, claim: &mut impl FnMut(usize)) -> Vec<u64> {
    let cluster = 1usize << u32_at(image, 20);
    let table = u64_at(image, 48) as usize;
    let table_bytes = u32_at(image, 56) as usize * cluster;
    (0..table_bytes)
        .step_by(cluster)
        .for_each(|at| claim(table + at));
    let per_block = (cluster * 8) >> order;
    let mut counts = vec![0; image.len() / cluster];
    for index in 0..table_bytes / 8 {
        let block = u64_at(image, table + index * 8) as usize;
        if block == 0 {
            continue;
        }
        claim(block);
        for entry in 0..per_block {
            let count = refcount(&image[block..block + cluster], entry, order);
            match counts.get_mut(index * per_block + entry) {
                Some(stored) => *stored = count,
                None => assert_eq!(count, 0, "a cluster behind the end is counted"),
            }
        }
    }
    counts
}

fn host(entry: u64) -> Option<usize> {
    if entry == 0 {
        return None;
    }
    assert_eq!(
        entry & 0xff00_0000_0000_01ff,
        0x8000_0000_0000_0000,
        "{entry:#x}"
    );
    Some((entry & 0x00ff_ffff_ffff_fe00) as usize)
}

fn refcount(block: &[u8], index: usize, order: u32) -> u64 {
    let bits = 1usize << order;
    if bits < 8 {
        let byte = u64::from(block[index * bits / 8]);
        return byte >> (index * bits % 8) & ((1 << bits) - 1);
    }
    let bytes = bits / 8;
    block[index * bytes..][..bytes]
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Where the length of the extension `wanted` is.
fn extension(image: &[u8], version: u32, wanted: u32) -> Option<usize> {
    let mut at = if version == 3 {
        u32_at(image, 100) as usize
    } else {
        72
    };
    loop {
        let (kind, length) = (u32_at(image, at), u32_at(image, at + 4) as usize);
        match kind {
            0 => return None,
            _ if kind == wanted => return Some(at + 4),
            _ => at += 8 + length.next_multiple_of(8),
        }
    }
}

/// Bytes that repeat nowhere near.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect()
}

/// A disk of clusters that shrink much, little, or not at all, and zeros, in
/// turn; the last one has `tail` bytes.
pub fn mixed(cluster_bytes: usize, tail: usize) -> Vec<u8> {
    let clusters = (1 << 20 >> cluster_bytes.trailing_zeros()).clamp(9, 700);
    let mut disk = noise(clusters * cluster_bytes + tail);
    for (index, cluster) in disk.chunks_mut(cluster_bytes).enumerate() {
        // How much of the cluster is noise, in sixteenths.
        let noise = [0, 16, 9, 3, 16, 16, 1, 14, 6, 0, 5][index % 11];
        let fill = if index % 13 == 5 { 0 } else { 0x5a };
        let length = cluster.len();
        cluster[length * noise / 16..].fill(fill);
    }
    disk
}

/// Every codec.
pub fn compressions() -> [Compression; 3] {
    let zlib = |window| Compression::Zlib { level: 1, window };
    [
        zlib(DeflateWindow::Kib32),
        zlib(DeflateWindow::Kib4),
        Compression::Zstd { level: 3 },
    ]
}

/// A target that is full of what was there before.
pub fn stale(bytes: usize) -> MemoryDisk {
    MemoryDisk::new(
        [b"\x51\x46\x49\xfb", &[0xa5; 60][..]]
            .concat()
            .repeat(bytes / 64),
    )
}

/// A new store that notes where it is written.
#[derive(Default)]
pub struct Noting {
    pub inner: MemoryDisk,
    /// Offset and length of each write.
    pub writes: Mutex<Vec<(u64, usize)>>,
}

impl ReadAt for Noting {
    fn size(&self) -> u64 {
        self.inner.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(offset, buf)
    }
}

impl WriteAt for Noting {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.writes.lock().unwrap().push((offset, bytes.len()));
        self.inner.write_at(offset, bytes)
    }
    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.inner.write_zeroes(offset, length)
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.inner.set_size(size)
    }
    fn starts_zeroed(&self) -> bool {
        true
    }
    fn sync(&self) -> io::Result<()> {
        self.writes.lock().unwrap().push((u64::MAX, 0));
        Ok(())
    }
}

/// A store of which one operation fails, and all behind it.
pub struct FailFrom<'s> {
    pub inner: &'s MemoryDisk,
    left: AtomicU64,
    starts_zeroed: bool,
}

impl<'s> FailFrom<'s> {
    /// The first `operations` succeed.
    pub fn new(inner: &'s MemoryDisk, operations: u64) -> Self {
        Self {
            inner,
            left: AtomicU64::new(operations),
            starts_zeroed: inner.starts_zeroed(),
        }
    }

    fn step(&self) -> io::Result<()> {
        self.left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .map(drop)
            .map_err(|_| io::Error::other("injected"))
    }
}

impl ReadAt for FailFrom<'_> {
    fn size(&self) -> u64 {
        self.inner.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.step()?;
        self.inner.read_at(offset, buf)
    }
}

impl WriteAt for FailFrom<'_> {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.step()?;
        self.inner.write_at(offset, bytes)
    }
    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.step()?;
        self.inner.write_zeroes(offset, length)
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.step()?;
        self.inner.set_size(size)
    }
    fn starts_zeroed(&self) -> bool {
        self.starts_zeroed
    }
    fn sync(&self) -> io::Result<()> {
        self.step()?;
        self.inner.sync()
    }
}

/// Extents exactly as they are given, whether they tile a disk or not.
pub struct Given<'e>(pub &'e [Extent]);

impl Tiling for Given<'_> {
    fn extents(&self, _: Range<u64>) -> Extents<'_> {
        Box::new(self.0.iter().copied().map(Ok))
    }
}

/// A disk of which something else is said the first time.
pub struct Changing {
    first: Mutex<Option<Vec<Extent>>>,
    then: Vec<Extent>,
}

impl Changing {
    pub fn new(first: &[Extent], then: &[Extent]) -> Self {
        Self {
            first: Mutex::new(Some(first.to_vec())),
            then: then.to_vec(),
        }
    }
}

impl Tiling for Changing {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        match self.first.lock().unwrap().take() {
            Some(first) => Box::new(first.into_iter().map(Ok)),
            None => self.then.extents(range),
        }
    }
}
