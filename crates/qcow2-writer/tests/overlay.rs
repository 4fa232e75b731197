//! An overlay says of what differs from its backing file what it holds, and nothing of
//! the rest.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use blockio::{Extent, ExtentKind, MemoryDisk, Reflink};
use common::Unit;
use common::in_units::Disk;
use hostdisk::StreamTarget;
use proptest::prelude::*;
use qcow2_format::{ClusterBits, Version};
use qcow2_writer::{
    Allocation, Backing, BackingFormat, Compression, Error, ErrorKind, PackOptions,
    Unrepresentable, pack, pack_to_pipe,
};

use ExtentKind::{Data, Free, Unallocated, Zero};

fn over(bits: u32, extended_l2: bool) -> PackOptions<'static> {
    let mut options = PackOptions::default();
    options.cluster_bits = ClusterBits::new(bits).unwrap();
    options.extended_l2 = extended_l2;
    options.allocation = Allocation::Overlay;
    options.backing = Some(Backing::new(b"old.qcow2", BackingFormat::Qcow2));
    options
}

fn packed(disk: &Vec<u8>, extents: &[Extent], options: &PackOptions<'_>) -> Result<Vec<u8>, Error> {
    let target = MemoryDisk::default();
    pack(disk, extents, &target, options)?;
    Ok(target.into_bytes())
}

fn runs() -> impl Strategy<Value = Vec<(ExtentKind, usize, u8)>> {
    let kind =
        prop_oneof![3 => Just(Data), 2 => Just(Zero), 1 => Just(Free), 1 => Just(Unallocated)];
    let count = prop_oneof![3 => 1usize..4, 2 => 1usize..70, 1 => 1usize..400];
    let fill = prop_oneof![1 => Just(0u8), 3 => 1u8..];
    prop::collection::vec((kind, count, fill), 1..24)
}

/// The extents of `disk`, with zeros at the start of the data, which share a unit with it.
fn cut_within_units(disk: &mut Disk) -> Vec<Extent> {
    let mut extents = Vec::new();
    for extent in &disk.extents {
        let (start, end) = (extent.start, extent.end());
        if extent.kind != Data || extent.length < 1024 {
            extents.push(*extent);
            continue;
        }
        let zeros = start..start + 100;
        let at = usize::try_from(start).unwrap();
        disk.content[at..at + 100].fill(0);
        extents.push(Extent::new(zeros, Zero));
        extents.push(Extent::new(start + 100..end, Data));
    }
    extents
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn says_what_differs(
        runs in runs(),
        (bits, extended_l2) in prop_oneof![
            (9u32..=13).prop_map(|bits| (bits, false)),
            (14u32..=17).prop_map(|bits| (bits, true)),
        ],
        cut in prop_oneof![Just(0usize), 0usize..512],
        compression in prop_oneof![
            Just(None),
            prop::sample::select(common::compressions().map(Some).to_vec())
        ],
    ) {
        let cluster_units = if extended_l2 { 32 } else { 1 };
        let mut disk = Disk::new(&runs, (1 << bits) / cluster_units, cut);
        prop_assume!(disk.extents.iter().all(|extent| extent.length > 0));
        let extents = cut_within_units(&mut disk);
        let mut options = over(bits, extended_l2);
        options.compression = compression;

        let image = packed(&disk.bytes, &extents, &options).unwrap();
        // A unit of which only the cut bytes are not zeros is zeros now.
        let unit_bytes = (1 << bits) / cluster_units;
        for (unit, bytes) in disk.units.iter_mut().zip(disk.content.chunks(unit_bytes)) {
            if *unit == Unit::Data && bytes.iter().all(|byte| *byte == 0) {
                *unit = Unit::Zeros;
            }
        }
        // By itself, without what lies below.
        let mut alone = image.clone();
        alone[8..20].fill(0);
        disk.is_said_by(&alone, cluster_units, compression.is_some());
        prop_assert_eq!(common::expand(&alone).exact_unit, None);

        let (spool, pipe) = (MemoryDisk::default(), StreamTarget::new(Vec::new()));
        pack_to_pipe(&disk.bytes, &extents, &spool, &pipe, &options).unwrap();
        prop_assert!(pipe.into_inner() == image);
    }
}

