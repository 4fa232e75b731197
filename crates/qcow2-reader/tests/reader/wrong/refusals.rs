//! What wrong images give: the exact error, and never a wrong byte.

use crate::common::{
    FILE, L1, L2_FIRST, L2_SECOND, LAST_DATA, base, base_disk, base_v2, chain, naive, open, put,
    put32, put64, read, refuses, refuses_image, restored, unpacked,
};
use blockio::ReadAt;
use qcow2_reader::ErrorKind::{Corrupt, Io, Limit, Unsupported};
use qcow2_reader::{Error, ImageError, Structure};

#[test]
fn a_file_without_a_header_is_no_image() {
    let cut = |length: usize| base()[..length].to_vec();
    refuses_image(
        cut(0),
        Corrupt,
        "the file ends within the qcow2 header: it has 0 bytes, the header needs 4",
    );
    refuses_image(
        cut(3),
        Corrupt,
        "the file ends within the qcow2 header: it has 3 bytes, the header needs 4",
    );
    refuses_image(
        cut(23),
        Corrupt,
        "the file ends within the qcow2 header: it has 23 bytes, the header needs 24",
    );
    refuses_image(
        cut(71),
        Corrupt,
        "the file ends within the qcow2 header: it has 71 bytes, the header needs 104",
    );
    refuses(
        3,
        &[0xfa],
        Corrupt,
        "not a qcow2 image (it begins with 514649fa, a qcow2 image with 514649fb)",
    );
    refuses(
        7,
        &[1],
        Unsupported,
        "qcow2 version 1 is not supported (header field version at offset 0x4, must be 2 or 3)",
    );
    refuses(
        23,
        &[22],
        Unsupported,
        "header field cluster_bits at offset 0x14 is 22, must be 9 to 21",
    );
}

#[test]
fn features_of_the_header_are_refused_by_name() {
    refuses(
        72,
        &[0, 0, 0, 0, 0, 0, 0, 4],
        Unsupported,
        "the image needs a data file: files that an image names are opened only if that is allowed",
    );
    refuses(
        72,
        &[0x80, 0, 0, 0, 0, 0, 0, 0x20],
        Unsupported,
        "incompatible features that are not supported: bit 5, bit 63",
    );
    refuses(
        72,
        &[0, 0, 0, 0, 0, 0, 0, 2],
        Corrupt,
        "the image is marked as corrupt (incompatible feature bit 1)",
    );
    refuses(
        32,
        &[0, 0, 0, 1],
        Unsupported,
        "the image is encrypted with AES, and no passphrase was given",
    );
}

#[test]
fn named_features_luks_and_backing_files_are_refused() {
    let mut named = base();
    named[78] = 2; // bit 9
    put32(&mut named, 104, 0x6803_f857);
    put32(&mut named, 108, 48);
    put(&mut named, 112, b"\0\x09frobnication\x1b[1m");
    refuses_image(
        named,
        Unsupported,
        "incompatible features that are not supported: frobnication\\x1b[1m",
    );

    let mut luks = base();
    luks[35] = 2;
    put32(&mut luks, 104, 0x0537_be77);
    put32(&mut luks, 108, 16);
    put64(&mut luks, 112, 0x1800);
    put64(&mut luks, 120, 512);
    refuses_image(
        luks,
        Unsupported,
        "the image is encrypted with LUKS, and no passphrase was given",
    );

    let mut overlay = base();
    put64(&mut overlay, 8, 128);
    put32(&mut overlay, 16, 12);
    put(&mut overlay, 128, b"/etc/ho\x1bt\xff\"x");
    refuses_image(
        overlay,
        Unsupported,
        "the image needs the backing file \"/etc/ho\\u{1b}t\u{fffd}\\\"x\": files that an image names are opened only if that is allowed",
    );
}

#[test]
fn limits_hold_before_anything_is_allocated() {
    refuses(
        36,
        &[0xff, 0xff, 0xff, 0xff],
        Limit,
        "header field l1_size at offset 0x24 is 4294967295, must be at most 4194304",
    );
    refuses(
        24,
        &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0],
        Corrupt,
        "header field l1_size at offset 0x24 is 2, must be at least 281474976710656 for a disk of 9223372036854775296 bytes",
    );
}

