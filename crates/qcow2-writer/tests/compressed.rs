//! Images with compressed clusters.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroUsize;

use blockio::{Extent, ExtentKind, MemoryDisk, ReadAt, Store};
use common::Changing;
use qcow2_format::{ClusterBits, RefcountOrder, Version};
use qcow2_writer::{
    Compression, DeflateWindow, Error, PackOptions, PackReport, Unrepresentable, pack,
};

fn pack_whole(disk: &Vec<u8>, target: &impl Store, options: &PackOptions<'_>) -> PackReport {
    let whole = Extent::new(0..disk.size(), ExtentKind::Data);
    let extents = [whole];
    pack(disk, &extents, target, options).unwrap()
}

fn options(bits: u32, order: u32, compression: Compression) -> PackOptions<'static> {
    let mut options = PackOptions::default();
    options.cluster_bits = ClusterBits::new(bits).unwrap();
    options.refcount_order = RefcountOrder::new(order).unwrap();
    options.compression = Some(compression);
    options
}

/// Clusters of `disk` that are not zeros.
fn nonzero_clusters(disk: &[u8], bits: u32) -> u64 {
    let nonzero = |cluster: &&[u8]| !blockio::is_zero(cluster);
    blockio::len_u64(disk.chunks(1 << bits).filter(nonzero).count())
}

#[test]
fn every_refcount_width_cluster_size_and_codec() {
    for bits in [9, 12, 16, 21] {
        let disk = common::mixed(1 << bits, 300);
        let mut want = disk.clone();
        want.resize(disk.len().next_multiple_of(512), 0);
        for compression in common::compressions() {
            let mut sizes = Vec::new();
            for order in 0..=6 {
                let target = MemoryDisk::default();
                let report = pack_whole(&disk, &target, &options(bits, order, compression));
                let image = target.into_bytes();
                let naive = common::expand(&image);
                assert!(naive.disk == want, "{bits} {order} {compression:?}");
                assert_eq!(naive.size, disk.size());
                assert_eq!(report.image_bytes, image.size());
                assert_eq!(report.stored_clusters, nonzero_clusters(&disk, bits));
                assert_eq!(naive.stored_clusters, report.stored_clusters);
                assert_eq!(naive.compressed_clusters, report.compressed_clusters);
                assert!(report.compressed_clusters < report.stored_clusters);
                sizes.push(image.len());
            }
            // With one bit streams share no cluster; with 16 all that are there do.
            assert!(sizes[4] < sizes[0], "{sizes:?}");
        }
    }
}

#[test]
fn tiny_streams_fill_clusters_as_far_as_the_refcount_goes() {
    // 2,000 clusters of one byte each.
    let disk: Vec<u8> = (0..2000u32)
        .flat_map(|index| vec![index.to_be_bytes()[3] | 1; 4096])
        .collect();
    for compression in common::compressions() {
        let host_clusters = [0, 1, 2, 3].map(|order| {
            let target = MemoryDisk::default();
            let report = pack_whole(&disk, &target, &options(12, order, compression));
            assert_eq!(report.compressed_clusters, 2000);
            let naive = common::expand(&target.into_bytes());
            assert!(naive.disk == disk);
            // Header, L1 table, four L2 tables, refcount block and table.
            report.image_bytes / 4096 - 8
        });
        assert_eq!(host_clusters[..2], [2000, 667], "one stream, and three");
        assert_eq!(host_clusters[2], 134, "fifteen streams");
        assert!(host_clusters[3] < 100, "as many as fit");
    }
}

#[test]
fn streams_begin_at_even_offsets_and_waste_a_byte_at_most() {
    // A cluster of one byte value, and some of noise: streams of many lengths.
    let mut disk = common::noise(4096 * 500);
    for (index, cluster) in disk.chunks_mut(4096).enumerate() {
        cluster[100 + 7 * index..].fill(7);
    }
    for compression in common::compressions() {
        let target = MemoryDisk::default();
        pack_whole(&disk, &target, &options(12, 4, compression));
        let image = target.into_bytes();
        // Header, L1 table, one L2 table: entries by hand, of which 58 bits are the
        // offset.
        let entries = image[2 * 4096..][..500 * 8].as_chunks().0;
        for raw in entries.iter().map(|raw| u64::from_be_bytes(*raw)) {
            assert_eq!(raw >> 62, 1, "{raw:#x}");
            assert_eq!((raw & ((1 << 58) - 1)) % 2, 0, "{raw:#x}");
        }
        let streams = common::expand(&image).streams;
        assert_eq!((streams.len(), streams[0].start), (500, 3 * 4096));
        let pairs = streams.windows(2);
        assert!(pairs.clone().all(|pair| pair[1].start - pair[0].end <= 1));
        let gaps = pairs.filter(|pair| pair[0].end < pair[1].start).count();
        assert!((100..400).contains(&gaps), "{gaps}");
    }
}

