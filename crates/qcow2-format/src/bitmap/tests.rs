#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

use proptest::prelude::*;

use super::*;

/// An entry with 3 bytes of extra data and the name "dirty".
#[rustfmt::skip]
fn entry() -> Vec<u8> {
    let mut bytes = vec![
        0, 0, 0, 0, 0, 7, 0, 0,              // 0: bitmap_table_offset
        0, 0, 0, 9,  0, 0, 0, 2,             // 8: bitmap_table_size, flags
        1, 16,  0, 5,  0, 0, 0, 3,           // 16: type, granularity, lengths
    ];
    bytes.extend(b"xyzdirty");
    bytes
}

fn decoded() -> BitmapDirectoryEntry {
    BitmapDirectoryEntry {
        table_offset: HostOffset(0x7_0000),
        table_entries: 9,
        flags: BitmapFlags::AUTO,
        granularity_bits: 16,
        extra: b"xyz".to_vec(),
        name: b"dirty".to_vec(),
    }
}

fn decode(bytes: &[u8], count: u32) -> Result<Vec<BitmapDirectoryEntry>, Error> {
    decode_directory(bytes, count, ClusterBits::DEFAULT)
}

#[track_caller]
fn refuses(at: usize, patch: &[u8], want: Error) {
    assert_eq!(
        decode(&entry(), 1),
        Ok(vec![decoded()]),
        "the base must be valid"
    );
    let mut bytes = entry();
    bytes[at..at + patch.len()].copy_from_slice(patch);
    assert_eq!(decode(&bytes, 1), Err(want));
}

fn range(field: &'static str, found: u64, min: u64, max: u64) -> Error {
    Error::EntryRange {
        table: "bitmap directory",
        index: 0,
        field,
        found,
        min,
        max,
    }
}

#[test]
fn every_field_has_its_place() {
    assert_eq!(decode(&entry(), 1), Ok(vec![decoded()]));
    let encoded = encode_directory(&[decoded()], ClusterBits::DEFAULT);
    assert_eq!(encoded, Ok(entry()));
}

#[test]
fn fields_out_of_range() {
    refuses(
        6,
        &[2],
        Error::UnalignedEntry {
            table: "bitmap directory",
            index: 0,
            found: 0x7_0200,
            alignment: 0x1_0000,
        },
    );
    let cluster = 0x1_0000;
    let offset_max = (1 << 63) - 1;
    refuses(5, &[0], range("table offset", 0, cluster, offset_max));
    refuses(11, &[0], range("table size", 0, 1, 0x800_0000));
    refuses(
        8,
        &[8, 0, 0, 1],
        range("table size", 0x800_0001, 1, 0x800_0000),
    );
    refuses(
        15,
        &[8],
        Error::Bitmap(BitmapError::Flags { index: 0, found: 8 }),
    );
    refuses(
        16,
        &[0],
        Error::Bitmap(BitmapError::Type { index: 0, found: 0 }),
    );
    refuses(17, &[8], range("granularity_bits", 8, 9, 31));
    refuses(17, &[32], range("granularity_bits", 32, 9, 31));
    refuses(18, &[0, 0, 0, 0, 0, 8], range("name length", 0, 1, 1023));
    let truncated = |needed| Error::TruncatedEntry {
        table: "bitmap directory",
        index: 0,
        found: 32,
        needed,
    };
    refuses(18, &[4, 0], truncated(24 + 1024 + 3));
    refuses(20, &[255; 4], truncated(24 + 0xffff_ffff + 5));
}