#[test]
fn the_header_names_the_backing_file_and_its_format() {
    let disk = vec![1; 1000];
    let extents = [Extent::new(0..1000, Data)];
    let mut options = over(9, false);
    let image = packed(&disk, &extents, &options).unwrap();
    // The name is behind the extensions: its format, the exact length, and the end.
    assert_eq!(image[8..20], [0, 0, 0, 0, 0, 0, 0, 152, 0, 0, 0, 9]);
    let format = [&[0xe2, 0x79, 0x2a, 0xca, 0, 0, 0, 5][..], b"qcow2\0\0\0"].concat();
    assert_eq!(image[112..128], format);
    assert_eq!(image[128..136], [0x51, 0x32, 0x4c, 0x4e, 0, 0, 0, 8]);
    assert_eq!(image[136..144], 1000u64.to_be_bytes());
    assert_eq!(image[144..152], [0; 8]);
    assert_eq!(image[152..161], *b"old.qcow2");
    options.backing = Some(Backing::new(b"disk.raw", BackingFormat::Raw));
    let image = packed(&disk, &extents, &options).unwrap();
    let format = [&[0xe2, 0x79, 0x2a, 0xca, 0, 0, 0, 3][..], b"raw\0\0\0\0\0"].concat();
    assert_eq!(image[112..128], format);
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written() {
    let disk = vec![1; 4096];
    let extents = [Extent::new(0..4096, Data)];
    let refusal = |change: &dyn Fn(&mut PackOptions<'_>)| {
        let mut options = over(9, false);
        change(&mut options);
        let target = MemoryDisk::default();
        let error = pack(&disk, &extents, &target, &options).unwrap_err();
        assert_eq!(target.into_bytes(), []);
        error
    };
    let old = refusal(&|options| options.version = Version::V2);
    assert!(matches!(
        old,
        Error::Unrepresentable(Unrepresentable::OverlayVersion)
    ));
    assert_eq!(old.kind(), ErrorKind::Invalid);
    let alone = refusal(&|options| options.backing = None);
    assert_eq!(alone.to_string(), "an overlay needs a backing file");
    for allocation in [Allocation::Needed, Allocation::Exact] {
        let other = refusal(&|options| options.allocation = allocation);
        assert_eq!(other.to_string(), "only an overlay may have a backing file");
    }
    let shared = refusal(&|options| options.reflink = Reflink::Always);
    assert!(matches!(
        shared,
        Error::NoReflink {
            why: "it has a backing file"
        }
    ));
    static NAME: [u8; 1024] = [b'x'; 1024];
    for length in [0, 400, 1024] {
        let error = refusal(&|options| {
            options.backing = Some(Backing::new(&NAME[..length], BackingFormat::Raw));
        });
        assert!(matches!(error, Error::Format(_)), "{length}: {error}");
    }
    let mut options = over(16, false);
    options.backing = Some(Backing::new(&NAME[..1023], BackingFormat::Raw));
    options.compression = Some(Compression::Zstd { level: 1 });
    packed(&disk, &extents, &options).unwrap();
}

#[test]
fn units_must_be_in_use_as_a_whole_or_not_at_all() {
    let disk = vec![1; 4096];
    let half = [
        Extent::new(0..100, Data),
        Extent::new(100..612, Zero),
        Extent::new(612..4096, Free),
    ];
    let error = packed(&disk, &half, &over(9, false)).unwrap_err();
    assert!(matches!(
        error,
        Error::Unaligned {
            start: 612,
            length: 3484,
            unit_bytes: 512
        }
    ));
}