#[test]
fn threads_do_not_matter() {
    let disk = common::mixed(1 << 12, 0).repeat(3);
    for compression in common::compressions() {
        let image = |threads| {
            let target = MemoryDisk::default();
            let mut options = options(12, 2, compression);
            options.threads = NonZeroUsize::new(threads).unwrap();

            pack_whole(&disk, &target, &options);
            target.into_bytes()
        };
        let first = image(1);
        assert!(image(2) == first);
        assert!(image(5) == first);
    }
}

#[test]
fn a_stale_target_gets_the_same_image() {
    for (bits, order) in [(9, 1), (12, 0), (16, 4), (16, 0)] {
        let disk = common::mixed(1 << bits, 5);
        for compression in common::compressions() {
            let options = options(bits, order, compression);
            let (target, stale) = (MemoryDisk::default(), common::stale(8 << 20));
            pack_whole(&disk, &target, &options);
            pack_whole(&disk, &stale, &options);
            assert!(target.into_bytes() == stale.into_bytes());
        }
    }
}

#[test]
fn what_does_not_shrink_makes_the_same_image_as_ever() {
    let disk = common::noise(3 << 20);
    for compression in &common::compressions()[..2] {
        let (target, plain) = (MemoryDisk::default(), MemoryDisk::default());
        let report = pack_whole(&disk, &target, &options(16, 4, *compression));
        assert_eq!(
            (report.stored_clusters, report.compressed_clusters),
            (48, 0)
        );
        pack_whole(&disk, &plain, &PackOptions::default());
        assert!(target.into_bytes() == plain.into_bytes());
    }
}

#[test]
fn writes_are_large() {
    let mut disk = common::noise(8 << 20);
    for cluster in disk.chunks_mut(1 << 16) {
        cluster[40_000..].fill(7);
    }
    let target = common::Noting::default();
    let zstd = Compression::Zstd { level: 1 };
    pack_whole(&disk, &target, &options(16, 4, zstd));
    assert!(common::expand(&target.inner.into_bytes()).disk == disk);
    let writes = target.writes.into_inner().unwrap();
    // Data, L2 table, L1 table, refcount block and table, sync, header.
    let (data, rest) = writes.split_at(writes.len() - 6);
    assert_eq!((data.len(), rest[4].0, rest[5].0), (10, u64::MAX, 0));
    let whole = |(_, length): &(u64, usize)| *length == 512 << 10;
    assert!(data[..9].iter().all(whole));
}

#[test]
fn data_that_nobody_foresaw_is_stored() {
    // Tables that were not reserved come between streams.
    let disk = common::mixed(512, 0);
    let whole = Extent::new(0..disk.size(), ExtentKind::Data);
    let empty = Extent::new(0..disk.size(), ExtentKind::Free);
    for compression in common::compressions() {
        for stale in [0, 4 << 20] {
            let changing = Changing::new(&[empty], &[whole]);
            let target = common::stale(stale);
            pack(&disk, &changing, &target, &options(9, 4, compression)).unwrap();
            assert!(common::expand(&target.into_bytes()).disk == disk);
        }
    }
}

#[test]
fn what_cannot_be_is_refused_before_a_byte_is_written() {
    let refused = |version, compression| {
        let target = MemoryDisk::default();
        let mut options = PackOptions::default();
        options.version = version;
        options.compression = Some(compression);

        let whole = Extent::new(0..9, ExtentKind::Data);
        let extents = [whole];
        let error = pack(&vec![1; 9], &extents, &target, &options).unwrap_err();
        assert_eq!(target.into_bytes(), []);
        match error {
            Error::Unrepresentable(why) => why,
            other => panic!("{other}"),
        }
    };
    assert_eq!(
        refused(Version::V2, Compression::Zstd { level: 3 }),
        Unrepresentable::CompressionType { name: "zstd" }
    );
    let window = DeflateWindow::Kib4;
    assert_eq!(
        refused(Version::V2, Compression::Zlib { level: 10, window }),
        Unrepresentable::CompressionLevel {
            name: "zlib",
            level: 10,
            levels: 1..=9,
        }
    );
}
