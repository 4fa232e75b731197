//! Packed disks hold what is in use, whatever the shape of the image.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Mutex;

use blockio::{Extent, ExtentKind, Extents, MemoryDisk, Progress, ReadAt, Tiling};
use common::{Changing, Given};
use proptest::prelude::*;
use qcow2_format::{ClusterBits, RefcountOrder};
use qcow2_writer::{Compression, DeflateWindow, Error, ErrorKind, PackOptions, PackReport, pack};

use ExtentKind::{Data, Free, Unreadable, Zero};

fn pack_to_memory(disk: &impl ReadAt, extents: &[Extent], options: &PackOptions<'_>) -> Packed {
    let target = MemoryDisk::default();
    let report = pack(disk, &Given(extents), &target, options)?;
    Ok((target.into_bytes(), report))
}

type Packed = Result<(Vec<u8>, PackReport), Error>;

/// A disk: runs of a kind, a length in bytes, and a fill.
fn disks() -> impl Strategy<Value = Vec<(ExtentKind, usize, u8)>> {
    let kind = prop_oneof![3 => Just(Data), 1 => Just(Zero), 2 => Just(Free)];
    let length = prop_oneof![
        1usize..700,
        1usize..9_000,
        1usize..200_000,
        1usize..3_000_000
    ];
    let fill = prop_oneof![1 => Just(0u8), 3 => 1u8..];
    prop::collection::vec((kind, length, fill), 0..12)
}

fn compressions() -> impl Strategy<Value = Option<Compression>> {
    let zlib = |window| Compression::Zlib { level: 1, window };
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(zlib(DeflateWindow::Kib32))),
        1 => Just(Some(zlib(DeflateWindow::Kib4))),
        1 => (1u8..8).prop_map(|level| Some(Compression::Zstd { level })),
    ]
}

/// A disk whose holes are known.
struct Sparse {
    bytes: Vec<u8>,
    /// Granule in which holes are looked for.
    granule: usize,
}

