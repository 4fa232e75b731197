use super::*;

#[test]
fn the_derived_numbers_of_three_cluster_sizes() {
    let numbers = |bits| {
        let bits = ClusterBits::new(bits).unwrap();
        (bits.bytes(), bits.l2_entries(), bits.l2_coverage_bytes())
    };
    assert_eq!(numbers(9), (512, 64, 32 << 10));
    assert_eq!(numbers(16), (65_536, 8192, 512 << 20));
    assert_eq!(numbers(21), (2 << 20, 262_144, 512 << 30));
}

#[test]
fn cluster_sizes_out_of_range_are_refused() {
    for bits in [0, 8, 22, 32, 64, u32::MAX] {
        assert_eq!(
            ClusterBits::new(bits),
            Err(Error::ClusterBits { found: bits })
        );
    }
    for bytes in [0, 1, 256, 513, 65_535, 4 << 20, 1 << 63, u64::MAX] {
        assert_eq!(
            ClusterBits::from_bytes(bytes),
            Err(Error::ClusterBytes { found: bytes })
        );
    }
    assert_eq!(ClusterBits::from_bytes(512), Ok(ClusterBits::MIN));
    assert_eq!(ClusterBits::from_bytes(2 << 20), Ok(ClusterBits::MAX));
}

#[test]
fn rounding_stays_within_64_bits() {
    let bits = ClusterBits::DEFAULT;
    assert_eq!(bits.round_up(0), Some(0));
    assert_eq!(bits.round_up(1), Some(0x1_0000));
    assert_eq!(bits.round_up(0x1_0000), Some(0x1_0000));
    assert_eq!(bits.round_up(0xffff_ffff_ffff_0001), None);
    assert_eq!(bits.round_down(u64::MAX), 0xffff_ffff_ffff_0000);
    assert_eq!(bits.offset_in_cluster(0x1_2345), 0x2345);
    assert!(bits.is_aligned(0x2_0000) && !bits.is_aligned(0x2_0001));
}

#[test]
fn a_guest_offset_has_one_place_in_the_tables() {
    let standard = Geometry {
        cluster_bits: ClusterBits::DEFAULT,
        extended_l2: false,
    };
    let extended = Geometry {
        extended_l2: true,
        ..standard
    };
    // 1.25 GiB and one cluster: the third table of 512 MiB, the sixth of 256 MiB.
    let at = GuestOffset(0x5001_ffff);
    assert_eq!((standard.l1_index(at), standard.l2_index(at)), (2, 4097));
    assert_eq!((extended.l1_index(at), extended.l2_index(at)), (5, 1));
    assert_eq!(
        (standard.l2_entry_bytes(), standard.l2_entries()),
        (8, 8192)
    );
    assert_eq!(
        (extended.l2_entry_bytes(), extended.l2_entries()),
        (16, 4096)
    );
    assert_eq!(
        (standard.unit_bytes(), extended.unit_bytes()),
        (65_536, 2048)
    );
    assert_eq!(standard.l1_index(GuestOffset(u64::MAX)), (1 << 35) - 1);
}

#[test]
fn an_l1_table_covers_the_disk() {
    let bits = ClusterBits::DEFAULT;
    let extended = Geometry {
        cluster_bits: bits,
        extended_l2: true,
    };
    for (size, entries) in [(0, 0), (1, 1), (512 << 20, 1), ((512 << 20) + 1, 2)] {
        assert_eq!(bits.l1_entries_for(size), entries);
    }
    assert_eq!(bits.l1_entries_for(u64::MAX), 1 << 35);
    assert_eq!(extended.l1_entries_for(512 << 20), 2);
}

#[test]
fn the_largest_disks() {
    let size_max = |bits, extended_l2| {
        let cluster_bits = ClusterBits::new(bits).unwrap();
        Geometry {
            cluster_bits,
            extended_l2,
        }
        .size_max()
    };
    assert_eq!(size_max(9, false), 128 << 30);
    assert_eq!(size_max(16, false), 2 << 50);
    assert_eq!(size_max(16, true), 1 << 50);
    assert_eq!(size_max(21, false), 2 << 60);
}

#[test]
fn offsets_print_as_hex() {
    assert_eq!(HostOffset(0x5_0000).to_string(), "0x50000");
    assert_eq!(GuestOffset(0).to_string(), "0x0");
}