#[test]
fn the_directory_holds_what_is_announced() {
    let mut second = entry();
    second[31] = b'Y';
    let two = [entry(), second].concat();
    let names = |bytes, count| {
        decode(bytes, count).map(|list| list.into_iter().map(|entry| entry.name).collect())
    };
    assert_eq!(
        names(&two, 2),
        Ok(vec![b"dirty".to_vec(), b"dirtY".to_vec()])
    );
    assert_eq!(
        names(&two, 1),
        Err(Error::Bitmap(BitmapError::LeftOver {
            found: 32,
            entries: 1
        }))
    );
    assert_eq!(
        names(&two, 3),
        Err(Error::TruncatedEntry {
            table: "bitmap directory",
            index: 2,
            found: 0,
            needed: 24
        })
    );
    let twice = Error::Bitmap(BitmapError::NameTwice { index: 1, first: 0 });
    assert_eq!(decode(&[entry(), entry()].concat(), 2), Err(twice.clone()));
    let encoded = encode_directory(&[decoded(), decoded()], ClusterBits::DEFAULT);
    assert_eq!(encoded, Err(twice));
}

#[test]
fn a_bitmap_has_one_bit_per_granule() {
    let bytes = |disk_bytes| decoded().bitmap_bytes(disk_bytes);
    assert_eq!(bytes(0), 0);
    assert_eq!(bytes(1), 1);
    assert_eq!(bytes(8 << 16), 1);
    assert_eq!(bytes((8 << 16) + 1), 2);
    assert_eq!(bytes(u64::MAX), 1 << 45);
}

#[test]
fn table_entries() {
    let decode = |raw| BitmapTableEntry::decode(raw, ClusterBits::DEFAULT, 3);
    let data = BitmapTableEntry::Data(HostOffset(0x8_0000));
    for (raw, entry) in [
        (0, BitmapTableEntry::Zeros),
        (1, BitmapTableEntry::Ones),
        (0x8_0000, data),
    ] {
        assert_eq!(decode(raw), Ok(entry));
        assert_eq!(entry.encode(), raw);
    }
    assert_eq!(decode(0xff00_0000_0008_01ff), Ok(data));
    assert_eq!(
        BitmapTableEntry::reserved_bits(0xff00_0000_0008_01ff),
        0xff00_0000_0000_01ff
    );
    assert_eq!(BitmapTableEntry::reserved_bits(3), 2);
    assert_eq!(
        decode(0x8_0200),
        Err(Error::UnalignedEntry {
            table: "bitmap table",
            index: 3,
            found: 0x8_0200,
            alignment: 0x1_0000
        })
    );
}

prop_compose! {
    fn any_entry()(
        cluster in 1u64..1 << 40,
        table_entries in 1..=BITMAP_TABLE_ENTRIES_MAX,
        flags in 0u32..8,
        granularity_bits in 9u8..=31,
        extra in prop::collection::vec(any::<u8>(), 0..20),
        name in prop::collection::vec(any::<u8>(), 1..1024),
    ) -> BitmapDirectoryEntry {
        BitmapDirectoryEntry {
            table_offset: HostOffset(cluster << 16),
            table_entries,
            flags: BitmapFlags::from_bits_retain(flags),
            granularity_bits,
            extra,
            name,
        }
    }
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(
        entries in prop::collection::vec(any_entry(), 0..5),
    ) {
        if let Ok(bytes) = encode_directory(&entries, ClusterBits::DEFAULT) {
            let count = u32::try_from(entries.len()).unwrap();
            prop_assert_eq!(decode(&bytes, count), Ok(entries));
        }
    }

    #[test]
    fn any_bytes_are_an_answer(
        patches in prop::collection::vec((0usize..32, any::<u8>()), 0..5),
        end in 0usize..33,
        count in 0u32..3,
    ) {
        let mut bytes = entry();
        for (at, byte) in patches {
            bytes[at] = byte;
        }
        if let Ok(entries) = decode(&bytes[..end], count) {
            let encoded = encode_directory(&entries, ClusterBits::DEFAULT).unwrap();
            prop_assert_eq!(decode(&encoded, count), Ok(entries));
        }
    }

    #[test]
    fn table_bits_come_back_without_reserved_ones(raw: u64, aligned: bool) {
        let raw = if aligned { raw & !0xfe00 } else { raw };
        if let Ok(entry) = BitmapTableEntry::decode(raw, ClusterBits::DEFAULT, 0) {
            prop_assert_eq!(entry.encode(), raw & !BitmapTableEntry::reserved_bits(raw));
        }
    }
}
