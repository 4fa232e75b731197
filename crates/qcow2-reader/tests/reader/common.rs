//! A small image put together byte by byte, and a reader of such images that
//! shares nothing with the crate under test.

use std::error::Error as _;
use std::io::Read as _;
use std::sync::LazyLock;

use blockio::{MemoryDisk, ReadAt};
use qcow2_reader::{Error, ErrorKind, Image, ImageStream, OpenOptions, UnpackOptions};

/// Bytes of the disk in [`base`]: 78 clusters of 512 bytes, and 64 bytes.
pub(crate) const SIZE: usize = 40_000;

pub(crate) const L1: usize = 0x600;
pub(crate) const L2_FIRST: usize = 0x800;
pub(crate) const L2_SECOND: usize = 0xa00;
/// Host offset of the last data cluster, of which the disk needs 64 bytes.
pub(crate) const LAST_DATA: usize = 0x1600;
/// Bytes of the file.
pub(crate) const FILE: usize = LAST_DATA + 64;

/// One table and one cluster are kept, whatever the options say.
pub(crate) static TINY_CACHES: LazyLock<OpenOptions> = LazyLock::new(|| {
    let mut options = OpenOptions::default();
    options.l2_cache_bytes = 0;
    options.cluster_cache_bytes = 0;
    options
});

/// An image of version 3 with clusters of 512 bytes.
///
/// ```text
/// 0000 header        0200 refcount table   0400 refcount block
/// 0600 L1: 0800 0a00
/// 0800 L2 of 0..32768:     [0] 0c00  [1] 0e00  [2] zero  [3] zero, kept 1000
///                          [5] 1200  [6] 1400  [63] 0e00 once more
/// 0a00 L2 of 32768..40000: [14] 1600
/// 0c00 0e00 1000 1200 1400 1600 (64 bytes) data
/// ```
pub(crate) fn base() -> Vec<u8> {
    let mut image = vec![0; FILE];
    put(&mut image, 0, b"QFI\xfb");
    put32(&mut image, 4, 3);
    put32(&mut image, 20, 9);
    put64(&mut image, 24, 40_000);
    put32(&mut image, 36, 2);
    put64(&mut image, 40, 0x600);
    put64(&mut image, 48, 0x200);
    put32(&mut image, 56, 1);
    put32(&mut image, 96, 4);
    put32(&mut image, 100, 104);

    put64(&mut image, 0x200, 0x400);
    for cluster in 0..12 {
        put(&mut image, 0x400 + 2 * cluster, &[0, 1]);
    }
    put(&mut image, 0x400 + 2 * 7, &[0, 2]);

    put64(&mut image, L1, 0x8000_0000_0000_0800);
    put64(&mut image, L1 + 8, 0x8000_0000_0000_0a00);
    put64(&mut image, L2_FIRST, 0x8000_0000_0000_0c00);
    put64(&mut image, L2_FIRST + 8, 0x0e00);
    put64(&mut image, L2_FIRST + 2 * 8, 1);
    put64(&mut image, L2_FIRST + 3 * 8, 0x8000_0000_0000_1001);
    put64(&mut image, L2_FIRST + 5 * 8, 0x8000_0000_0000_1200);
    put64(&mut image, L2_FIRST + 6 * 8, 0x8000_0000_0000_1400);
    put64(&mut image, L2_FIRST + 63 * 8, 0x0e00);
    put64(&mut image, L2_SECOND + 14 * 8, 0x8000_0000_0000_1600);
    for (offset, byte) in image.iter_mut().enumerate().skip(0xc00) {
        *byte = pattern(offset);
    }
    image
}

/// [`base`] in version 2, with plain clusters where it has zero clusters.
pub(crate) fn base_v2() -> Vec<u8> {
    let mut image = base();
    put32(&mut image, 4, 2);
    image[72..104].fill(0);
    put64(&mut image, L2_FIRST + 2 * 8, 0);
    put64(&mut image, L2_FIRST + 3 * 8, 0x8000_0000_0000_1000);
    image
}

/// The disk in [`base`].
pub(crate) fn base_disk() -> Vec<u8> {
    let mut disk = vec![0; SIZE];
    let mut stored = |guest: usize, host: usize, length: usize| {
        for at in 0..length {
            disk[guest + at] = pattern(host + at);
        }
    };
    stored(0, 0xc00, 1024);
    stored(2560, 0x1200, 1024);
    stored(32_256, 0xe00, 512);
    stored(39_936, 0x1600, 64);
    disk
}

/// The byte at a host offset behind the tables; never zero.
fn pattern(host: usize) -> u8 {
    u8::try_from(host % 251).unwrap() + 1
}

pub(crate) fn put(image: &mut [u8], offset: usize, bytes: &[u8]) {
    image[offset..offset + bytes.len()].copy_from_slice(bytes);
}

pub(crate) fn put32(image: &mut [u8], offset: usize, value: u32) {
    put(image, offset, &value.to_be_bytes());
}