impl ReadAt for Sparse {
    fn size(&self) -> u64 {
        self.bytes.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.bytes.read_at(offset, buf)
    }
    fn next_data(&self, from: u64) -> io::Result<Option<std::ops::Range<u64>>> {
        let at = usize::try_from(from).unwrap();
        Ok(blockio::nonzero_runs(&self.bytes, self.granule)
            .find(|run| run.end > at)
            .map(|run| from.max(run.start.try_into().unwrap())..run.end.try_into().unwrap()))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn holds_the_used_bytes(
        runs in disks(),
        bits in 9u32..=21,
        order in 0u32..=6,
        compression in compressions(),
        granule in prop_oneof![Just(512usize), Just(4096), Just(100_000)],
    ) {
        let (mut bytes, mut want, mut extents) = (Vec::new(), Vec::new(), Vec::new());
        for (kind, length, fill) in runs {
            let start = bytes.size();
            bytes.resize(bytes.len() + length, fill);
            let used = if kind == Data { fill } else { 0 };
            want.resize(bytes.len(), used);
            extents.push(Extent::new(start..bytes.size(), kind));
        }
        // Some bytes differ, so that swapped clusters are noticed.
        for at in (0..bytes.len()).step_by(509) {
            let mark = bytes[at].wrapping_mul(u8::try_from(at % 251).unwrap());
            bytes[at] = mark;
            if want[at] != 0 {
                want[at] = mark;
            }
        }
        // And some do not shrink.
        let mut noise = 1u32;
        for (byte, want) in bytes.iter_mut().zip(&mut want) {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if *byte % 8 == 7 {
                *byte = noise.to_be_bytes()[0] | 1;
                if *want != 0 {
                    *want = *byte;
                }
            }
        }
        let size = want.size();
        let used: u64 = extents.iter().filter(|extent| extent.kind != Free).map(|e| e.length).sum();
        want.resize(want.len().next_multiple_of(512), 0);
        let disk = Sparse { bytes, granule };

        let mut first = None;
        for threads in [1, 2, 5] {
            let mut options = PackOptions::default();
options.cluster_bits = ClusterBits::new(bits).unwrap();
options.refcount_order = RefcountOrder::new(order).unwrap();
options.compression = compression;
options.threads = NonZeroUsize::new(threads).unwrap();

            let (image, report) = pack_to_memory(&disk, &extents, &options).unwrap();
            prop_assert_eq!((report.disk_bytes, report.used_bytes), (size, used));
            prop_assert_eq!(report.image_bytes, image.size());
            let naive = common::expand(&image);
            prop_assert_eq!(naive.size, size);
            prop_assert_eq!(naive.stored_clusters, report.stored_clusters);
            prop_assert!(naive.disk == want);
            prop_assert_eq!(naive.compressed_clusters, report.compressed_clusters);
            prop_assert!(compression.is_some() || report.compressed_clusters == 0);
            let nonzero = want
                .chunks(1 << bits)
                .filter(|cluster| !blockio::is_zero(cluster))
                .count();
            prop_assert_eq!(report.stored_clusters, u64::try_from(nonzero).unwrap());
            prop_assert!(*first.get_or_insert_with(|| image.clone()) == image);
        }
    }
}

/// Every other 64 KiB of 8 MiB.
fn striped() -> (Vec<u8>, Vec<Extent>) {
    let extents = (0..128u64).map(|index| {
        let kind = if index % 2 == 0 { Data } else { Free };
        Extent::new(index << 16..(index + 1) << 16, kind)
    });
    (vec![3; 8 << 20], extents.collect())
}

#[test]
fn a_stale_target_gets_the_same_image() {
    let (disk, extents) = striped();
    let mut options = PackOptions::default();
    options.cluster_bits = ClusterBits::new(12).unwrap();

    let (image, _) = pack_to_memory(&disk, &extents, &options).unwrap();
    let target = common::stale(16 << 20);
    pack(&disk, &extents, &target, &options).unwrap();
    assert!(target.into_bytes() == image);
}

#[test]
fn data_that_nobody_foresaw_is_stored() {
    // 8 MiB are 256 tables with clusters of 512 bytes.
    let (disk, extents) = striped();
    let target = MemoryDisk::default();
    let empty = [Extent::new(0..disk.size(), Free)];
    let changing = Changing::new(&empty, &extents);
    let told = Mutex::new(Vec::new());
    let progress = |now| {
        told.lock().unwrap().push(now);
        ControlFlow::Continue(())
    };
    let mut options = PackOptions::default();
    options.cluster_bits = ClusterBits::MIN;
    options.progress = Some(&progress);

    pack(&disk, &changing, &target, &options).unwrap();
    let naive = common::expand(&target.into_bytes());
    assert!(naive.disk.chunks(1 << 17).all(|stripes| {
        stripes[..1 << 16].iter().all(|byte| *byte == 3) && blockio::is_zero(&stripes[1 << 16..])
    }));
    let done = Progress {
        done_bytes: 4 << 20,
        total_bytes: 4 << 20,
    };
    assert_eq!(told.into_inner().unwrap(), [done]);
}

#[test]
fn progress_is_told_now_and_then() {
    let disk = vec![1; 40 << 20];
    let told = Mutex::new(Vec::new());
    let progress = |now: Progress| {
        told.lock().unwrap().push((now.done_bytes, now.total_bytes));
        ControlFlow::Continue(())
    };
    let mut options = PackOptions::default();
    options.progress = Some(&progress);

    pack_to_memory(&disk, &[Extent::new(0..40 << 20, Data)], &options).unwrap();
    let (total, told) = (40 << 20, told.into_inner().unwrap());
    assert_eq!(told, [(16 << 20, total), (32 << 20, total), (total, total)]);
}

#[test]
fn the_end_of_the_data_is_told_before_the_image_is_finished() {
    let disk = vec![1; 3 << 20];
    let target = MemoryDisk::default();
    let ends = Mutex::new(Vec::new());
    let progress = |now: Progress| {
        let mut magic = [0; 4];
        target.read_at(0, &mut magic).unwrap();
        let is_end = now.done_bytes == now.total_bytes;
        ends.lock().unwrap().push((is_end, magic));
        ControlFlow::Continue(())
    };
    let mut options = PackOptions::default();
    options.progress = Some(&progress);

    let extents = [Extent::new(0..3 << 20, Data)];
    pack(&disk, &extents, &target, &options).unwrap();
    assert_eq!(ends.into_inner().unwrap(), [(true, [0; 4])]);
}

#[track_caller]
fn refuses(extents: &[Extent], kind: ErrorKind, message: &str) {
    let error = pack_to_memory(&vec![0; 4096], extents, &PackOptions::default()).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
}

#[test]
fn extents_must_tile_the_disk() {
    let half = Extent::new(0..2048, Data);
    let rest = Extent::new(2048..4096, Free);
    pack_to_memory(&vec![0; 4096], &[half, rest], &PackOptions::default()).unwrap();
    let tiling = "extents must tile the disk of 0x1000 bytes, and";
    for (extents, message) in [
        (vec![half], "go on at 0x800, where they ended"),
        (
            vec![rest],
            "go on at 0x0, where an extent of 2048 bytes at 0x800 came",
        ),
        (
            vec![half, half],
            "go on at 0x800, where an extent of 2048 bytes at 0x0 came",
        ),
        (
            vec![half, rest, rest],
            "end at 0x1000, where an extent of 2048 bytes at 0x800 came",
        ),
        (
            vec![
                half,
                Extent {
                    length: 2049,
                    ..rest
                },
            ],
            "go on at 0x800, where an extent of 2049 bytes at 0x800 came",
        ),
        (
            vec![
                half,
                Extent {
                    length: u64::MAX,
                    ..rest
                },
            ],
            "go on at 0x800, where an extent of 18446744073709551615 bytes at 0x800 came",
        ),
        (
            vec![half, Extent { length: 0, ..rest }],
            "go on at 0x800, where an extent of 0 bytes at 0x800 came",
        ),
    ] {
        refuses(&extents, ErrorKind::Invalid, &format!("{tiling} {message}"));
    }
}

#[test]
fn unreadable_bytes_are_refused() {
    let extents = [
        Extent::new(0..1024, Zero),
        Extent::new(1024..4096, Unreadable),
    ];
    let message = "3072 bytes of the disk at 0x400 are in use and cannot be read";
    refuses(&extents, ErrorKind::Source, message);
}

#[test]
fn errors_of_the_source_are_passed_on() {
    #[derive(Debug, PartialEq)]
    struct Lost;
    impl std::fmt::Display for Lost {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the map is lost")
        }
    }
    impl std::error::Error for Lost {}
    struct Unknown;
    impl Tiling for Unknown {
        fn extents(&self, _: std::ops::Range<u64>) -> Extents<'_> {
            Box::new(std::iter::once(Err(Lost.into())))
        }
    }
    let target = MemoryDisk::default();
    let error = pack(&vec![0; 9], &Unknown, &target, &PackOptions::default());
    match error.unwrap_err() {
        Error::Extents(inner) => assert_eq!(inner.downcast_ref(), Some(&Lost)),
        other => panic!("{other:?}"),
    }
    assert_eq!(target.into_bytes(), []);

    struct Torn;
    impl ReadAt for Torn {
        fn size(&self) -> u64 {
            9
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
            Err(io::Error::other("torn"))
        }
    }
    let error = pack_to_memory(&Torn, &[Extent::new(0..9, Data)], &PackOptions::default());
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Source);
    assert_eq!(error.to_string(), "cannot read 9 bytes of the disk at 0x0");
}

