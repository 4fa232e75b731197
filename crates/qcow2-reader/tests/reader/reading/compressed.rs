//! Compressed clusters: exact bytes at any place, each decoded once, and exact
//! errors where a stream is not right.

use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::builder::{Builder, DEFLATE, ZSTD, compressed, mixed, words};
use crate::common::{TINY_CACHES, chain, open, put64, refuses_image, restored, unpacked};
use blockio::{Extent, ExtentKind, MemoryDisk, ReadAt, len_u64};
use qcow2_reader::ErrorKind::Corrupt;
use qcow2_reader::{Error, Image, ImageError, OpenOptions, StreamFault, UnpackOptions};

#[test]
fn every_kind_of_cluster_in_every_size() {
    for bits in 9..=21 {
        for compression in [DEFLATE, ZSTD] {
            let clusters = if bits < 13 { 100 } else { 10 };
            let (image, disk) = mixed(bits, compression, clusters);
            for count in [1, 3] {
                let mut options = UnpackOptions::default();
                options.threads = NonZeroUsize::new(count).unwrap();
                let target = MemoryDisk::default();
                open(image.clone())
                    .unwrap()
                    .unpack(&target, &options)
                    .unwrap();
                assert!(target.into_bytes() == disk, "{bits} {compression}");
            }
            let image = Image::open(image, &TINY_CACHES).unwrap();
            let mut whole = vec![0xee; disk.len()];
            image.read_at(0, &mut whole).unwrap();
            assert!(whole == disk, "{bits} {compression}");
        }
    }
}

#[test]
fn any_range_reads_as_the_slice_of_the_disk() {
    let (image, disk) = mixed(12, ZSTD, 30);
    for options in [TINY_CACHES.clone(), OpenOptions::default()] {
        let image = Image::open(&image, &options).unwrap();
        for length in [1usize, 511, 4096, 4097, 20_000] {
            for start in (0..disk.len() - length).step_by(1013) {
                let mut bytes = vec![0xee; length];
                image.read_at(len_u64(start), &mut bytes).unwrap();
                assert!(bytes == disk[start..start + length], "{length} at {start}");
            }
        }
    }
}

#[test]
fn compressed_clusters_are_data() {
    let mut builder = Builder::new(12, 16_384, DEFLATE);
    let bytes = words(1, 4096);
    builder.stream(1, &compressed(DEFLATE, &bytes), &bytes);
    builder.stream(2, &compressed(DEFLATE, &bytes), &bytes);
    let image = open(builder.finish().0).unwrap();
    let extents: Vec<Extent> = image.extents(0..u64::MAX).map(Result::unwrap).collect();
    let want = [
        (0..4096, ExtentKind::Unallocated),
        (4096..12_288, ExtentKind::Data),
        (12_288..16_384, ExtentKind::Unallocated),
    ]
    .map(|(range, kind)| Extent::new(range, kind));
    assert_eq!(extents, want);
    assert_eq!(image.next_data(0).unwrap(), Some(4096..8192));
    assert_eq!(image.next_data(9000).unwrap(), Some(9000..12_288));
}

/// Storage that counts the reads behind its tables.
struct Counted(Vec<u8>, usize, AtomicUsize);

impl ReadAt for Counted {
    fn size(&self) -> u64 {
        self.0.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if offset >= len_u64(self.1) {
            self.2.fetch_add(1, SeqCst);
        }
        self.0.read_at(offset, buf)
    }
}

#[test]
fn small_reads_in_a_row_decode_a_cluster_once() {
    let cluster = 2 << 20;
    let mut builder = Builder::new(21, cluster, ZSTD);
    let data = builder.file.len();
    let bytes = words(1, cluster);
    builder.stream(0, &compressed(ZSTD, &bytes), &bytes);
    let (file, disk) = builder.finish();
    let image = Image::open(Counted(file, data, AtomicUsize::new(0)), &TINY_CACHES).unwrap();
    let mut part = vec![0; 4096];
    for start in (0..cluster).step_by(4096) {
        image.read_at(len_u64(start), &mut part).unwrap();
        assert!(part == disk[start..start + 4096]);
    }
    assert_eq!(image.files()[0].2.load(SeqCst), 1);
}

#[test]
fn clusters_that_share_a_stream_are_decoded_once() {
    let mut builder = Builder::new(12, 5 * 4096, DEFLATE);
    let (bytes, data) = (words(7, 4096), builder.file.len());
    builder.stream(0, &compressed(DEFLATE, &bytes), &bytes);
    let more_sectors = (builder.file.len() - data - 1) / 512;
    for index in [2, 4] {
        builder.describe(index, data, more_sectors);
        let start = index * 4096;
        builder.disk[start..start + 4096].copy_from_slice(&bytes);
    }
    let (file, disk) = builder.finish();
    assert!(restored(file.clone()).unwrap() == disk);
    let image = Image::open(Counted(file, data, AtomicUsize::new(0)), &TINY_CACHES).unwrap();
    for start in [100, 8292, 16_484] {
        let mut part = vec![0; 50];
        image.read_at(start, &mut part).unwrap();
        assert_eq!(part, bytes[100..150]);
    }
    assert_eq!(image.files()[0].2.load(SeqCst), 1);
}

#[test]
fn neighbouring_streams_are_read_at_once() {
    let (file, disk) = {
        let mut builder = Builder::new(12, 128 * 4096, DEFLATE);
        for index in 0..128 {
            let bytes = words(index, 4096);
            builder.stream(index, &compressed(DEFLATE, &bytes), &bytes);
        }
        builder.finish()
    };
    let data = Builder::new(12, 128 * 4096, DEFLATE).file.len();
    let image = Image::open(
        Counted(file, data, AtomicUsize::new(0)),
        &OpenOptions::default(),
    )
    .unwrap();
    assert!(unpacked(&image).unwrap() == disk);
    assert_eq!(image.files()[0].2.load(SeqCst), 1, "one batch of 512 KiB");
}

