//! An exact allocation says of every cluster or subcluster whether it was in use.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use blockio::{Extent, ExtentKind, MemoryDisk, ReadAt, Reflink};
use common::in_units::Disk;
use common::{Given, Unit};
use hostdisk::StreamTarget;
use proptest::prelude::*;
use qcow2_format::{ClusterBits, RefcountOrder, Version};
use qcow2_writer::{
    Allocation, Compression, Error, ErrorKind, PackOptions, PackReport, Unrepresentable, pack,
    pack_to_pipe,
};

use ExtentKind::{Data, Free, Zero};

fn exact(bits: u32, extended_l2: bool) -> PackOptions<'static> {
    let mut options = PackOptions::default();
    options.cluster_bits = ClusterBits::new(bits).unwrap();
    options.extended_l2 = extended_l2;
    options.allocation = Allocation::Exact;
    options
}

fn packed(
    disk: &Vec<u8>,
    extents: &[Extent],
    options: &PackOptions<'_>,
) -> Result<(Vec<u8>, PackReport), Error> {
    let target = MemoryDisk::default();
    let report = pack(disk, &Given(extents), &target, options)?;
    Ok((target.into_bytes(), report))
}

fn streamed(disk: &Vec<u8>, extents: &[Extent], options: &PackOptions<'_>) -> Vec<u8> {
    let (spool, pipe) = (MemoryDisk::default(), StreamTarget::new(Vec::new()));
    pack_to_pipe(disk, extents, &spool, &pipe, options).unwrap();
    pipe.into_inner()
}

fn runs() -> impl Strategy<Value = Vec<(ExtentKind, usize, u8)>> {
    let kind = prop_oneof![3 => Just(Data), 2 => Just(Zero), 2 => Just(Free)];
    let count = prop_oneof![3 => 1usize..4, 2 => 1usize..70, 1 => 1usize..400];
    let fill = prop_oneof![1 => Just(0u8), 3 => 1u8..];
    prop::collection::vec((kind, count, fill), 1..24)
}

fn shapes() -> impl Strategy<Value = (u32, bool)> {
    prop_oneof![
        (9u32..=13).prop_map(|bits| (bits, false)),
        (14u32..=17).prop_map(|bits| (bits, true)),
    ]
}

