//! Writes in any order, through small caches, equal the same writes to a plain
//! buffer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroUsize;

use blockio::MemoryDisk;
use proptest::prelude::*;
use qcow2_format::{ClusterBits, RefcountOrder, Version};
use qcow2_writer::{Error, ErrorKind, ImageWriter, WriteOptions};

#[derive(Clone, Debug)]
struct Write {
    /// Where on the disk, as a fraction.
    place: f64,
    length: usize,
    fill: u8,
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let length = prop_oneof![1usize..16, 1usize..5_000, 1usize..140_000];
    let fill = prop_oneof![Just(0u8), 1u8..];
    let write = (0.0..1.0, length, fill).prop_map(|(place, length, fill)| Write {
        place,
        length,
        fill,
    });
    prop::collection::vec(write, 0..40)
}

type Shape = ((ClusterBits, bool), Version, RefcountOrder, usize);

fn shapes() -> impl Strategy<Value = Shape> {
    let version = prop_oneof![
        Just((Version::V2, 4)),
        (0u32..=6).prop_map(|order| (Version::V3, order)),
    ];
    let tables = prop_oneof![Just(1usize), Just(2), Just(512)];
    (9u32..=16, version, any::<bool>(), tables).prop_map(|shape| {
        let (bits, (version, order), extended, tables) = shape;
        let bits = ClusterBits::new(bits).unwrap();
        let may_be_extended = version == Version::V3 && bits >= ClusterBits::MIN_EXTENDED_L2;
        (
            (bits, may_be_extended && extended),
            version,
            RefcountOrder::new(order).unwrap(),
            tables,
        )
    })
}

fn range(write: &Write, size: usize) -> std::ops::Range<usize> {
    // Rounds down: a fraction below one stays on the disk.
    #[allow(clippy::as_conversions, reason = "a place on a small disk")]
    let start = (write.place * size as f64) as usize;
    start..size.min(start + write.length)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn equals_a_flat_disk(
        writes in writes(),
        ((cluster_bits, extended_l2), version, refcount_order, tables) in shapes(),
        size in 0usize..1_500_000,
        fresh: bool,
    ) {
        let mut options = WriteOptions::default();
options.size = size.try_into().unwrap();
options.cluster_bits = cluster_bits;
options.extended_l2 = extended_l2;
options.version = version;
options.refcount_order = refcount_order;
options.l2_cache_tables = NonZeroUsize::new(tables).unwrap();
options.sync = true;

        let target = if fresh { MemoryDisk::default() } else { common::stale(8 << 20) };
        let mut writer = ImageWriter::create(&target, &options).unwrap();
        let mut flat = vec![0; size];
        for write in &writes {
            let range = range(write, size);
            let mut bytes = vec![write.fill; range.len()];
            // Not all bytes alike, so that swapped clusters are noticed.
            for (byte, at) in bytes.iter_mut().zip(range.start / 512..).step_by(512) {
                *byte = byte.wrapping_mul(u8::try_from(at % 251).unwrap());
            }
            writer.write_at(range.start.try_into().unwrap(), &bytes).unwrap();
            flat[range].copy_from_slice(&bytes);
        }
        let (_, report) = writer.finish().unwrap();

        let image = target.into_bytes();
        prop_assert_eq!(report.image_bytes, u64::try_from(image.len()).unwrap());
        let naive = common::expand(&image);
        prop_assert_eq!(naive.size, options.size);
        prop_assert_eq!(naive.stored_clusters, report.stored_clusters);
        flat.resize(size.next_multiple_of(512), 0);
        prop_assert!(naive.disk == flat);
    }
}

#[test]
fn zeros_are_stored_only_over_a_stored_cluster() {
    let target = MemoryDisk::default();
    let mut options = WriteOptions::default();
    options.size = 1 << 20;
    options.cluster_bits = ClusterBits::new(12).unwrap();

    let mut writer = ImageWriter::create(&target, &options).unwrap();
    writer.write_at(0, &[0; 3 * 4096]).unwrap();
    writer.write_at(4096, &[7; 4096]).unwrap();
    writer.write_at(0, &[0; 3 * 4096]).unwrap();
    writer.write_at(4096 + 100, &[9; 8]).unwrap();
    let (_, report) = writer.finish().unwrap();
    assert_eq!((report.stored_clusters, report.stored_bytes), (1, 4096));
    let mut flat = vec![0; 1 << 20];
    flat[4196..4204].fill(9);
    assert_eq!(common::expand(&target.into_bytes()).disk, flat);
}