#[test]
fn entries_that_are_not_aligned_or_not_of_the_version_are_refused() {
    refuses(
        20,
        &[0, 0, 0, 10],
        Corrupt,
        "header field l1_table_offset at offset 0x28 is 0x600, must be a multiple of 0x400",
    );
    let mut zero_in_v2 = base_v2();
    put64(&mut zero_in_v2, L2_FIRST + 5 * 8, 1);
    refuses_image(
        zero_in_v2,
        Corrupt,
        "L2 table at host offset 0x800, guest offset 0xa00: L2 table entry 5: the zero flag (bit 0) is set, which version 2 does not have",
    );
}

/// [`base`] laid out again with clusters of 1 KiB, where offsets can be wrong.
fn base_1k() -> Vec<u8> {
    let mut image = vec![0; 0x1800];
    put(&mut image, 0, &base()[..104]);
    put32(&mut image, 20, 10);
    put64(&mut image, 24, 2048);
    put32(&mut image, 36, 1);
    put64(&mut image, 40, 0x800);
    put64(&mut image, 48, 0x400);
    put64(&mut image, 0x800, 0xc00);
    put64(&mut image, 0xc00, 0x1000);
    put64(&mut image, 0xc08, 0x1400);
    image[0x1000..].fill(9);
    image
}

#[test]
fn offsets_within_clusters_are_refused() {
    assert_eq!(restored(base_1k()).unwrap(), [9; 2048]);
    let mut image = base_1k();
    put64(&mut image, 0x800, 0xe00);
    refuses_image(
        image,
        Corrupt,
        "L1 table at host offset 0x800, guest offset 0x0: L1 table entry 0: offset 0xe00 must be a multiple of 0x400",
    );
    let mut image = base_1k();
    put64(&mut image, 0xc08, 0x1200);
    refuses_image(
        image,
        Corrupt,
        "L2 table at host offset 0xc00, guest offset 0x400: L2 table entry 1: offset 0x1200 must be a multiple of 0x400",
    );
}

#[test]
fn entries_that_lost_their_offsets_are_refused() {
    refuses(
        L1 + 8,
        &[0x80, 0, 0, 0, 0, 0, 0, 0],
        Corrupt,
        "L1 table at host offset 0x600, guest offset 0x8000: L1 table entry 1: 0x8000000000000000 has the COPIED bit without an offset",
    );
    refuses(
        L2_FIRST + 5 * 8,
        &[0x80, 0, 0, 0, 0, 0, 0, 2],
        Corrupt,
        "L2 table at host offset 0x800, guest offset 0xa00: L2 table entry 5: 0x8000000000000002 has the COPIED bit without an offset",
    );
}

#[test]
fn tables_and_data_inside_other_metadata_are_refused() {
    refuses(
        L1 + 8,
        &0x600u64.to_be_bytes(),
        Corrupt,
        "L2 table of guest offset 0x8000 lies at host offset 0x600, inside the L1 table at 0x600..0x610",
    );
    refuses(
        L1,
        &0x200u64.to_be_bytes(),
        Corrupt,
        "L2 table of guest offset 0x0 lies at host offset 0x200, inside the refcount table at 0x200..0x400",
    );
    refuses(
        L2_FIRST + 8,
        &0x600u64.to_be_bytes(),
        Corrupt,
        "data of guest offset 0x200 lies at host offset 0x600, inside the L1 table at 0x600..0x610",
    );
}

#[test]
fn an_l1_table_inside_other_metadata_is_refused() {
    refuses(
        40,
        &0u64.to_be_bytes(),
        Corrupt,
        "L1 table of guest offset 0x0 lies at host offset 0x0, inside the header at 0x0..0x200",
    );
    refuses(
        40,
        &0x200u64.to_be_bytes(),
        Corrupt,
        "L1 table of guest offset 0x0 lies at host offset 0x200, inside the refcount table at 0x200..0x400",
    );
}

