use super::*;
use std::iter;

use blockio::MemoryDisk;
use qcow2_format::{ClusterBits, Geometry, RefcountOrder, Version};

fn layout(refcount_bits: u32) -> Layout {
    let order = RefcountOrder::from_bits(refcount_bits).unwrap();
    Layout::new(
        1,
        Version::V3,
        Geometry {
            cluster_bits: ClusterBits::MIN,
            extended_l2: false,
        },
        order,
    )
    .unwrap()
}

fn counts(runs: &[(u64, u64)]) -> Refcounts {
    let mut refcounts = Refcounts::default();
    for (end, count) in runs {
        refcounts.push_until(*end, *count);
    }
    refcounts
}

#[test]
fn runs_are_maximal_and_never_empty() {
    assert_eq!(
        counts(&[(0, 1), (3, 1), (3, 0), (5, 1), (4, 0)]),
        counts(&[(5, 1)])
    );
    let mut trimmed = counts(&[(2, 1), (9, 0)]);
    trimmed.trim();
    assert_eq!(trimmed, counts(&[(2, 1)]));
    trimmed.trim();
    assert_eq!(trimmed.end(), 2);
}

#[test]
fn blocks_of_unused_clusters_alone_are_left_out() {
    // 64 refcounts of 64 bits a block. Blocks 1 and 2 count unused clusters
    // alone; blocks 0 and 3 count some of these too.
    let target = MemoryDisk::default();
    let refcounts = counts(&[(60, 1), (200, 0), (210, 3)]);
    let area = refcounts
        .write(iter::empty(), &layout(64), &ImageFile::new(&target))
        .unwrap();
    let want = RefcountArea {
        first_block: 210,
        table: 212,
        table_clusters: 1,
        table_entries: 4,
        end: 213,
    };
    assert_eq!(area, want);
    let image = target.into_bytes();
    assert_eq!(image.len(), 213 * 512);
    let one = [0, 0, 0, 0, 0, 0, 0, 1];
    let three = [0, 0, 0, 0, 0, 0, 0, 3];
    let block_0 = [one.repeat(60), vec![0; 4 * 8]].concat();
    // Clusters 192 to 255: 8 unused, 10 used thrice, two blocks and a table.
    let block_3 = [
        vec![0; 8 * 8],
        three.repeat(10),
        one.repeat(3),
        vec![0; 43 * 8],
    ]
    .concat();
    assert_eq!(image[210 * 512..211 * 512], block_0);
    assert_eq!(image[211 * 512..212 * 512], block_3);
    let (first, last) = ([0, 0, 0, 0, 0, 1, 0xa4, 0], [0, 0, 0, 0, 0, 1, 0xa6, 0]);
    let table = [&first[..], &[0; 16], &last, &[0; 480]].concat();
    assert_eq!(image[212 * 512..], table);
}

#[test]
fn unused_clusters_are_cleared_where_something_was() {
    let target = MemoryDisk::new(vec![0xa5; 20 * 512]);
    let refcounts = counts(&[(3, 1), (5, 0), (6, 1)]);
    let area = refcounts
        .write(iter::empty(), &layout(1), &ImageFile::new(&target))
        .unwrap();
    assert_eq!((area.first_block, area.table, area.end), (6, 7, 8));
    let image = target.into_bytes();
    assert_eq!(image[3 * 512..5 * 512], [0; 1024]);
    assert_eq!(image[5 * 512], 0xa5);
    // Bits 3 and 4 of the first byte are clear.
    assert_eq!(image[6 * 512..][..2], [0b1110_0111, 0]);
}
