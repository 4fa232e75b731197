use proptest::prelude::*;

use super::*;
use crate::Version;
use crate::entry::tests::{any_context, raw_entry};

const CONTEXT: EntryContext = EntryContext {
    cluster_bits: ClusterBits::DEFAULT,
    version: Version::V3,
    external_data_file: false,
};

fn standard(host: Option<u64>, copied: bool, allocated: u32, zero: u32) -> ExtendedL2Entry {
    ExtendedL2Entry::Standard {
        host: host.map(HostOffset),
        copied,
        subclusters: SubclusterBitmap::new(allocated, zero).unwrap(),
    }
}

#[test]
fn entries_by_hand() {
    let table = [
        ((0, 0), standard(None, false, 0, 0)),
        ((0, 0xffff_ffff_0000_0000), standard(None, false, 0, !0)),
        (
            (0x8000_0000_0005_0000, 0x0000_00f0_0000_000f),
            standard(Some(0x5_0000), true, 0xf, 0xf0),
        ),
        (
            (0x0000_0000_0005_0000, 0x0000_0000_8000_0000),
            standard(Some(0x5_0000), false, 1 << 31, 0),
        ),
        (
            (0x4040_0000_0005_01f0, 0),
            ExtendedL2Entry::Compressed(CompressedDescriptor {
                host: HostOffset(0x5_01f0),
                sectors: 2,
            }),
        ),
    ];
    for ((raw, bitmap), entry) in table {
        assert_eq!(ExtendedL2Entry::decode(raw, bitmap, &CONTEXT, 0), Ok(entry));
        assert_eq!(entry.encode(ClusterBits::DEFAULT), (raw, bitmap));
    }
}

#[test]
fn entries_that_are_refused() {
    let decode = |raw, bitmap| ExtendedL2Entry::decode(raw, bitmap, &CONTEXT, 0x70);
    assert_eq!(
        decode(0x5_0000, 0x0000_0006_0000_0003),
        Err(Error::SubclustersBoth {
            index: 0x70,
            both: 2
        })
    );
    assert_eq!(
        decode(0, 0x0000_0000_0000_0100),
        Err(Error::SubclustersWithoutHost {
            index: 0x70,
            allocated: 0x100
        })
    );
    assert_eq!(
        decode(0x5_4000, 0),
        Err(Error::UnalignedEntry {
            table: "L2 table",
            index: 0x70,
            found: 0x5_4000,
            alignment: 0x1_0000
        })
    );
    let data_file = EntryContext {
        external_data_file: true,
        ..CONTEXT
    };
    assert_eq!(
        ExtendedL2Entry::decode(1 << 62, 0, &data_file, 3),
        Err(Error::CompressedWithDataFile { index: 3 })
    );
    // There, offset 0 is a cluster like any other.
    assert_eq!(
        ExtendedL2Entry::decode(1 << 63, 1, &data_file, 3),
        Ok(standard(Some(0), true, 1, 0))
    );
}

#[test]
fn bit_0_is_no_zero_flag_here() {
    assert_eq!(
        ExtendedL2Entry::decode(0x5_0001, 1, &CONTEXT, 0),
        Ok(standard(Some(0x5_0000), false, 1, 0))
    );
    let reserved = ExtendedL2Entry::reserved_bits(0x3f00_0000_0005_01ff, !0);
    assert_eq!(reserved, (0x3f00_0000_0000_01ff, 0));
    let compressed = ExtendedL2Entry::reserved_bits(0xc000_0000_0005_01ff, 5);
    assert_eq!(compressed, (1 << 63, 5));
}

#[test]
fn subclusters_are_a_32nd() {
    assert_eq!(subcluster_bytes(ClusterBits::MIN_EXTENDED_L2), 512);
    assert_eq!(subcluster_bytes(ClusterBits::MAX), 65_536);
    let map = SubclusterBitmap::new(1, 1 << 31).unwrap();
    assert_eq!(map.get(0), Subcluster::Data);
    assert_eq!(map.get(1), Subcluster::Unallocated);
    assert_eq!(map.get(31), Subcluster::Zero);
    assert_eq!(map.get(32), Subcluster::Unallocated);
    assert_eq!(SubclusterBitmap::new(3, 2), None);
}

proptest! {
    #[test]
    fn bits_come_back_without_reserved_ones(
        raw in raw_entry(),
        bitmap: u64,
        spread: u64,
        context in any_context(),
    ) {
        let both = bitmap & spread;
        let bitmap = both & !(both << 32);
        if let Ok(entry) = ExtendedL2Entry::decode(raw, bitmap, &context, 0) {
            let bits = entry.encode(context.cluster_bits);
            prop_assert_eq!(ExtendedL2Entry::decode(bits.0, bits.1, &context, 0), Ok(entry));
            let reserved = ExtendedL2Entry::reserved_bits(raw, bitmap);
            prop_assert_eq!(bits, (raw & !reserved.0, bitmap & !reserved.1));
        }
    }

    #[test]
    fn runs_tile_the_cluster_and_are_maximal(bits: (u32, u32)) {
        let map = SubclusterBitmap::new(bits.0 & !bits.1, bits.1).unwrap();
        let runs: Vec<_> = map.runs().collect();
        let mut at = 0;
        for (range, state) in &runs {
            prop_assert!(range.start == at && range.start < range.end);
            prop_assert!(range.clone().all(|index| map.get(index) == *state));
            at = range.end;
        }
        prop_assert_eq!(at, SUBCLUSTERS);
        prop_assert!(runs.windows(2).all(|pair| pair[0].1 != pair[1].1));
    }
}