#[test]
fn a_table_that_is_missing_or_cut_is_an_error_that_says_where() {
    let cut = |length: usize| {
        let mut image = base();
        image.truncate(length);
        image
    };
    refuses_image(
        cut(L1),
        Corrupt,
        "L1 table at host offset 0x600, for guest bytes 0x0..0x9c40, ends at 0x610, past the end of the file at 0x600: the image is truncated",
    );
    refuses_image(
        cut(L1 + 15),
        Corrupt,
        "L1 table at host offset 0x600, for guest bytes 0x0..0x9c40, ends at 0x610, past the end of the file at 0x60f: the image is truncated",
    );
    refuses_image(
        cut(L1 + 16),
        Corrupt,
        "L2 table at host offset 0x800, for guest bytes 0x0..0x8000, ends at 0xa00, past the end of the file at 0x610: the image is truncated",
    );
    refuses_image(
        cut(L2_SECOND - 1),
        Corrupt,
        "L2 table at host offset 0x800, for guest bytes 0x0..0x8000, ends at 0xa00, past the end of the file at 0x9ff: the image is truncated",
    );
    refuses(
        L1 + 8,
        &0x1600u64.to_be_bytes(),
        Corrupt,
        "L2 table at host offset 0x1600, for guest bytes 0x8000..0x9c40, ends at 0x1678, past the end of the file at 0x1640: the image is truncated",
    );
    refuses(
        L2_FIRST + 9 * 8,
        &(1u64 << 40).to_be_bytes(),
        Corrupt,
        "data at host offset 0x10000000000, for guest bytes 0x1200..0x1400, ends at 0x10000000200, past the end of the file at 0x1640: the image is truncated",
    );
    refuses_image(
        cut(FILE - 1),
        Corrupt,
        "data at host offset 0x1600, for guest bytes 0x9c00..0x9c40, ends at 0x1640, past the end of the file at 0x163f: the image is truncated",
    );
}

#[test]
fn bytes_before_a_cut_can_still_be_read() {
    let mut image = base();
    image.truncate(LAST_DATA + 10);
    let image = open(image).unwrap();
    let mut bytes = [0; 10];
    image.read_at(39_936, &mut bytes).unwrap();
    assert_eq!(bytes, base_disk()[39_936..39_946]);
    let error = image.read_at(39_936, &mut [0; 11]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    let Ok(Error::Image(ImageError::Truncated {
        structure,
        guest,
        host,
        end,
        file_bytes,
    })) = error.downcast()
    else {
        panic!("not a truncation");
    };
    assert_eq!((structure, guest), (Structure::Data, 39_936..39_947));
    assert_eq!((host.0, end, file_bytes), (0x1600, 0x160b, 0x160a));
}

#[test]
fn extents_end_after_an_error() {
    let mut image = base();
    put64(&mut image, L2_FIRST + 5 * 8, 0x200);
    let image = open(image).unwrap();
    let mut extents = image.extents(0..u64::MAX);
    assert!(extents.any(|extent| extent.is_err()));
    assert!(extents.next().is_none());
    assert!(extents.next().is_none());
}

#[test]
fn every_length_of_a_cut_file_gives_an_error_or_the_disk() {
    for (whole, disk) in [
        (base(), base_disk()),
        (base_v2(), naive(&base_v2()).unwrap()),
    ] {
        for length in 0..whole.len() {
            let mut image = whole.clone();
            image.truncate(length);
            assert!(read(image).is_err(), "{length} bytes are not enough");
        }
        let mut longer = whole;
        longer.push(0xff);
        assert!(restored(longer).unwrap() == disk);
    }
}

#[test]
fn every_flipped_bit_gives_an_error_or_what_the_image_then_says() {
    for whole in [base(), base_v2()] {
        for offset in 0..whole.len() {
            for bit in 0..8 {
                let mut image = whole.clone();
                image[offset] ^= 1 << bit;
                if let Ok(disk) = read(image.clone()) {
                    assert!(Some(disk) == naive(&image), "bit {bit} at {offset:#x}");
                }
            }
        }
    }
}

/// A disk that fails its `n`-th read.
struct FailNth(Vec<u8>, std::sync::atomic::AtomicUsize);

impl ReadAt for FailNth {
    fn size(&self) -> u64 {
        self.0.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
        use std::sync::atomic::Ordering::SeqCst;
        if self.1.fetch_sub(1, SeqCst) == 1 {
            return Err(std::io::Error::other("injected"));
        }
        self.0.read_at(offset, buf)
    }
}

#[test]
fn every_failed_read_is_reported() {
    let restore = |nth: usize| {
        let storage = FailNth(base(), std::sync::atomic::AtomicUsize::new(nth));
        qcow2_reader::Image::open(storage, &Default::default()).and_then(|image| unpacked(&image))
    };
    for nth in 1..=9 {
        let error = restore(nth).expect_err("a read failed");
        assert_eq!(error.kind(), Io, "read {nth}");
        assert!(chain(&error).ends_with(": injected"), "{error}");
    }
    assert!(restore(10).unwrap() == base_disk());
}
