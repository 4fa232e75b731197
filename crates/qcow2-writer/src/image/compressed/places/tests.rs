use super::*;
use proptest::prelude::*;
use qcow2_format::{Geometry, RefcountOrder, Version};
use std::collections::BTreeMap;

/// Clusters of 512 bytes; header and L1 table take the first two.
fn layout(refcount_bits: u32) -> Layout {
    let order = RefcountOrder::from_bits(refcount_bits).unwrap();
    Layout::new(
        1 << 20,
        Version::V3,
        Geometry {
            cluster_bits: ClusterBits::MIN,
            extended_l2: false,
        },
        order,
    )
    .unwrap()
}

/// A stream, or a cluster that is stored as it is.
#[derive(Clone, Copy, Debug)]
enum Item {
    Stream(u64),
    Plain,
}
use Item::{Plain, Stream};

/// Where `items` go, counted from the first free byte.
fn places(refcount_bits: u32, items: &[Item]) -> Vec<u64> {
    let layout = layout(refcount_bits);
    let mut allocator = Allocator::new(layout.front_clusters(), [], &layout);
    let mut places = CompressedPlaces::new(ClusterBits::MIN);
    let first = layout.host_offset(layout.front_clusters()).0;
    let place = |item: &Item| match *item {
        Plain => allocator.take(&layout).unwrap().0 - first,
        Stream(length) => {
            let place = places.place(length, &mut allocator, &layout);
            place.unwrap().unwrap().0 - first
        }
    };
    items.iter().map(place).collect()
}

#[test]
fn a_stream_goes_on_only_in_the_cluster_that_follows() {
    let layout = layout(16);
    let mut allocator = Allocator::new(20, [10..12, 14..15], &layout);
    let mut places = CompressedPlaces::new(ClusterBits::MIN);
    let mut place = |length| places.place(length, &mut allocator, &layout);
    let mut starts = [300, 300, 400, 200, 400, 200].map(|length| place(length).unwrap().unwrap().0);
    starts.iter_mut().for_each(|start| *start -= 10 * 512);
    // What is left of clusters 11 and 14 is too small, and those after them are in use.
    assert_eq!(starts, [0, 300, 600, 4 * 512, 10 * 512, 10 * 512 + 400]);
}

#[test]
fn streams_follow_each_other() {
    let streams = [
        Stream(200),
        Stream(300),
        Stream(100),
        Stream(511),
        Stream(1),
    ];
    // A stream of 511 bytes ends at an odd offset, and the next begins one byte on.
    assert_eq!(places(16, &streams), [0, 200, 500, 600, 1112]);
}

#[test]
fn a_stream_begins_at_an_even_offset() {
    let streams = [1, 1, 2, 3, 501, 1, 511, 1].map(Stream);
    // The byte that is left out may be the last of a cluster: the one of 501 bytes
    // ends before it, and the one of 511 does, too.
    assert_eq!(places(16, &streams), [0, 2, 4, 6, 10, 512, 514, 1026]);
    assert_eq!(places(16, &[511, 1, 1].map(Stream)), [0, 512, 514]);
}

#[test]
fn the_byte_left_out_does_not_touch_the_next_cluster() {
    // With two bits three streams may touch a cluster: the three that end one byte
    // before the end of the first leave the second to three others.
    let streams = [200, 200, 111, 100, 100, 100, 100].map(Stream);
    assert_eq!(places(2, &streams), [0, 200, 400, 512, 612, 712, 1024]);
    // What is left of a cluster is used again after a cluster as it is, but for
    // its last byte.
    let items = [Stream(509), Plain, Stream(2), Stream(1)];
    assert_eq!(places(16, &items), [0, 512, 510, 1024]);
    let items = [Stream(511), Plain, Stream(1)];
    assert_eq!(places(16, &items), [0, 512, 1024]);
}

#[test]
fn a_stream_that_ends_with_its_cluster_does_not_touch_the_next() {
    // With two bits three streams may touch a cluster. The three that fill the
    // first leave the second to three others.
    let streams = [200, 200, 112, 100, 100, 100, 100].map(Stream);
    assert_eq!(places(2, &streams), [0, 200, 400, 512, 612, 712, 1024]);
    // One that ends after the boundary does touch it.
    let streams = [200, 200, 113, 100, 100, 100].map(Stream);
    assert_eq!(places(2, &streams), [0, 200, 400, 514, 614, 1024]);
}