#[test]
fn writes_are_few_and_the_header_is_the_last() {
    let target = common::Noting::default();
    let mut options = WriteOptions::default();
    options.size = 1 << 30;

    let mut writer = ImageWriter::create(&target, &options).unwrap();
    // Three clusters, of which one has a hole; one is changed afterwards.
    let mut bytes = vec![1; 3 << 16];
    bytes[0x1_3000..0x1_8000].fill(0);
    writer.write_at(0, &bytes).unwrap();
    writer.write_at(0, &[0; 1 << 16]).unwrap();
    writer.finish().unwrap();
    let want = [
        // Header, L1 table and L2 table take the first three clusters. Of a
        // table, the pages that are not empty are written.
        (0x3_0000, 0x1_3000),
        (0x4_8000, 0x1_8000),
        (0x3_0000, 0x1_0000),
        (0x2_0000, 0x1000),
        (0x1_0000, 0x1000),
        (0x6_0000, 0x1000),
        (0x7_0000, 0x1_0000),
        (u64::MAX, 0),
        (0, 120),
    ];
    assert_eq!(target.writes.into_inner().unwrap(), want);
}

#[test]
fn a_table_is_written_only_when_it_changed() {
    let target = common::Noting::default();
    let mut options = WriteOptions::default();
    options.size = 1 << 20;
    options.cluster_bits = ClusterBits::MIN;
    options.l2_cache_tables = NonZeroUsize::new(2).unwrap();

    let mut writer = ImageWriter::create(&target, &options).unwrap();
    for table in [0, 1, 2, 0, 1, 2] {
        writer.write_at(table << 15, &[1; 512]).unwrap();
    }
    let want = [
        (3, "data"),
        (5, "data"),
        (2, "the first table makes room for the third"),
        (4, "the second table is written with it"),
        (7, "data"),
        // The first table comes back in place of the second, which is clean.
        (3, "data"),
        (6, "the third table makes room for the second"),
        (5, "data"),
        // The third table comes back in place of the first, which is clean.
        (7, "data"),
    ];
    let want = want.map(|(cluster, _)| (cluster * 512, 512));
    assert_eq!(*target.writes.lock().unwrap(), want);
}

#[test]
fn a_write_past_the_end_changes_nothing() {
    let target = MemoryDisk::default();
    let mut options = WriteOptions::default();
    options.size = 1000;

    let mut writer = ImageWriter::create(&target, &options).unwrap();
    for (offset, length) in [(999, 2), (1001, 0), (u64::MAX, 1)] {
        let error = writer.write_at(offset, &[1, 1][..length]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let want =
            format!("a write of {length} bytes at {offset:#x} passes the end of the disk at 0x3e8");
        assert_eq!(error.to_string(), want);
    }
    writer.write_at(999, &[1]).unwrap();
    let (_, report) = writer.finish().unwrap();
    assert_eq!((report.stored_clusters, report.stored_bytes), (1, 1000));
    let naive = common::expand(&target.into_bytes());
    assert_eq!((naive.size, naive.disk.len()), (1000, 1024));
    assert_eq!(naive.disk.iter().position(|byte| *byte == 1), Some(999));
}

#[test]
fn a_table_that_changed_below_is_noticed() {
    let target = MemoryDisk::default();
    let mut options = WriteOptions::default();
    options.size = 1 << 20;
    options.cluster_bits = ClusterBits::MIN;
    options.l2_cache_tables = NonZeroUsize::MIN;

    let mut writer = ImageWriter::create(&target, &options).unwrap();
    writer.write_at(0, &[1]).unwrap();
    writer.write_at(1 << 19, &[1]).unwrap();
    // The L1 table has 32 entries in cluster 1; the first L2 table follows.
    blockio::WriteAt::write_at(&target, 0x400 + 5 * 8, &[0x40]).unwrap();
    let error = writer.write_at(5 * 512, &[1]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "L2 table at 0x400: entry 5 was read back as 0x4000000000000000, which was never written"
    );
    assert!(matches!(writer.write_at(0, &[]), Err(Error::Broken)));
    assert!(matches!(writer.finish(), Err(Error::Broken)));
    assert_eq!(target.into_bytes()[..4], [0; 4]);
}