fn compressions() -> impl Strategy<Value = Option<Compression>> {
    let all = common::compressions().map(Some);
    prop_oneof![2 => Just(None), 2 => prop::sample::select(all.to_vec())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn says_what_is_in_use(
        runs in runs(),
        (bits, extended_l2) in shapes(),
        cut in prop_oneof![Just(0usize), 0usize..512],
        compression in compressions(),
        order in 0u32..=6,
        is_stale: bool,
    ) {
        let cluster_units = if extended_l2 { 32 } else { 1 };
        let unit_bytes = (1 << bits) / cluster_units;
        let disk = Disk::new(&runs, unit_bytes, cut);
        prop_assume!(disk.extents.iter().all(|extent| extent.length > 0));
        let mut options = exact(bits, extended_l2);
options.refcount_order = RefcountOrder::new(order).unwrap();
options.compression = compression;
options.threads = NonZeroUsize::MIN;

        let (image, report) = packed(&disk.bytes, &disk.extents, &options).unwrap();
        disk.is_said_by(&image, cluster_units, compression.is_some());
        let naive = common::expand(&image);
        prop_assert_eq!(naive.exact_unit, Some(u32::try_from(unit_bytes).unwrap()));
        let used = |extent: &&Extent| extent.kind != Free;
        let used_bytes = disk.extents.iter().filter(used).map(|extent| extent.length).sum();
        prop_assert_eq!(report.used_bytes, used_bytes);
        prop_assert_eq!(report.stored_clusters, naive.stored_clusters);
        prop_assert_eq!(report.compressed_clusters, naive.compressed_clusters);

        options.threads = NonZeroUsize::new(3).unwrap();
        let (again, _) = packed(&disk.bytes, &disk.extents, &options).unwrap();
        prop_assert!(again == image);
        prop_assert!(streamed(&disk.bytes, &disk.extents, &options) == image);
        if is_stale {
            let target = common::stale(64 << 20);
            pack(&disk.bytes, &disk.extents, &target, &options).unwrap();
            prop_assert!(target.into_bytes() == image);
        }
    }

    #[test]
    fn what_is_needed_fits_subclusters_too(
        runs in runs(),
        bits in 14u32..=17,
        cut in 0usize..512,
        compression in compressions(),
    ) {
        // Units of 512 bytes are no subclusters, but for the smallest clusters.
        let disk = Disk::new(&runs, 512, cut);
        prop_assume!(disk.extents.iter().all(|extent| extent.length > 0));
        let mut options = exact(bits, true);
options.compression = compression;
options.allocation = Allocation::Needed;

        let (image, report) = packed(&disk.bytes, &disk.extents, &options).unwrap();
        let naive = common::expand(&image);
        prop_assert!(naive.disk[..disk.content.len()] == disk.content);
        prop_assert_eq!(naive.exact_unit, None);
        prop_assert_eq!(naive.stored_clusters, report.stored_clusters);
        let subclusters = disk.content.chunks(1 << (bits - 5));
        for (bytes, unit) in subclusters.zip(naive.units) {
            let is_zeros = bytes.iter().all(|byte| *byte == 0);
            let want = if is_zeros { Unit::Unallocated } else { Unit::Data };
            prop_assert!(unit == want || compression.is_some() && unit == Unit::Compressed);
        }
        prop_assert!(streamed(&disk.bytes, &disk.extents, &options) == image);
    }
}

/// Whatever is between the data, many small ranges of zeros or one that needs
/// tables only.
#[test]
fn zeros_need_no_memory_and_no_data() {
    for (bits, extended_l2) in [(9, false), (14, true)] {
        let small: Vec<_> = [(Zero, 1, 1), (Free, 1, 1)].repeat(10_000);
        let large = [(Zero, 30_000, 1), (Data, 1, 2), (Zero, 1, 1), (Free, 9, 9)];
        let disk = Disk::new(&[small, large.to_vec()].concat(), 512, 7);
        for compression in [None, Some(common::compressions()[2])] {
            let mut options = exact(bits, extended_l2);
            options.compression = compression;

            let (image, report) = packed(&disk.bytes, &disk.extents, &options).unwrap();
            let cluster_units = if extended_l2 { 32 } else { 1 };
            disk.is_said_by(&image, cluster_units, compression.is_some());
            assert_eq!(report.stored_clusters, 1);
            assert!(streamed(&disk.bytes, &disk.extents, &options) == image);
        }
    }
}

#[test]
fn holes_of_the_source_are_zeros() {
    /// Reads as data nowhere but in two bytes.
    struct Sparse;
    impl ReadAt for Sparse {
        fn size(&self) -> u64 {
            10_000
        }
        fn read_at(&self, offset: u64, bytes: &mut [u8]) -> std::io::Result<()> {
            for (byte, at) in bytes.iter_mut().zip(offset..) {
                *byte = u8::from(at == 1500 || at == 5000);
            }
            Ok(())
        }
        fn next_data(&self, from: u64) -> std::io::Result<Option<std::ops::Range<u64>>> {
            let at = [1500, 5000].into_iter().find(|at| *at >= from);
            Ok(at.map(|at| at..at + 1))
        }
    }
    let extents = [
        Extent::new(0..4096, Data),
        Extent::new(4096..4608, Free),
        Extent::new(4608..10_000, Data),
    ];
    let target = MemoryDisk::default();
    pack(&Sparse, &extents, &target, &exact(9, false)).unwrap();
    let mut want = [Unit::Zeros; 20];
    (want[2], want[8], want[9]) = (Unit::Data, Unit::Unallocated, Unit::Data);
    assert_eq!(common::expand(&target.into_bytes()).units, want);
}

/// Two clusters in use; one of them changes when it is read for the second time.
struct Changing {
    /// What all bytes of the cluster at 512 are, the first time and the second.
    fills: [u8; 2],
    reads: AtomicUsize,
}

impl ReadAt for Changing {
    fn size(&self) -> u64 {
        1024
    }
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> std::io::Result<()> {
        let fill = self.fills[self.reads.fetch_add(1, Ordering::SeqCst).min(1)];
        for (byte, at) in bytes.iter_mut().zip(offset..) {
            *byte = if at < 512 { 1 } else { fill };
        }
        Ok(())
    }
}

#[test]
fn zeros_that_become_data_are_noticed_on_the_way_to_a_pipe() {
    let stream = |fills| {
        let disk = Changing {
            fills,
            reads: AtomicUsize::new(0),
        };
        let (spool, pipe) = (MemoryDisk::default(), StreamTarget::new(Vec::new()));
        let extents = [Extent::new(0..1024, Data)];
        pack_to_pipe(&disk, &extents, &spool, &pipe, &exact(9, false))
    };
    stream([0, 0]).unwrap();
    stream([2, 2]).unwrap();
    for fills in [[0, 2], [2, 0]] {
        assert!(matches!(stream(fills), Err(Error::SourceChanged { .. })));
    }
}

#[test]
fn extents_must_be_made_of_units() {
    let first_unaligned = |ends: &[u64], bits, extended_l2| {
        let mut extents = Vec::new();
        let mut start = 0;
        for (&end, kind) in ends.iter().zip([Data, Free, Zero, Data, Free]) {
            extents.push(Extent::new(start..end, kind));
            start = end;
        }
        let disk = vec![1; usize::try_from(start).unwrap()];
        match packed(&disk, &extents, &exact(bits, extended_l2)) {
            Ok(_) => None,
            Err(Error::Unaligned {
                start,
                length,
                unit_bytes,
            }) => Some((start, length, unit_bytes)),
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(first_unaligned(&[4096, 8192, 10_000], 12, false), None);
    assert_eq!(first_unaligned(&[512, 1024, 5120, 5121], 14, true), None);
    let want = Some((4096, 512, 4096));
    assert_eq!(first_unaligned(&[4096, 4608, 8192], 12, false), want);
    let want = Some((0, 511, 512));
    assert_eq!(first_unaligned(&[511, 512], 14, true), want);
    let (unaligned, disk) = (
        [Extent::new(0..5, Zero), Extent::new(5..9, Data)],
        vec![0; 9],
    );
    let error = packed(&disk, &unaligned, &exact(9, false)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.to_string(),
        "an exact allocation is made of units of 512 bytes, and an extent of 5 bytes at 0x0 is not"
    );
}

#[test]
fn what_cannot_be_is_refused() {
    let refusal = |options: &PackOptions<'_>| {
        let whole = [Extent::new(0..9, Data)];
        match packed(&vec![1; 9], &whole, options) {
            Err(Error::Unrepresentable(why)) => {
                assert_eq!(why.kind(), ErrorKind::Invalid);
                why
            }
            other => panic!("{other:?}"),
        }
    };
    let in_version_2 = |mut options: PackOptions<'static>| {
        options.version = Version::V2;
        options
    };
    let needed = |mut options: PackOptions<'static>| {
        options.allocation = Allocation::Needed;
        options
    };
    let v2 = refusal(&in_version_2(exact(12, false)));
    assert_eq!(v2, Unrepresentable::ZeroClusters);
    let v2 = refusal(&needed(in_version_2(exact(16, true))));
    assert_eq!(v2, Unrepresentable::ExtendedL2Version);
    let small = Unrepresentable::ExtendedL2Clusters {
        cluster_bytes: 8192,
        cluster_bytes_min: 16_384,
    };
    assert_eq!(refusal(&exact(13, true)), small);
    assert_eq!(refusal(&needed(exact(13, true))), small);
}

#[test]
fn nothing_is_shared() {
    let disk = Disk::new(&[(Data, 40, 7), (Free, 8, 7), (Zero, 9, 1)], 512, 0);
    let shared = |options: PackOptions<'static>, reflink| {
        let mut options = options;
        options.reflink = reflink;

        packed(&disk.bytes, &disk.extents, &options)
    };
    let mut subclusters = exact(14, true);
    subclusters.allocation = Allocation::Needed;

    for (options, want) in [
        (exact(9, false), "its allocation is exact"),
        (subclusters, "its clusters have subclusters"),
    ] {
        let (auto, report) = shared(options, Reflink::Auto).unwrap();
        assert!(auto == shared(options, Reflink::Never).unwrap().0);
        assert_eq!(report.reflinked_bytes, 0);
        let error = shared(options, Reflink::Always).unwrap_err();
        assert!(matches!(error, Error::NoReflink { why } if why == want));
    }
}
