//! Writer and reader against each other and against a flat buffer.

use std::convert::Infallible;
use std::num::NonZeroUsize;

use blockio::{Extent, ExtentKind, MemoryDisk, Merge, ReadAt, tiles};
use fixtures::{Qemu, SplitMix};
use hostdisk::StreamTarget;
use proptest::prelude::*;
use qcow2_format::{ClusterBits, RefcountOrder, Version};
use qcow2_reader::{Image, ImageStream, OpenOptions, UnpackOptions};
use qcow2_writer::{
    Compression, DeflateWindow, ImageWriter, PackOptions, WriteOptions, pack, pack_to_pipe,
};

/// The shape of an image: small clusters, so that a small disk has many tables.
fn shapes() -> impl Strategy<Value = (ClusterBits, Version, RefcountOrder)> {
    (9u32..=13, any::<bool>(), 0u32..=6).prop_map(|(bits, v3, order)| {
        let bits = ClusterBits::new(bits).unwrap();
        if v3 {
            (bits, Version::V3, RefcountOrder::new(order).unwrap())
        } else {
            (bits, Version::V2, RefcountOrder::DEFAULT)
        }
    })
}

/// A write: where (a fraction of the disk), how long, and zeros or not.
fn writes() -> impl Strategy<Value = Vec<(u32, usize, bool)>> {
    prop::collection::vec(
        (any::<u32>(), 1usize..40_000, prop::bool::weighted(0.3)),
        0..24,
    )
}

/// No compression, or one that an image of `version` can have.
fn compressions() -> impl Strategy<Value = Option<Compression>> {
    prop_oneof![
        Just(None),
        (1u8..=9, any::<bool>()).prop_map(|(level, small)| {
            let window = if small {
                DeflateWindow::Kib4
            } else {
                DeflateWindow::Kib32
            };
            Some(Compression::Zlib { level, window })
        }),
        (1u8..=5).prop_map(|level| Some(Compression::Zstd { level })),
    ]
}

/// Bytes that compress well, all other for each `seed`.
fn repetitive(random: &mut SplitMix, length: usize) -> Vec<u8> {
    random.bytes(7).repeat(length.div_ceil(7))[..length].to_vec()
}

fn unpacked(image: &Image<impl ReadAt>) -> Vec<u8> {
    let target = MemoryDisk::default();
    let report = image.unpack(&target, &UnpackOptions::default()).unwrap();
    let disk = target.into_bytes();
    assert_eq!(report.disk_bytes, disk.size());
    disk
}

/// What extents of an image claim is what is there.
fn check_extents(image: &Image<impl ReadAt>, disk: &[u8]) {
    let extents: Vec<Extent> = image
        .extents(0..image.size())
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(tiles(extents.iter().copied(), image.size()));
    assert!(extents.windows(2).all(|pair| pair[0].kind != pair[1].kind));
    for extent in extents
        .iter()
        .filter(|extent| extent.kind != ExtentKind::Data)
    {
        let range = usize::try_from(extent.start).unwrap()..usize::try_from(extent.end()).unwrap();
        assert!(disk[range].iter().all(|&byte| byte == 0));
    }
}

