use super::*;
use proptest::prelude::*;

fn bits(bytes: u64) -> ClusterBits {
    ClusterBits::from_bytes(bytes).unwrap()
}

fn layout(size: u64, cluster_bytes: u64, refcount_bits: u32) -> Result<Layout, Unrepresentable> {
    let order = RefcountOrder::from_bits(refcount_bits).unwrap();
    let geometry = Geometry {
        cluster_bits: bits(cluster_bytes),
        extended_l2: false,
    };
    Layout::new(size, Version::V3, geometry, order)
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const PIB: u64 = 1 << 50;

#[test]
fn header_and_l1_table_come_first() {
    for (size, cluster_bytes, l1_entries, front_clusters) in [
        (0, 512, 1, 2),
        (1, 512, 1, 2),
        (32 * KIB, 512, 1, 2),
        (32 * KIB + 1, 512, 2, 2),
        // 64 entries fill a cluster.
        (64 * 32 * KIB, 512, 64, 2),
        (64 * 32 * KIB + 1, 512, 65, 3),
        (8 * GIB, 64 * KIB, 16, 2),
        (2 * PIB, 64 * KIB, 1 << 22, 513),
        (2048 * PIB, 2 * MIB, 1 << 22, 17),
    ] {
        let layout = layout(size, cluster_bytes, 16).unwrap();
        assert_eq!(
            (layout.l1_entries, layout.front_clusters()),
            (l1_entries, front_clusters)
        );
        assert_eq!(layout.l1_offset(), HostOffset(cluster_bytes));
    }
    let odd = layout(1025, 512, 16).unwrap();
    assert_eq!((odd.size, odd.header_size()), (1025, 1536));
}

#[test]
fn disks_end_where_the_largest_l1_table_ends() {
    for (size_max, cluster_bytes, would_do) in [
        (128 * GIB, 512, Some(1024)),
        (2 * PIB, 64 * KIB, Some(128 * KIB)),
        (2048 * PIB, 2 * MIB, None),
    ] {
        assert!(layout(size_max, cluster_bytes, 16).is_ok());
        let want = Unrepresentable::L1Table {
            size: size_max + 1,
            cluster_bytes,
            l1_bytes: 0x200_0008,
            l1_bytes_max: 0x200_0000,
            smallest_cluster_bytes: would_do,
        };
        assert_eq!(layout(size_max + 1, cluster_bytes, 16), Err(want));
    }
    assert!(matches!(
        layout(u64::MAX, 2 * MIB, 16),
        Err(Unrepresentable::L1Table { .. })
    ));
    assert!(matches!(
        layout(300 * GIB, 512, 16),
        Err(Unrepresentable::L1Table {
            smallest_cluster_bytes: Some(1024),
            ..
        })
    ));
}

#[test]
fn extended_entries_halve_what_a_table_maps() {
    let extended = |size, cluster_bytes| {
        let geometry = Geometry {
            cluster_bits: bits(cluster_bytes),
            extended_l2: true,
        };
        Layout::new(size, Version::V3, geometry, RefcountOrder::DEFAULT)
    };
    let layout = extended(8 * GIB + 1, 64 * KIB).unwrap();
    assert_eq!((layout.l1_entries, layout.unit_bits), (33, bits(2 * KIB)));
    let error = extended(PIB + 1, 64 * KIB).unwrap_err();
    let Unrepresentable::L1Table {
        smallest_cluster_bytes,
        ..
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(smallest_cluster_bytes, Some(128 * KIB));
}

#[test]
fn a_cluster_has_one_unit_or_32() {
    let whole = layout(GIB, 64 * KIB, 16).unwrap();
    assert_eq!(whole.units(&(0x3_0000..0x3_0001)), 1);
    assert_eq!(whole.units(&(0x3_0400..0x4_0000)), 1);
    let geometry = Geometry {
        extended_l2: true,
        ..whole.geometry()
    };
    let parts = Layout::new(GIB, Version::V3, geometry, RefcountOrder::DEFAULT).unwrap();
    assert_eq!(parts.units(&(0x3_0000..0x4_0000)), u32::MAX);
    assert_eq!(parts.units(&(0x3_07ff..0x3_0801)), 0b11);
    assert_eq!(parts.units(&(0x3_0800..0x3_1000)), 0b10);
    assert_eq!(parts.units(&(0x3_f800..0x4_0000)), 1 << 31);
}

#[test]
fn version_2_has_one_width_of_refcounts() {
    let version_2 = |refcount_bits| {
        let order = RefcountOrder::from_bits(refcount_bits).unwrap();
        let geometry = Geometry {
            cluster_bits: ClusterBits::DEFAULT,
            extended_l2: false,
        };
        Layout::new(1, Version::V2, geometry, order).map(drop)
    };
    assert_eq!(version_2(16), Ok(()));
    assert_eq!(
        version_2(8),
        Err(Unrepresentable::RefcountWidth { bits: 8 })
    );
    assert_eq!(
        version_2(32),
        Err(Unrepresentable::RefcountWidth { bits: 32 })
    );
}

#[test]
fn images_end_where_the_largest_refcount_table_ends() {
    // 1 Mi blocks of 64 refcounts count 64 Mi clusters: 32 GiB. The blocks are
    // 1 Mi of them, the table 16 Ki.
    let layout = layout(100 * GIB, 512, 64).unwrap();
    let clusters_max = (64 << 20) - (1 << 20) - (16 << 10);
    assert_eq!(layout.allocated_max(), clusters_max);
    // 100 GiB are 3,276,800 L1 entries, 51,200 clusters of them.
    let front_clusters = 51_201;
    assert_eq!(layout.front_clusters(), front_clusters);
    let data_max = clusters_max - front_clusters;
    assert_eq!(layout.check(1000, data_max - 1000), Ok(()));
    let too_large = |data_clusters, would_do| {
        Err(Unrepresentable::RefcountTable {
            clusters: front_clusters + 1000 + data_clusters,
            clusters_max,
            cluster_bytes: 512,
            table_bytes_max: 8 << 20,
            smallest_cluster_bytes: would_do,
        })
    };
    let one_more = data_max - 1000 + 1;
    assert_eq!(
        layout.check(1000, one_more),
        too_large(one_more, Some(1024))
    );
    // All 100 GiB: as many clusters of 1 KiB as then are allowed, without tables.
    let all = 200 << 20;
    assert_eq!(layout.check(1000, all), too_large(all, Some(1024)));
}

#[test]
fn a_full_disk_may_need_much_larger_clusters() {
    // 120 GiB in clusters of 512 bytes; each size up to 1 KiB has too few
    // refcounts of 64 bits: 2^20 blocks of 128.
    let layout = layout(128 * GIB, 512, 64).unwrap();
    let error = layout.check(1 << 22, 256 << 20).unwrap_err();
    assert!(matches!(
        error,
        Unrepresentable::RefcountTable {
            smallest_cluster_bytes: Some(2048),
            ..
        }
    ));
}

#[test]
fn images_end_where_host_offsets_end() {
    let layout = layout(1024 * PIB, 2 * MIB, 16).unwrap();
    // 2^35 clusters of 2 MiB; 2^20 refcounts a block.
    let clusters_max = (1 << 35) - (1 << 15) - 1;
    assert_eq!(layout.allocated_max(), clusters_max);
    let data_max = clusters_max - layout.front_clusters();
    assert_eq!(layout.check(0, data_max), Ok(()));
    let want = Unrepresentable::HostOffset {
        clusters: clusters_max + 1,
        clusters_max,
        cluster_bytes: 2 * MIB,
        end_max: 1 << 56,
        smallest_cluster_bytes: None,
    };
    assert_eq!(layout.check(0, data_max + 1), Err(want));
}

#[test]
fn refcounts_count_themselves() {
    let place = |allocated, needless| {
        let layout = layout(1, 512, 16).unwrap();
        RefcountArea::place(allocated, needless, &layout).unwrap()
    };
    let area = |first_block, table, table_clusters, table_entries, end| RefcountArea {
        first_block,
        table,
        table_clusters,
        table_entries,
        end,
    };
    // 256 refcounts a block, 64 blocks a cluster of the table.
    assert_eq!(place(3, 0), area(3, 4, 1, 1, 5));
    assert_eq!(place(254, 0), area(254, 255, 1, 1, 256));
    assert_eq!(place(255, 0), area(255, 257, 1, 2, 258));
    assert_eq!(place(1000, 2), area(1000, 1002, 1, 4, 1003));
    // With 64 blocks 16,384 clusters are counted: 16,319 and 65.
    assert_eq!(place(16_319, 0), area(16_319, 16_383, 1, 64, 16_384));
    assert_eq!(place(16_320, 0), area(16_320, 16_385, 2, 65, 16_387));
}

proptest! {
    #[test]
    fn refcounts_are_placed_exactly(
        allocated in 1u64..1 << 40, cluster in 9u32..=21, order in 0u32..=6,
    ) {
        let layout = layout(1, 1 << cluster, 1 << order).unwrap();
        let area = RefcountArea::place(allocated, 0, &layout).unwrap();
        let per_block = (8 << cluster) >> order;
        prop_assert_eq!(area.table_entries, area.end.div_ceil(per_block));
        prop_assert_eq!(area.table, allocated + area.table_entries);
        prop_assert_eq!(area.table_clusters, (area.table_entries * 8).div_ceil(1 << cluster));
        prop_assert_eq!(area.end, area.table + area.table_clusters);
        if allocated <= layout.allocated_max() {
            prop_assert!(area.table_entries * 8 <= 8 << 20);
            prop_assert!(area.end << cluster <= 1 << 56);
        }
    }
}