/// A disk that claims a length and holds nothing.
struct Claimed(u64);

impl ReadAt for Claimed {
    fn size(&self) -> u64 {
        self.0
    }
    fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
    fn next_data(&self, _: u64) -> io::Result<Option<std::ops::Range<u64>>> {
        Ok(None)
    }
}

#[test]
fn a_huge_empty_disk_is_a_small_image() {
    let size = 1 << 51;
    let extents = [Extent::new(0..size, Data)];
    let (image, report) =
        pack_to_memory(&Claimed(size), &extents, &PackOptions::default()).unwrap();
    assert_eq!(
        (report.disk_bytes, report.used_bytes, report.stored_bytes),
        (size, size, 0)
    );
    // Header, 512 clusters of L1 table, refcount block, refcount table.
    assert_eq!(image.len(), 515 << 16);
    assert_eq!(image[513 << 16..][..515 * 2], [0, 1].repeat(515));
}

#[test]
fn what_cannot_be_is_refused_before_a_byte_is_written() {
    let disk = Claimed((1 << 51) + 1);
    let target = MemoryDisk::default();
    let extents = [Extent::new(0..disk.0, Free)];
    let error = pack(&disk, &extents, &target, &PackOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert_eq!(
        error.to_string(),
        "a disk of 2251799813685249 bytes needs an L1 table of 33554440 bytes with clusters of \
         65536 bytes; at most 33554432 are allowed; clusters of 131072 bytes would do"
    );
    assert_eq!(target.into_bytes(), []);
}
