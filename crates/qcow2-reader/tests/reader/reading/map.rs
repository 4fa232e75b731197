//! The map of a disk: what is where, entry by entry, and as extents of any part.

use blockio::{Extent, ExtentKind, Tiling, tiles};
use qcow2_format::HostOffset;
use qcow2_reader::Stored;

use crate::builder::{DEFLATE, mixed};
use crate::common::{base, open};

#[test]
fn entries_tile_the_disk_and_say_where_it_is() {
    let image = open(base()).unwrap();
    let entries: Vec<_> = image.map(0..u64::MAX).map(Result::unwrap).collect();
    let facts: Vec<_> = entries
        .into_iter()
        .map(|entry| (entry.guest, entry.stored, entry.depth, entry.file))
        .collect();
    let data = |host| Stored::Data {
        host: HostOffset(host),
    };
    let unallocated = Stored::Unallocated;
    assert_eq!(
        facts,
        [
            (0..0x400, data(0xc00), Some(0), Some(0)),
            (0x400..0x800, Stored::Zero, Some(0), None),
            (0x800..0xa00, unallocated, None, None),
            (0xa00..0xe00, data(0x1200), Some(0), Some(0)),
            (0xe00..0x7e00, unallocated, None, None),
            (0x7e00..0x8000, data(0xe00), Some(0), Some(0)),
            (0x8000..0x9c00, unallocated, None, None),
            (0x9c00..0x9c40, data(0x1600), Some(0), Some(0)),
        ]
    );
    // Of a part that starts and ends anywhere.
    let part: Vec<_> = image.map(0x3ff..0x401).map(Result::unwrap).collect();
    assert_eq!(part[0].stored, data(0xfff));
    assert_eq!(
        (part[1].guest.clone(), part[1].stored),
        (0x400..0x401, Stored::Zero)
    );
    assert_eq!(image.map(0x1_0000..u64::MAX).count(), 0);
}

#[test]
fn the_extents_of_a_part_are_those_of_the_disk_that_lie_in_it() {
    let (image, _) = mixed(12, DEFLATE, 60);
    for image in [open(image).unwrap(), open(base()).unwrap()] {
        let size = image.size();
        let whole: Vec<Extent> = image.extents(0..size).map(Result::unwrap).collect();
        for (start, end) in [(0, size), (1, size - 1), (size / 3, size / 2), (7, 7)] {
            let part = image.extents(start..end).map(Result::unwrap);
            let wanted = whole.extents(start..end).map(Result::unwrap);
            assert!(part.eq(wanted), "{start}..{end}");
            let tiling = Tiling::extents(&image, start..end).map(Result::unwrap);
            assert!(tiling.eq(image.extents(start..end).map(Result::unwrap)));
        }
        assert!(tiles(whole.iter().copied(), size));
        assert!(whole.iter().any(|extent| extent.kind == ExtentKind::Data));
    }
}

#[test]
fn streams_are_entries_of_their_own() {
    let (image, _) = mixed(12, DEFLATE, 60);
    let image = open(image).unwrap();
    let entries = image.map(0..image.size()).map(Result::unwrap);
    let streams: Vec<_> = entries
        .filter_map(|entry| match entry.stored {
            Stored::Compressed { codec, .. } => Some((entry.guest, codec.cluster_bits)),
            _ => None,
        })
        .collect();
    assert!(streams.len() > 1);
    for (guest, cluster_bits) in streams {
        assert!(guest.end - guest.start <= cluster_bits.bytes());
    }
}
