use proptest::prelude::*;

use super::*;

/// An entry with all known extra data, id "1" and name "first".
#[rustfmt::skip]
fn entry() -> Vec<u8> {
    let mut bytes = vec![
        0, 0, 0, 0, 0, 6, 0, 0,              // 0: l1_table_offset
        0, 0, 0, 2,  0, 1,  0, 5,            // 8: l1_size, id and name lengths
        0x65, 0, 0, 0,  0, 0, 0, 9,          // 16: date, seconds and nanoseconds
        0, 0, 0, 0, 0, 0, 0x12, 0x34,        // 24: vm clock
        0, 0, 0, 3,  0, 0, 0, 24,            // 32: vm_state_size, extra data length
        0, 0, 0, 1, 0, 0, 0, 3,              // 40: vm_state_size, 64 bits
        0, 0, 0, 0, 0x40, 0, 0, 0,           // 48: disk size
        0, 0, 0, 0, 0, 0, 0, 8,              // 56: instructions
    ];
    bytes.extend(b"1first");
    bytes
}

fn snapshot() -> Snapshot {
    Snapshot {
        l1_table_offset: HostOffset(0x6_0000),
        l1_entries: 2,
        id: b"1".to_vec(),
        name: b"first".to_vec(),
        date_seconds: 0x6500_0000,
        date_nanoseconds: 9,
        vm_clock_nanoseconds: 0x1234,
        vm_state_bytes: 0x1_0000_0003,
        disk_size: Some(1 << 30),
        instruction_count: Some(8),
        unknown_extra: Vec::new(),
    }
}

#[test]
fn every_field_has_its_place() {
    assert_eq!(Snapshot::decode(&entry(), 0), Ok(snapshot()));
    assert_eq!(Snapshot::entry_bytes(&entry()[..40], 0), Ok(70));
    let mut want = entry();
    // A VM state that passes 32 bits leaves the old field empty.
    want[35] = 0;
    let mut out = Vec::new();
    snapshot().encode(&mut out, 0).unwrap();
    assert_eq!(out, want);
}

#[test]
fn extra_data_may_be_short_or_long() {
    let with_extra = |extra: &[u8]| {
        let mut bytes = entry()[..40].to_vec();
        bytes[39] = u8::try_from(extra.len()).unwrap();
        bytes.extend(extra);
        bytes.extend(b"1first");
        let snapshot = Snapshot::decode(&bytes, 0).unwrap();
        assert_eq!((&*snapshot.id, &*snapshot.name), (&b"1"[..], &b"first"[..]));
        snapshot
    };
    let none = with_extra(&[]);
    assert_eq!((none.vm_state_bytes, none.disk_size), (3, None));
    let state = with_extra(&[0, 0, 0, 0, 0, 0, 0, 7, 0xff]);
    assert_eq!((state.vm_state_bytes, state.disk_size), (7, None));
    let long = with_extra(&[0xff; 26]);
    assert_eq!(long.disk_size, Some(u64::MAX));
    assert_eq!(long.instruction_count, None, "-1 stands for none");
    assert_eq!(long.unknown_extra, [0xff, 0xff]);
}

#[test]
fn tables_are_padded_to_8() {
    let bytes = encode_table(&[snapshot(), snapshot()]).unwrap();
    assert_eq!(bytes.len(), 144);
    assert_eq!(bytes[70..74], [0, 0, 0, 0]);
    assert_eq!(decode_table(&bytes, 2), Ok(vec![snapshot(), snapshot()]));
    assert_eq!(decode_table(&bytes, 1), Ok(vec![snapshot()]));
    // The padding of the last entry may be past the end of the file.
    assert_eq!(
        decode_table(&bytes[..142], 2).map(|table| table.len()),
        Ok(2)
    );
    assert_eq!(
        decode_table(&bytes[..141], 2),
        Err(Error::TruncatedEntry {
            table: "snapshot table",
            index: 1,
            found: 69,
            needed: 70
        })
    );
    assert_eq!(
        decode_table(&bytes, 3),
        Err(Error::TruncatedEntry {
            table: "snapshot table",
            index: 2,
            found: 0,
            needed: 40
        })
    );
    assert_eq!(decode_table(&[], 0), Ok(Vec::new()));
    assert!(matches!(
        decode_table(&bytes, 65_537),
        Err(Error::TooLarge { found: 65_537, .. })
    ));
}