pub(crate) fn put64(image: &mut [u8], offset: usize, value: u64) {
    put(image, offset, &value.to_be_bytes());
}

pub(crate) fn open(image: Vec<u8>) -> Result<Image<Vec<u8>>, Error> {
    Image::open(image, &OpenOptions::default())
}

/// The disk of an opened image, in memory.
pub(crate) fn unpacked<S: ReadAt>(image: &Image<S>) -> Result<Vec<u8>, Error> {
    let disk = MemoryDisk::default();
    let report = image.unpack(&disk, &UnpackOptions::default())?;
    assert_eq!(report.disk_bytes, image.size());
    Ok(disk.into_bytes())
}

/// The disk of an image that arrives on a pipe.
pub(crate) fn from_pipe(image: &[u8]) -> Result<Vec<u8>, Error> {
    let stream = ImageStream::open(image, MemoryDisk::default(), &OpenOptions::default())?;
    let disk = MemoryDisk::default();
    stream.unpack(&disk, &UnpackOptions::default())?;
    Ok(disk.into_bytes())
}

/// The disk of an image, read at once.
pub(crate) fn read(image: Vec<u8>) -> Result<Vec<u8>, Error> {
    let image = open(image)?;
    let length = usize::try_from(image.size()).unwrap();
    assert!(length <= 2 << 20, "two tables of 64 entries map no more");
    let mut disk = vec![0xee; length];
    match image.read_at(0, &mut disk) {
        Ok(()) => Ok(disk),
        Err(error) => Err(error.downcast().unwrap()),
    }
}

/// The disk of an image, opened and unpacked.
pub(crate) fn restored(image: Vec<u8>) -> Result<Vec<u8>, Error> {
    unpacked(&open(image)?)
}

/// Asserts that [`base`] is read, and with `patch` at `offset` refused.
#[track_caller]
pub(crate) fn refuses(offset: usize, patch: &[u8], kind: ErrorKind, message: &str) {
    assert_eq!(
        restored(base()).unwrap(),
        base_disk(),
        "the base must be valid"
    );
    let mut image = base();
    put(&mut image, offset, patch);
    refuses_image(image, kind, message);
}

/// Asserts that `image` is refused.
#[track_caller]
pub(crate) fn refuses_image(image: Vec<u8>, kind: ErrorKind, message: &str) {
    let error = restored(image)
        .map(drop)
        .expect_err("this image must be refused");
    assert_eq!((error.kind(), chain(&error).as_str()), (kind, message));
}

/// The messages of an error and its causes.
pub(crate) fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The cluster that a stream of deflate gives. libdeflate takes a few damaged ones
/// that zlib does not: what it then gives is what is restored.
pub(crate) fn inflated(stream: &[u8], cluster_bytes: usize) -> Option<Vec<u8>> {
    let mut cluster = vec![0; cluster_bytes];
    let mut decoder = flate2::read::DeflateDecoder::new(stream);
    let whole = decoder.read_exact(&mut cluster).is_ok();
    #[cfg(feature = "libdeflate")]
    let whole = whole || {
        let found = libdeflater::Decompressor::new().deflate_decompress(stream, &mut cluster);
        found == Ok(cluster_bytes)
    };
    whole.then_some(cluster)
}

/// The disk of an image that has only what [`base`] has, or `None` where it has
/// more or a part of it is missing. Checks as little as it can.
pub(crate) fn naive(image: &[u8]) -> Option<Vec<u8>> {
    const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
    let get = |offset: u64, length: u64| {
        let start = usize::try_from(offset).ok()?;
        image.get(start..start.checked_add(usize::try_from(length).ok()?)?)
    };
    let get64 = |offset| Some(u64::from_be_bytes(get(offset, 8)?.try_into().ok()?));
    let cluster = 1 << image[23];
    let size = get64(24)?;
    let mut disk = Vec::new();
    for guest in (0..size).step_by(usize::try_from(cluster).ok()?) {
        let length = cluster.min(size - guest);
        let zeros = vec![0; usize::try_from(length).ok()?];
        let index = guest / cluster;
        let l2 = get64(get64(40)? + index / (cluster / 8) * 8)? & OFFSET;
        if l2 == 0 {
            disk.extend(zeros);
            continue;
        }
        let entry = get64(l2 + index % (cluster / 8) * 8)?;
        match (entry >> 62 & 1, entry & 1, entry & OFFSET) {
            (0, 1, _) | (0, 0, 0) => disk.extend(zeros),
            (0, 0, host) => disk.extend(get(host, length)?),
            _ => {
                let shift = 70 - u32::from(image[23]);
                let host = usize::try_from(entry & ((1 << shift) - 1)).ok()?;
                let sectors = usize::try_from(entry << 2 >> 2 >> shift).ok()? + 1;
                let end = image.len().min(host / 512 * 512 + sectors * 512);
                let bytes = inflated(image.get(host..end)?, usize::try_from(cluster).ok()?)?;
                disk.extend(bytes.get(..zeros.len())?);
            }
        }
    }
    Some(disk)
}
