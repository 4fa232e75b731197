//! Images of kinds that no other test puts together.

use crate::common::{L1, L2_FIRST, L2_SECOND, LAST_DATA, base, base_v2, put, put32, put64};

/// Host offset of the first data cluster of [`base`].
pub(super) const DATA: usize = 0xc00;

/// [`base`], of which all of the last cluster is there.
pub(super) fn whole() -> Vec<u8> {
    let mut image = base();
    image.resize(LAST_DATA + 512, 0x77);
    image
}

/// [`base`], over the backing file "below" of this format.
pub(super) fn over_below(format: &[u8]) -> Vec<u8> {
    let mut image = base();
    let length = u32::try_from(format.len()).unwrap();
    put32(&mut image, 104, 0xe279_2aca);
    put32(&mut image, 108, length);
    put(&mut image, 112, format);
    put64(&mut image, 8, 128);
    put32(&mut image, 16, 5);
    put(&mut image, 128, b"below");
    image
}

/// [`base`] in version 2, over the backing file "below".
pub(super) fn version_2() -> Vec<u8> {
    let mut image = base_v2();
    put64(&mut image, 8, 104);
    put32(&mut image, 16, 5);
    put(&mut image, 104, b"below");
    image
}

/// [`whole`] with every header extension that says something of the disk or what
/// is beside it: feature names, the exact length of the disk, the mark of an exact
/// allocation, and a bitmap with one cluster of its own.
///
/// ```text
/// 1800 bitmap directory   1a00 bitmap table   1c00 bitmap
/// ```
pub(super) fn extended() -> Vec<u8> {
    let mut image = whole();
    put64(&mut image, 24, 40_448);
    image[95] = 1;
    put32(&mut image, 104, 0x6803_f857);
    put32(&mut image, 108, 48);
    put(&mut image, 114, b"dirty bit");
    put32(&mut image, 160, 0x5132_4c4e);
    put32(&mut image, 164, 8);
    put64(&mut image, 168, 40_000);
    put32(&mut image, 176, 0x5132_414c);
    put32(&mut image, 180, 8);
    put32(&mut image, 184, 1);
    put32(&mut image, 188, 512);
    put32(&mut image, 192, 0x2385_2875);
    put32(&mut image, 196, 24);
    put32(&mut image, 200, 1);
    put64(&mut image, 208, 32);
    put64(&mut image, 216, 0x1800);
    put32(&mut image, 224, 0x1234_5678);
    put32(&mut image, 228, 3);
    put(&mut image, 232, b"abc");

    image.resize(0x1e00, 0);
    put64(&mut image, 0x1800, 0x1a00);
    put32(&mut image, 0x1808, 1);
    put(&mut image, 0x1810, &[1, 9, 0, 1]);
    image[0x1818] = b'b';
    put64(&mut image, 0x1a00, 0x1c00);
    image[0x1c00..0x1e00].fill(0x55);
    count(&mut image, 0x1800..0x1e00);
    image
}

/// The tables of [`base`] for the data file "data", with data where it has data.
pub(super) fn with_data_file() -> Vec<u8> {
    let mut image = base();
    image.truncate(DATA);
    image[79] = 4;
    put32(&mut image, 104, 0x4441_5441);
    put32(&mut image, 108, 4);
    put(&mut image, 112, b"data");
    for (at, guest) in [(0, 0), (1, 1), (3, 3), (5, 5), (6, 6), (63, 63)] {
        let zero = u64::from(at == 3);
        put64(&mut image, L2_FIRST + at * 8, 1 << 63 | guest << 9 | zero);
    }
    put64(&mut image, L2_SECOND + 14 * 8, 1 << 63 | 78 << 9);
    image[0x400 + DATA / 512 * 2..L1].fill(0);
    image
}

/// Bytes none of which is zero.
pub(super) fn raw(length: usize) -> Vec<u8> {
    let bytes = (0..length).map(|at| u8::try_from(at % 249).unwrap() + 1);
    bytes.collect()
}

/// Sets the refcounts of the clusters of `bytes` to 1.
pub(super) fn count(image: &mut [u8], bytes: std::ops::Range<usize>) {
    for host in bytes.step_by(512) {
        put(image, 0x400 + host / 512 * 2, &[0, 1]);
    }
}
