#![expect(
    clippy::single_range_in_vec_init,
    reason = "lists of one range are meant"
)]

use super::*;
use std::ops::Range;

use qcow2_format::{ClusterBits, Geometry, RefcountOrder, Version};

fn plan(ranges: &[Range<u64>]) -> (Vec<u64>, u64, u64) {
    // Tables of 512-byte clusters reach 32 KiB.
    let layout = Layout::new(
        100 << 15,
        Version::V3,
        Geometry {
            cluster_bits: ClusterBits::MIN,
            extended_l2: false,
        },
        RefcountOrder::DEFAULT,
    );
    let data = |range: &Range<u64>| Ok(Extent::new(range.clone(), ExtentKind::Data));
    let plan = Plan::new(ranges.iter().map(data), &layout.unwrap()).unwrap();
    let tables: Vec<u64> = plan.tables.iter().collect();
    assert_eq!(plan.tables.count(), len_u64(tables.len()));
    (tables, plan.data_clusters, plan.data_bytes)
}

#[test]
fn what_no_data_touches_is_not_needed() {
    assert_eq!(plan(&[]), (vec![], 0, 0));
    assert_eq!(plan(&[0..1]), (vec![0], 1, 1));
    assert_eq!(plan(&[0x7fff..0x8001]), (vec![0, 1], 2, 2));
    assert_eq!(plan(&[0x8000..0x1_0000]), (vec![1], 64, 0x8000));
    assert_eq!(plan(&[0..100 << 15]), ((0..100).collect(), 6400, 100 << 15));
}

#[test]
fn what_two_ranges_touch_is_needed_once() {
    assert_eq!(plan(&[1..2, 4..5, 510..514, 1023..1024]), (vec![0], 2, 7));
    let far = 64 << 15;
    assert_eq!(
        plan(&[
            0..0x8000,
            0x8000..0x8001,
            0x8002..0x8003,
            far - 1..far,
            far + 600..far + 601
        ]),
        (vec![0, 1, 63, 64], 67, 0x8004)
    );
}
