#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

use proptest::prelude::*;

use super::*;

fn context(cluster_bits: u32) -> EntryContext {
    EntryContext {
        cluster_bits: ClusterBits::new(cluster_bits).unwrap(),
        version: Version::V3,
        external_data_file: false,
    }
}

fn with_data_file() -> EntryContext {
    EntryContext {
        external_data_file: true,
        ..context(16)
    }
}

const fn data(host: u64, copied: bool) -> L2Entry {
    L2Entry::Data {
        host: HostOffset(host),
        copied,
    }
}

fn unaligned(table: &'static str, index: u64, found: u64) -> Error {
    Error::UnalignedEntry {
        table,
        index,
        found,
        alignment: 0x1_0000,
    }
}

#[test]
fn l1_entries() {
    let decode = |raw| L1Entry::decode(raw, ClusterBits::DEFAULT, 7);
    let entry = |l2_table, copied| {
        Some(L1Entry {
            l2_table: HostOffset(l2_table),
            copied,
        })
    };
    assert_eq!(decode(0), Ok(None));
    assert_eq!(decode(0x8000_0000_0004_0000), Ok(entry(0x4_0000, true)));
    assert_eq!(decode(0x0000_0000_0004_0000), Ok(entry(0x4_0000, false)));
    let top = 0x00ff_ffff_ffff_0000;
    assert_eq!(decode(top), Ok(entry(top, false)));
    assert_eq!(
        decode(0x8000_0000_0000_4200),
        Err(unaligned("L1 table", 7, 0x4200))
    );
    assert_eq!(L1Entry::encode(None), 0);
    assert_eq!(L1Entry::encode(entry(top, true)), 0x80ff_ffff_ffff_0000);
}

#[test]
fn l1_reserved_bits_are_ignored_and_told() {
    let raw = 0xff00_0000_0004_01ff;
    let entry = L1Entry::decode(raw, ClusterBits::DEFAULT, 0).unwrap();
    assert_eq!(L1Entry::encode(entry), 0x8000_0000_0004_0000);
    assert_eq!(L1Entry::reserved_bits(raw), 0x7f00_0000_0000_01ff);
    assert_eq!(L1Entry::reserved_bits(!0x7f00_0000_0000_01ff), 0);
}

#[test]
fn standard_l2_entries() {
    let zero = |host: Option<u64>, copied| L2Entry::Zero {
        host: host.map(HostOffset),
        copied,
    };
    let table = [
        (0, L2Entry::Unallocated),
        (1, zero(None, false)),
        (0x8000_0000_0005_0001, zero(Some(0x5_0000), true)),
        (0x0000_0000_0005_0001, zero(Some(0x5_0000), false)),
        (0x8000_0000_0005_0000, data(0x5_0000, true)),
        (0x00ff_ffff_ffff_0000, data(0x00ff_ffff_ffff_0000, false)),
    ];
    for (raw, entry) in table {
        assert_eq!(L2Entry::decode(raw, &context(16), 0), Ok(entry), "{raw:#x}");
        assert_eq!(entry.encode(ClusterBits::DEFAULT), raw, "{entry:?}");
    }
}

#[test]
fn l2_entries_that_are_refused() {
    let decode = |raw, context: EntryContext| L2Entry::decode(raw, &context, 0x100);
    let version_2 = EntryContext {
        version: Version::V2,
        ..context(16)
    };
    assert_eq!(
        decode(0x1_5200, context(16)),
        Err(unaligned("L2 table", 0x100, 0x1_5200))
    );
    assert_eq!(
        decode(0x1_5201, context(16)),
        Err(unaligned("L2 table", 0x100, 0x1_5200))
    );
    let zero_flag = Error::ZeroFlagInVersion2 { index: 0x100 };
    assert_eq!(decode(0x1_0001, version_2), Err(zero_flag));
    assert_eq!(decode(0x1_0000, version_2), Ok(data(0x1_0000, false)));
    let compressed = Error::CompressedWithDataFile { index: 0x100 };
    assert_eq!(decode(1 << 62, with_data_file()), Err(compressed));
}

#[test]
fn offset_zero_is_a_cluster_of_an_external_data_file_only() {
    let copied = 0x8000_0000_0000_0000;
    let decode = |context| L2Entry::decode(copied, &context, 0);
    let refused = |table, index, found| Error::CopiedWithoutOffset {
        table,
        index,
        found,
    };
    assert_eq!(decode(context(16)), Err(refused("L2 table", 0, copied)));
    assert_eq!(
        L1Entry::decode(copied | 0x1ff, ClusterBits::DEFAULT, 3),
        Err(refused("L1 table", 3, copied | 0x1ff))
    );
    assert_eq!(decode(with_data_file()), Ok(data(0, true)));
    assert_eq!(data(0, true).encode(ClusterBits::DEFAULT), copied);
    assert_eq!(
        L2Entry::decode(0, &with_data_file(), 0),
        Ok(L2Entry::Unallocated)
    );
}

#[test]
fn l2_reserved_bits_are_ignored_and_told() {
    let raw = 0xbf00_0000_0005_01fe;
    assert_eq!(
        L2Entry::decode(raw, &context(16), 0),
        Ok(data(0x5_0000, true))
    );
    assert_eq!(L2Entry::reserved_bits(raw), 0x3f00_0000_0000_01fe);
    // A compressed entry uses all bits but bit 63.
    assert_eq!(L2Entry::reserved_bits(0x7fff_ffff_ffff_ffff), 0);
    assert_eq!(L2Entry::reserved_bits(0xc000_0000_0000_0000), 1 << 63);
}