#[test]
fn a_cluster_as_it_is_takes_the_next_whole_one() {
    // The rest of the first cluster is used again if the stream fits, even to
    // the last byte, and else left behind for good.
    let items = [Stream(200), Plain, Stream(312), Stream(10)];
    assert_eq!(places(16, &items), [0, 512, 200, 1024]);
    let items = [Stream(200), Plain, Stream(313), Stream(10)];
    assert_eq!(places(16, &items), [0, 512, 1024, 1338]);
    // After a full cluster there is no rest.
    let items = [Stream(510), Stream(2), Plain, Stream(1)];
    assert_eq!(places(16, &items), [0, 510, 512, 1024]);
}

#[test]
fn a_cluster_is_touched_as_often_as_its_refcount_can_say() {
    let tiny = [Stream(20); 17];
    let places = |bits| places(bits, &tiny);
    let begun = |bits| places(bits).iter().filter(|at| *at % 512 == 0).count();
    assert_eq!((begun(1), begun(2), begun(4), begun(8)), (17, 6, 2, 1));
    assert_eq!(places(2)[2..5], [40, 512, 532]);
}

#[test]
fn no_stream_begins_where_no_descriptor_can_say_so() {
    let layout = layout(16);
    let mut allocator = Allocator::new(layout.front_clusters(), [], &layout);
    let mut places = CompressedPlaces::new(ClusterBits::MIN);
    assert_eq!(places.host_end, HostOffset(1 << 56));
    let first = layout.host_offset(layout.front_clusters()).0;
    places.host_end = HostOffset(first + 600);
    let mut place = |length| {
        let place = places.place(length, &mut allocator, &layout).unwrap();
        (
            place.map(|host| host.0 - first),
            allocator.end() * 512 - first,
        )
    };
    assert_eq!(place(300), (Some(0), 512));
    // One may end after the limit.
    assert_eq!(place(297), (Some(300), 1024));
    assert_eq!(place(3), (Some(598), 1024));
    assert_eq!(place(1), (None, 1024));
}

#[test]
fn an_image_that_is_too_large_is_refused() {
    let layout = layout(64);
    let mut allocator = Allocator::new(layout.front_clusters(), [], &layout);
    allocator.skip_to(layout.allocated_max());
    let mut places = CompressedPlaces::new(ClusterBits::MIN);
    let error = places.place(1, &mut allocator, &layout).unwrap_err();
    assert!(matches!(error, Error::Unrepresentable(_)), "{error}");
}

proptest! {
    #[test]
    fn every_byte_is_used_once_and_no_count_is_too_large(
        items in prop::collection::vec(
            prop_oneof![3 => (1u64..512).prop_map(Stream), 1 => Just(Plain), 1 => Just(Stream(9))],
            0..200,
        ),
        order in 0u32..=6,
    ) {
        let bits = 1u32 << order;
        let places = places(bits, &items);
        let mut used = vec![false; 512 * (items.len() + 1)];
        let mut counts = BTreeMap::<u64, u64>::new();
        let mut last_stream = 0;
        for (at, item) in places.into_iter().zip(&items) {
            let length = match *item {
                Stream(length) => {
                    prop_assert!(at >= last_stream);
                    prop_assert_eq!(at % 2, 0);
                    last_stream = at;
                    length
                }
                Plain => 512,
            };
            for byte in at..at + length {
                let used = &mut used[usize::try_from(byte).unwrap()];
                prop_assert!(!*used);
                *used = true;
            }
            for cluster in at / 512..=(at + length - 1) / 512 {
                *counts.entry(cluster).or_default() += 1;
            }
        }
        let max = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
        prop_assert!(counts.values().all(|count| *count <= max));
        // No cluster is left out.
        let end = counts.last_key_value().map_or(0, |(cluster, _)| cluster + 1);
        prop_assert_eq!(u64::try_from(counts.len()).unwrap(), end);
    }
}