fn range(field: &'static str, found: u64, max: u64) -> Error {
    Error::EntryRange {
        table: "snapshot table",
        index: 4,
        field,
        found,
        min: 0,
        max,
    }
}

#[test]
fn extra_data_is_bounded() {
    let mut bytes = entry();
    bytes[38..40].copy_from_slice(&[4, 1]);
    let want = range("extra data length", 1025, 1024);
    assert_eq!(Snapshot::entry_bytes(&bytes[..40], 4), Err(want.clone()));
    assert_eq!(Snapshot::decode(&bytes, 4), Err(want.clone()));
    let long = Snapshot {
        unknown_extra: vec![0; 1001],
        ..snapshot()
    };
    assert_eq!(long.encode(&mut Vec::new(), 4), Err(want));
}

#[test]
fn encode_refuses_what_cannot_be_stored() {
    let encode = |snapshot: Snapshot| snapshot.encode(&mut Vec::new(), 4);
    let name = Snapshot {
        name: vec![b'n'; 65_536],
        ..snapshot()
    };
    assert_eq!(encode(name), Err(range("name length", 65_536, 65_535)));
    let sizeless = |vm_state_bytes, instruction_count| {
        encode(Snapshot {
            vm_state_bytes,
            instruction_count,
            disk_size: None,
            ..snapshot()
        })
    };
    let needs_size = |field| Err(Error::SnapshotNeedsDiskSize { index: 4, field });
    assert_eq!(sizeless(u32::MAX.into(), None), Ok(()));
    assert_eq!(sizeless(1 << 32, None), needs_size("vm state size"));
    assert_eq!(sizeless(0, Some(1)), needs_size("extra data"));
}

#[test]
fn the_l1_table_is_checked_when_it_is_used() {
    let check = |l1_table_offset, l1_entries| {
        Snapshot {
            l1_table_offset: HostOffset(l1_table_offset),
            l1_entries,
            ..snapshot()
        }
        .check_l1(ClusterBits::DEFAULT, 4)
    };
    assert_eq!(check(0x6_0000, 0x40_0000), Ok(()));
    assert_eq!(
        check(0x6_0000, 0x40_0001),
        Err(range("l1_size", 0x40_0001, 0x40_0000))
    );
    assert_eq!(
        check(0x6_0200, 1),
        Err(Error::UnalignedEntry {
            table: "snapshot table",
            index: 4,
            found: 0x6_0200,
            alignment: 0x1_0000
        })
    );
}

prop_compose! {
    fn any_snapshot()(
        (l1_table_offset, l1_entries) in any::<(u64, u32)>(),
        id in prop::collection::vec(any::<u8>(), 0..10),
        name in prop::collection::vec(any::<u8>(), 0..30),
        (date_seconds, date_nanoseconds, vm_clock_nanoseconds) in any::<(u32, u32, u64)>(),
        (large_state, small_state) in any::<(u64, u32)>(),
        disk_size: Option<u64>,
        count in prop::option::of(0..u64::MAX),
        unknown in prop::collection::vec(any::<u8>(), 0..1001),
    ) -> Snapshot {
        Snapshot {
            l1_table_offset: HostOffset(l1_table_offset),
            l1_entries,
            id,
            name,
            date_seconds,
            date_nanoseconds,
            vm_clock_nanoseconds,
            vm_state_bytes: disk_size.map_or(small_state.into(), |_| large_state),
            disk_size,
            instruction_count: disk_size.and(count),
            unknown_extra: if disk_size.is_some() { unknown } else { Vec::new() },
        }
    }
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(
        table in prop::collection::vec(any_snapshot(), 0..5),
    ) {
        let bytes = encode_table(&table).unwrap();
        let count = u32::try_from(table.len()).unwrap();
        prop_assert_eq!(decode_table(&bytes, count), Ok(table));
    }

    #[test]
    fn any_bytes_are_an_answer(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        plausible: bool,
        count in 0u32..6,
    ) {
        if plausible && let Some(lengths) = bytes.get_mut(12..40) {
            lengths[0] = 0;
            lengths[2] = 0;
            lengths[24..27].fill(0);
        }
        if let Ok(table) = decode_table(&bytes, count)
            && let Ok(encoded) = encode_table(&table)
        {
            prop_assert_eq!(decode_table(&encoded, count), Ok(table));
        }
    }
}
