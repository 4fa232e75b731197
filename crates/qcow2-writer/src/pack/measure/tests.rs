use super::*;
use blockio::{AllData, Extent, ExtentKind, MemoryDisk};
use qcow2_codec::{Compression, DeflateWindow};
use qcow2_format::{ClusterBits, Version};

/// A disk whose parts compress well, badly and not at all, and have zeros between them.
fn disk(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let mut disk = Vec::with_capacity(bytes);
    while disk.len() < bytes {
        let (kind, length) = (next() % 4, 4096 * (1 + next() % 40));
        for at in 0..length {
            disk.push(match kind {
                0 => 0,
                1 => u8::try_from(next() % 256).unwrap(),
                2 => u8::try_from(at % 251 * (at / 4096) % 256).unwrap(),
                _ => u8::try_from(next() % 4).unwrap(),
            });
        }
    }
    disk.truncate(bytes);
    disk
}

fn zlib() -> Compression {
    Compression::Zlib {
        level: 1,
        window: DeflateWindow::Kib32,
    }
}

fn packed(disk: &Vec<u8>, tiling: &impl Tiling, options: &PackOptions<'_>) -> u64 {
    let target = MemoryDisk::default();
    let report = pack(disk, tiling, &target, options).unwrap();
    assert_eq!(target.size(), report.image_bytes);
    report.image_bytes
}

#[test]
fn the_length_is_that_of_the_packed_image() {
    for (size, seed) in [(0, 0), (1, 1), (700_001, 2), (3 << 20, 3)] {
        let disk = disk(size, seed);
        let end = size.try_into().unwrap();
        let cut = end / 3;
        let tiling: Vec<_> = [
            Extent::new(0..cut, ExtentKind::Data),
            Extent::new(cut..cut * 2, ExtentKind::Free),
            Extent::new(cut * 2..end, ExtentKind::Data),
        ]
        .into_iter()
        .filter(|extent| extent.length > 0)
        .collect();
        for bits in [9, 12, 16, 21] {
            for (version, refcount_bits, compression) in [
                (Version::V3, 16, None),
                (Version::V2, 16, None),
                (Version::V3, 1, None),
                (Version::V3, 16, Some(zlib())),
                (Version::V3, 2, Some(zlib())),
            ] {
                let options = PackOptions {
                    cluster_bits: ClusterBits::new(bits).unwrap(),
                    version,
                    refcount_order: RefcountOrder::from_bits(refcount_bits).unwrap(),
                    compression,
                    ..PackOptions::default()
                };
                let measured = measure(&disk, &tiling, &options, 64 << 20).unwrap();
                assert_eq!(
                    measured.image_bytes,
                    packed(&disk, &tiling, &options),
                    "{options:?}"
                );
                assert_eq!((measured.error_bytes, measured.sampled_bytes), (0, None));
            }
        }
    }
}

#[test]
fn a_full_disk_takes_as_much_as_it_says() {
    for (size, bits) in [(1, 9), (300_000, 9), (5 << 20, 12), (9 << 20, 16)] {
        let options = PackOptions {
            cluster_bits: ClusterBits::new(bits).unwrap(),
            ..PackOptions::default()
        };
        let full = vec![1; size];
        let measured = measure(&full, &AllData, &options, 0).unwrap();
        assert_eq!(
            measured.fully_allocated_bytes,
            packed(&full, &AllData, &options)
        );
        assert_eq!(measured.image_bytes, measured.fully_allocated_bytes);
        let empty = measure(&vec![0; size], &AllData, &options, 0).unwrap();
        assert_eq!(empty.fully_allocated_bytes, measured.fully_allocated_bytes);
        assert!(empty.image_bytes < measured.image_bytes);
    }
}

#[test]
fn the_true_length_lies_within_the_error() {
    // Enough clusters of 512 bytes and of 4 KiB that the sample is a small part of them.
    for (seed, bits) in [(1, 9), (2, 9), (3, 12), (4, 12), (5, 12), (6, 12)] {
        let disk = disk(24 << 20, seed);
        let options = PackOptions {
            cluster_bits: ClusterBits::new(bits).unwrap(),
            compression: Some(zlib()),
            ..PackOptions::default()
        };
        let measured = measure(&disk, &AllData, &options, 4 << 20).unwrap();
        assert_eq!(measured.sampled_bytes, Some(4 << 20));
        let truth = packed(&disk, &AllData, &options);
        let off = truth.abs_diff(measured.image_bytes);
        assert!(
            off <= measured.error_bytes,
            "{seed}: {truth} is not {measured:?}"
        );
        assert!(
            measured.error_bytes < truth / 2,
            "{seed}: {measured:?} says nothing"
        );
        // The same each time.
        assert_eq!(
            measure(&disk, &AllData, &options, 4 << 20).unwrap(),
            measured
        );
    }
}