#[test]
fn many_threads_read_one_compressed_image() {
    let (image, disk) = mixed(12, DEFLATE, 40);
    let image = Image::open(image, &TINY_CACHES).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4usize {
            let (image, disk) = (&image, &disk);
            scope.spawn(move || {
                for turn in 0..200usize {
                    let start = (turn * 7919 + thread * 104_729) % (disk.len() - 6000);
                    let mut bytes = [0xee; 6000];
                    image.read_at(len_u64(start), &mut bytes).unwrap();
                    assert!(bytes == disk[start..start + 6000]);
                }
            });
        }
    });
}

/// Two compressed clusters of 64 KiB, the second at [`SECOND`], and nothing
/// behind them.
fn pair(compression: u8) -> Builder {
    let mut builder = Builder::new(16, 131_072, compression);
    // A version without a refcount table is read as well.
    builder.file[56..60].fill(0);
    for index in 0..2 {
        let bytes = words(index, 65_536);
        let stream = compressed(compression, &bytes);
        builder.stream(index, &stream, &bytes);
        if index == 0 {
            builder.file.resize(SECOND, 0);
        }
    }
    builder
}

const SECOND: usize = 0x4_0000;

#[test]
fn a_file_may_end_with_the_last_byte_of_its_last_stream() {
    for compression in [DEFLATE, ZSTD] {
        let whole = pair(compression);
        assert_ne!(whole.file.len() % 512, 0);
        assert!(restored(whole.file.clone()).unwrap() == whole.disk);
        // Too many sectors do no harm.
        let mut large = pair(compression);
        large.describe(1, SECOND, 255);
        assert!(restored(large.file).unwrap() == whole.disk);
    }
}

#[test]
fn a_stream_that_is_cut_or_missing_is_a_truncation() {
    for compression in [DEFLATE, ZSTD] {
        let whole = pair(compression).file;
        let end = whole.len().next_multiple_of(512);
        for cut in [3, 20, 5000] {
            let mut image = whole.clone();
            image.truncate(whole.len() - cut);
            let file = image.len();
            refuses_image(
                image,
                Corrupt,
                &format!(
                    "compressed cluster at host offset 0x40000, for guest bytes 0x10000..0x20000, ends at {end:#x}, past the end of the file at {file:#x}: the image is truncated"
                ),
            );
        }
        let mut missing = whole;
        missing.truncate(SECOND);
        refuses_image(
            missing,
            Corrupt,
            "compressed cluster at host offset 0x40000, for guest bytes 0x10000..0x20000, ends at 0x40001, past the end of the file at 0x40000: the image is truncated",
        );
    }
}

#[test]
fn a_stream_inside_metadata_is_refused_and_one_in_front_of_it_is_not() {
    let mut inside = pair(DEFLATE);
    inside.describe(1, 0x1_0003, 1);
    refuses_image(
        inside.file,
        Corrupt,
        "compressed cluster of guest offset 0x10000 lies at host offset 0x10003, inside the L1 table at 0x10000..0x10008",
    );
    // Sectors that reach into a refcount table are not part of the stream.
    let whole = pair(DEFLATE);
    let mut large = pair(DEFLATE);
    large.describe(1, SECOND, 255);
    large.file.resize(0x6_0000, 0xff);
    put64(&mut large.file, 48, 0x5_0000);
    large.file[59] = 1;
    assert!(restored(large.file).unwrap() == whole.disk);
}

#[test]
fn wrong_streams_are_errors_that_say_where() {
    let mut garbage = pair(DEFLATE).file;
    garbage[SECOND..SECOND + 512].fill(0xff);
    refuses_image(
        garbage.clone(),
        Corrupt,
        "compressed cluster at host offset 0x40000, guest offset 0x10000: it is damaged after the first 0 bytes of the cluster",
    );
    // What lies before it is read all the same, and a part of it is not.
    let image = open(garbage).unwrap();
    let mut bytes = vec![0; 65_536];
    image.read_at(0, &mut bytes).unwrap();
    assert!(bytes == words(0, 65_536));
    let error = image.read_at(70_000, &mut [0; 2]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let Ok(Error::Image(ImageError::Compressed {
        host,
        guest,
        source,
    })) = error.downcast()
    else {
        panic!("not an error of a stream");
    };
    assert_eq!((host.0, guest.0), (0x4_0000, 0x1_0000));
    assert_eq!(source, StreamFault::Garbage { after_bytes: 0 });

    for (compression, length, message) in [
        (DEFLATE, 2000, "it ends after 2000 of 65536 bytes"),
        (ZSTD, 2000, "it ends after 2000 of 65536 bytes"),
        (
            ZSTD,
            70_000,
            "it gives more than the 65536 bytes of a cluster",
        ),
    ] {
        let mut builder = Builder::new(16, 65_536, compression);
        builder.stream(0, &compressed(compression, &words(1, length)), &[]);
        let error = restored(builder.finish().0).unwrap_err();
        assert_eq!(
            (error.kind(), chain(&error)),
            (
                Corrupt,
                format!("compressed cluster at host offset 0x30000, guest offset 0x0: {message}")
            )
        );
    }
    let mut long = Builder::new(16, 65_536, DEFLATE);
    let bytes = words(1, 70_000);
    long.stream(0, &compressed(DEFLATE, &bytes), &bytes[..65_536]);
    let (file, disk) = long.finish();
    assert!(restored(file).unwrap() == disk);
}