#[test]
fn compressed_entries_by_hand() {
    // cluster_bits, x, offset, additional sectors
    let table: [(u32, u32, u64, u32); 5] = [
        (9, 61, 0x00ff_ffff_ffff_fabc, 1),
        (12, 58, 0x1_2345, 15),
        (16, 54, 0x5_01f0, 1),
        (16, 54, 0x003f_ffff_ffff_ffff, 255),
        (21, 49, 0x0001_ffff_ffff_ffff, 8191),
    ];
    for (cluster_bits, x, host, additional) in table {
        let raw = 1 << 62 | u64::from(additional) << x | host;
        let descriptor = CompressedDescriptor {
            host: HostOffset(host),
            sectors: additional + 1,
        };
        let entry = L2Entry::decode(raw, &context(cluster_bits), 0);
        assert_eq!(entry, Ok(L2Entry::Compressed(descriptor)));
        assert_eq!(
            entry.unwrap().encode(context(cluster_bits).cluster_bits),
            raw
        );
        assert_eq!(
            descriptor.bytes_max(),
            u64::from(additional + 1) * 512 - host % 512
        );
    }
    // Bit 63 is reserved here, and the offset of small clusters has 56 bits.
    assert!(L2Entry::decode(0xc000_0000_0000_0000, &context(16), 0).is_ok());
    assert_eq!(
        L2Entry::decode(1 << 62 | 1 << 56, &context(9), 0),
        Err(Error::CompressedEntryOffset {
            index: 0,
            found: 1 << 56,
            end: 1 << 56
        })
    );
}

#[test]
fn streams_touch_sectors() {
    let sectors = |host, length| {
        CompressedDescriptor::for_stream(HostOffset(host), length, ClusterBits::DEFAULT)
            .map(|descriptor| descriptor.sectors)
    };
    assert_eq!(sectors(0, 1), Ok(1));
    assert_eq!(sectors(0, 512), Ok(1));
    assert_eq!(sectors(0, 513), Ok(2));
    assert_eq!(sectors(511, 1), Ok(1));
    assert_eq!(sectors(511, 2), Ok(2));
    assert_eq!(sectors(0, 131_072), Ok(256));
    let length = |found, max| Err(Error::CompressedLength { found, max });
    assert_eq!(sectors(0, 0), length(0, 131_072));
    assert_eq!(sectors(0, 131_073), length(131_073, 131_072));
    assert_eq!(sectors(511, 130_562), length(130_562, 130_561));
    assert_eq!(sectors(511, u64::MAX), length(u64::MAX, 130_561));
    let end = 1 << 54;
    assert_eq!(sectors(end - 1, 1), Ok(1));
    assert_eq!(
        sectors(end, 1),
        Err(Error::CompressedOffset { found: end, end })
    );
}

#[test]
fn compressed_data_lies_below_the_end_of_its_field() {
    let end = |bits| CompressedDescriptor::host_end(ClusterBits::new(bits).unwrap()).0;
    assert_eq!((end(9), end(14), end(15)), (1 << 56, 1 << 56, 1 << 55));
    assert_eq!((end(16), end(21)), (1 << 54, 1 << 49));
}

prop_compose! {
    pub(crate) fn any_context()(
        cluster_bits in 9u32..=21,
        version_2: bool,
        external_data_file: bool,
    ) -> EntryContext {
        EntryContext {
            version: if version_2 { Version::V2 } else { Version::V3 },
            external_data_file,
            ..context(cluster_bits)
        }
    }
}

/// Bits of an entry whose offset is likely to be aligned.
pub(crate) fn raw_entry() -> impl Strategy<Value = u64> {
    (any::<u64>(), any::<bool>()).prop_map(|(raw, aligned)| match aligned {
        true => raw & 0xffff_ffff_ffe0_01ff,
        false => raw,
    })
}

proptest! {
    #[test]
    fn l1_bits_come_back_without_reserved_ones(raw in raw_entry(), context in any_context()) {
        if let Ok(entry) = L1Entry::decode(raw, context.cluster_bits, 0) {
            let bits = L1Entry::encode(entry);
            prop_assert_eq!(L1Entry::decode(bits, context.cluster_bits, 0), Ok(entry));
            if entry.is_some() {
                prop_assert_eq!(bits, raw & !L1Entry::reserved_bits(raw));
            }
        }
    }

    #[test]
    fn l2_bits_come_back_without_reserved_ones(raw in raw_entry(), context in any_context()) {
        if let Ok(entry) = L2Entry::decode(raw, &context, 0) {
            let bits = entry.encode(context.cluster_bits);
            prop_assert_eq!(L2Entry::decode(bits, &context, 0), Ok(entry));
            if entry != L2Entry::Unallocated {
                prop_assert_eq!(bits, raw & !L2Entry::reserved_bits(raw));
            }
        }
    }

    #[test]
    fn a_descriptor_covers_its_stream(
        cluster_bits in 9u32..=21,
        host in 0u64..1 << 49,
        length in 1u64..1 << 21,
    ) {
        let context = context(cluster_bits);
        let cluster_bytes = context.cluster_bits.bytes();
        let length = 1 + length % cluster_bytes;
        let descriptor =
            CompressedDescriptor::for_stream(HostOffset(host), length, context.cluster_bits);
        let descriptor = descriptor.unwrap();
        prop_assert!((length..length + 512).contains(&descriptor.bytes_max()));
        let entry = L2Entry::Compressed(descriptor);
        let bits = entry.encode(context.cluster_bits);
        prop_assert_eq!(L2Entry::decode(bits, &context, 0), Ok(entry));
    }
}