/// `qemu-img check` finds nothing, and `convert` restores `disk`.
fn qemu_agrees(qemu: &Qemu, image: &[u8], disk: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let (packed, raw) = (folder.path().join("image"), folder.path().join("raw"));
    std::fs::write(&packed, image).unwrap();
    let check = qemu.check(&packed).unwrap();
    assert!(check.success(), "{check:?}");
    qemu.unpack(&packed, &raw).unwrap();
    let mut restored = std::fs::read(&raw).unwrap();
    // QEMU counts in sectors; what is behind an odd end reads as zeros.
    assert!(restored.len() - disk.len() < 512);
    assert!(restored.drain(disk.len()..).all(|byte| byte == 0));
    assert!(restored == disk, "qemu-img convert restores something else");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn writes_in_any_order_equal_a_flat_buffer(
        size in 0u64..3_000_000,
        (cluster_bits, version, refcount_order) in shapes(),
        cache in prop::sample::select(vec![1usize, 2, 512]),
        writes in writes(),
        seed: u64,
    ) {
        let mut flat = vec![0; usize::try_from(size).unwrap()];
        let target = MemoryDisk::default();
        let mut options = WriteOptions::default();
options.size = size;
options.cluster_bits = cluster_bits;
options.version = version;
options.refcount_order = refcount_order;
options.l2_cache_tables = NonZeroUsize::new(cache).unwrap();

        let mut writer = ImageWriter::create(&target, &options).unwrap();
        let mut random = SplitMix::new(seed);
        for (place, length, zeros) in writes {
            let start = usize::try_from((u64::from(place) * size) >> 32).unwrap();
            let length = length.min(flat.len() - start);
            let bytes = if zeros { vec![0; length] } else { random.bytes(length) };
            writer.write_at(u64::try_from(start).unwrap(), &bytes).unwrap();
            flat[start..start + length].copy_from_slice(&bytes);
        }
        writer.finish().unwrap();
        let bytes = target.into_bytes();

        let image = Image::open(bytes.as_slice(), &OpenOptions::default()).unwrap();
        prop_assert_eq!(image.size(), size);
        prop_assert!(unpacked(&image) == flat);
        check_extents(&image, &flat);
        // One case in eight, so that the suite stays quick.
        if seed.is_multiple_of(8) && let Some(qemu) = Qemu::require() {
            qemu_agrees(&qemu, &bytes, &flat);
        }
    }

    #[test]
    fn unpacking_a_packed_disk_gives_its_used_bytes(
        runs in prop::collection::vec((1u64..60_000, 0u8..6), 0..40),
        (cluster_bits, version, refcount_order) in shapes(),
        compression in compressions(),
        threads in 1usize..4,
        seed: u64,
    ) {
        let zstd_in_v2 = version == Version::V2 && matches!(compression, Some(Compression::Zstd { .. }));
        let compression = compression.filter(|_| !zstd_in_v2);
        let kinds = [ExtentKind::Data, ExtentKind::Data, ExtentKind::Zero, ExtentKind::Free];
        let mut source = Vec::new();
        let mut used = Vec::new();
        let mut extents = Vec::new();
        let mut random = SplitMix::new(seed);
        for (length, kind) in runs {
            let start = source.size();
            let length = usize::try_from(length).unwrap();
            let bytes = match kind {
                4 => vec![0; length],
                5 => repetitive(&mut random, length),
                _ => random.bytes(length),
            };
            let kind = kinds.get(usize::from(kind)).copied().unwrap_or(ExtentKind::Data);
            used.extend(if kind == ExtentKind::Data { bytes.clone() } else { vec![0; length] });
            source.extend(bytes);
            extents.push(Ok::<_, Infallible>(Extent::new(start..source.size(), kind)));
        }
        let mut options = PackOptions::default();
options.cluster_bits = cluster_bits;
options.version = version;
options.refcount_order = refcount_order;
options.compression = compression;
options.threads = NonZeroUsize::new(threads).unwrap();

        let tiling: Vec<Extent> = Merge::new(extents.into_iter()).map(Result::unwrap).collect();
        let target = MemoryDisk::default();
        let report = pack(&source, &tiling, &target, &options).unwrap();
        let bytes = target.into_bytes();
        prop_assert_eq!(report.image_bytes, bytes.size());

        let image = Image::open(bytes.as_slice(), &OpenOptions::default()).unwrap();
        prop_assert_eq!(image.size(), source.size());
        prop_assert!(unpacked(&image) == used);
        check_extents(&image, &used);

        // Through pipes it is the same image, and the same disk.
        let (pipe, spool) = (StreamTarget::new(Vec::new()), MemoryDisk::default());
        pack_to_pipe(&source, &tiling, &spool, &pipe, &options).unwrap();
        prop_assert!(pipe.into_inner() == bytes);
        let stream =
            ImageStream::open(bytes.as_slice(), MemoryDisk::default(), &OpenOptions::default())
                .unwrap();
        let pipe = StreamTarget::new(Vec::new());
        stream.unpack(&pipe, &UnpackOptions::default()).unwrap();
        prop_assert!(pipe.into_inner() == used);

        if seed.is_multiple_of(8) && let Some(qemu) = Qemu::require() {
            qemu_agrees(&qemu, &bytes, &used);
        }
    }
}
