#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

use super::*;
use crate::Header;
use crate::header::tests::{base, patched};

/// Decodes the base with `area` where its extensions are.
fn decode_with(area: &[u8], patches: &[(usize, &[u8])]) -> Result<Vec<Extension>, Error> {
    assert!(Header::decode(&base()).is_ok(), "the base must be valid");
    let patches = [&[(112, area)], patches].concat();
    Header::decode(&patched(&patches)).map(|header| header.extensions)
}

/// A bitmaps extension: at 112 type and length, then 2 bitmaps in 0x60 bytes
/// at 0x50000.
const BITMAPS: [u8; 32] = [
    0x23, 0x85, 0x28, 0x75, 0, 0, 0, 24, 0, 0, 0, 2, 0, 0, 0, 0, //
    0, 0, 0, 0, 0, 0, 0, 0x60, 0, 0, 0, 0, 0, 5, 0, 0,
];
/// A LUKS extension: 0x1000 bytes at 0x40000.
const LUKS: [u8; 24] = [
    0x05, 0x37, 0xbe, 0x77, 0, 0, 0, 16, //
    0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0,
];
const LUKS_METHOD: (usize, &[u8]) = (35, &[2]);
const BITMAPS_BIT: (usize, &[u8]) = (95, &[1]);

fn with(mut bytes: [u8; 32], at: usize, patch: &[u8]) -> [u8; 32] {
    bytes[at..at + patch.len()].copy_from_slice(patch);
    bytes
}

#[test]
fn all_kinds_in_their_order() {
    let area = [
        &[0x44, 0x41, 0x54, 0x41, 0, 0, 0, 6],
        b"a.data\xee\xee".as_slice(),
        &BITMAPS,
        &[0, 0, 0, 1, 0, 0, 0, 0],
        &LUKS,
        &[0xe2, 0x79, 0x2a, 0xca, 0, 0, 0, 3],
        b"raw\0\0\0\0\0",
        &[
            0x51, 0x32, 0x4c, 0x4e, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0x0f, 0xfe, 1,
        ],
        &[0; 8],
        b"behind the end",
    ]
    .concat();
    let want = [
        Extension::DataFile(b"a.data".to_vec()),
        Extension::Bitmaps(BitmapsExtension {
            count: 2,
            directory_bytes: 0x60,
            directory_offset: HostOffset(0x5_0000),
        }),
        Extension::Unknown {
            kind: 1,
            data: Vec::new(),
        },
        Extension::Luks(LuksHeader {
            offset: HostOffset(0x4_0000),
            length: 0x1000,
        }),
        Extension::BackingFormat(b"raw".to_vec()),
        Extension::ExactSize(0xf_fe01),
    ];
    let bytes = patched(&[(112, area.as_slice()), LUKS_METHOD, BITMAPS_BIT]);
    let header = Header::decode(&bytes).unwrap();
    assert_eq!(header.extensions, want);
    assert_eq!(header.exact_size(), Some(0xf_fe01));

    let encoded = header.encode().unwrap();
    let end = 112 + area.len() - b"behind the end".len();
    assert_eq!(encoded[126..128], [0, 0], "padding is written as zeros");
    assert_eq!(encoded[112..126], bytes[112..126]);
    assert_eq!(encoded[128..], bytes[128..end]);
}

#[test]
fn the_feature_name_table_may_have_an_odd_length() {
    let mut area = vec![0x68, 0x03, 0xf8, 0x57, 0, 0, 0, 49, 0, 5];
    area.extend(b"frob");
    area.resize(64, 0xff);
    area[14] = 0;
    let want = FeatureName {
        kind: crate::feature::FeatureKind::INCOMPATIBLE,
        bit: 5,
        name: b"frob".to_vec(),
    };
    assert_eq!(
        decode_with(&area, &[]),
        Ok(vec![Extension::FeatureNames(vec![want])])
    );
}

#[test]
fn an_extension_ends_before_its_area_does() {
    let too_large = |kind, at, found, max| {
        Err(Error::ExtensionTooLarge {
            kind,
            at,
            found,
            max,
        })
    };
    let room = 0x1_0000 - 120;
    let long = [0, 0, 0, 9, 0, 0, 0xff, 0x89];
    assert_eq!(decode_with(&long, &[]), too_large(9, 112, room + 1, room));
    let longest = [0, 0, 0, 9, 255, 255, 255, 255];
    assert_eq!(
        decode_with(&longest, &[]),
        too_large(9, 112, 0xffff_ffff, room)
    );

    // The area ends at the backing name, here at 136.
    let name = (8, [0, 0, 0, 0, 0, 0, 0, 136].as_slice());
    let fits = [0, 0, 0, 9, 0, 0, 0, 16];
    assert_eq!(decode_with(&fits, &[name]).map(|list| list.len()), Ok(1));
    let unpadded = [0, 0, 0, 9, 0, 0, 0, 15];
    assert_eq!(
        decode_with(&unpadded, &[name]).map(|list| list.len()),
        Ok(1)
    );
    let long = [0, 0, 0, 9, 0, 0, 0, 17];
    assert_eq!(decode_with(&long, &[name]), too_large(9, 112, 17, 16));
    // Four bytes are left behind this one, too few for another.
    let short = (8, [0, 0, 0, 0, 0, 0, 0, 124].as_slice());
    let empty = [0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0];
    assert_eq!(decode_with(&empty, &[short]), too_large(7, 120, 0, 0));
}

#[test]
fn a_full_area_needs_no_end_marker() {
    let mut bytes = patched(&[(103, &[112]), (23, &[12]), (39, &[1])]);
    bytes[112..120].copy_from_slice(&[0, 0, 0, 9, 0, 0, 0x0f, 0x88]);
    let header = Header::decode(&bytes).unwrap();
    assert_eq!(header.encode(), Ok(bytes));
}

#[test]
fn backing_format() {
    let longest = [
        &[0xe2, 0x79, 0x2a, 0xca, 0, 0, 0, 15],
        [b'x'; 15].as_slice(),
    ]
    .concat();
    let want = Extension::BackingFormat(vec![b'x'; 15]);
    assert_eq!(decode_with(&longest, &[]), Ok(vec![want]));
    let long = [0xe2, 0x79, 0x2a, 0xca, 0, 0, 0, 16];
    assert_eq!(
        decode_with(&long, &[]),
        Err(Error::ExtensionTooLarge {
            kind: BACKING_FORMAT_EXTENSION,
            at: 112,
            found: 16,
            max: 15
        })
    );
}

#[test]
fn luks() {
    let mut area = LUKS;
    assert!(decode_with(&area, &[LUKS_METHOD]).is_ok());
    assert_eq!(
        decode_with(&area, &[(35, &[1])]),
        Err(Error::LuksUnexpected {
            at: 112,
            crypt_method: 1
        })
    );
    area[14] = 2;
    assert_eq!(
        decode_with(&area, &[LUKS_METHOD]),
        Err(Error::Unaligned {
            field: "LUKS extension field offset",
            at: 120,
            found: 0x4_0200,
            alignment: 0x1_0000
        })
    );
    area[7] = 24;
    assert_eq!(
        decode_with(&area, &[LUKS_METHOD]),
        Err(Error::ExtensionLength {
            kind: LUKS_EXTENSION,
            at: 112,
            found: 24,
            allowed: 16
        })
    );
}

#[test]
fn bitmaps() {
    let refuses = |at, patch: &[u8], want| {
        assert!(decode_with(&BITMAPS, &[BITMAPS_BIT]).is_ok());
        let area = with(BITMAPS, at, patch);
        assert_eq!(decode_with(&area, &[BITMAPS_BIT]), Err(want));
    };
    let too_large = |field, at, found, max| Error::TooLarge {
        field,
        at,
        found,
        max,
    };
    refuses(
        7,
        &[32],
        Error::ExtensionLength {
            kind: BITMAPS_EXTENSION,
            at: 112,
            found: 32,
            allowed: 24,
        },
    );
    refuses(11, &[0], Error::NoBitmaps { at: 120 });
    refuses(
        8,
        &[0, 1, 0, 0],
        too_large("bitmaps extension field nb_bitmaps", 120, 65_536, 65_535),
    );
    refuses(15, &[1], Error::BitmapsReserved { at: 124, found: 1 });
    refuses(
        20,
        &[0x03, 0xff, 0xfc, 0x01],
        too_large(
            "bitmaps extension field bitmap_directory_size",
            128,
            0x3ff_fc01,
            0x3ff_fc00,
        ),
    );
    refuses(
        30,
        &[2],
        Error::Unaligned {
            field: "bitmaps extension field bitmap_directory_offset",
            at: 136,
            found: 0x5_0200,
            alignment: 0x1_0000,
        },
    );
}

#[test]
fn a_bitmaps_extension_nobody_vouches_for_is_kept_as_it_is() {
    let area = with(BITMAPS, 11, &[0]);
    let kept = Extension::Unknown {
        kind: BITMAPS_EXTENSION,
        data: area[8..].to_vec(),
    };
    let bytes = patched(&[(112, &area)]);
    let header = Header::decode(&bytes).unwrap();
    assert_eq!(header.extensions, [kept]);
    assert_eq!(header.encode().unwrap(), bytes[..152]);
    // Its length is checked all the same, as by QEMU.
    let long = with(BITMAPS, 7, &[32]);
    assert!(decode_with(&long, &[]).is_err());
}

#[test]
fn an_exact_size_that_does_not_fit_the_disk_is_somebody_elses() {
    let exact = |size: u64, length: u8| {
        let mut area = vec![0x51, 0x32, 0x4c, 0x4e, 0, 0, 0, length];
        area.extend(size.to_be_bytes());
        let header = Header::decode(&patched(&[(112, &area)])).unwrap();
        assert_eq!(header.extensions.len(), 1);
        header.exact_size()
    };
    let size = 1 << 20;
    assert_eq!(exact(size, 8), Some(size));
    assert_eq!(exact(size - 511, 8), Some(size - 511));
    assert_eq!(exact(size - 512, 8), None);
    assert_eq!(exact(size + 1, 8), None);
    assert_eq!(exact(size, 7), None);
    assert_eq!(exact(size, 9), None);
}

#[test]
fn an_exact_allocation_of_other_units_is_somebody_elses() {
    let unit_of = |data: &[u8], patches: &[(usize, &[u8])]| {
        let length = u8::try_from(data.len()).unwrap();
        let area = [&[0x51, 0x32, 0x41, 0x4c, 0, 0, 0, length], data].concat();
        let patches = [&[(112, area.as_slice())], patches].concat();
        let header = Header::decode(&patched(&patches)).unwrap();
        assert_eq!(header.extensions.len(), 1);
        assert_eq!(header.encode().unwrap()[112..][..area.len()], area);
        header.exact_allocation_unit_bytes()
    };
    let extended: (usize, &[u8]) = (79, &[0x10]);
    assert_eq!(unit_of(&[0, 0, 0, 1, 0, 1, 0, 0], &[]), Some(0x1_0000));
    assert_eq!(unit_of(&[0, 0, 0, 1, 0, 0, 8, 0], &[extended]), Some(2048));
    assert_eq!(unit_of(&[0, 0, 0, 1, 0, 0, 8, 0], &[]), None);
    assert_eq!(unit_of(&[0, 0, 0, 1, 0, 1, 0, 0], &[extended]), None);
    assert_eq!(unit_of(&[0, 0, 0, 2, 0, 1, 0, 0], &[]), None);
    assert_eq!(unit_of(&[0, 0, 0, 1, 0, 1, 0], &[]), None);
    assert_eq!(unit_of(&[0, 0, 0, 1, 0, 1, 0, 0, 0], &[]), None);
}

#[test]
fn what_would_read_back_as_another_is_refused() {
    let refuses = |extension, want: Option<u32>| {
        let mut header = Header::decode(&base()).unwrap();
        header.extensions = vec![extension];
        let want = want.map(|kind| Error::ExtensionValue { kind, at: 112 });
        assert_eq!(header.encode().err(), want);
    };
    let unknown = |kind, data: &[u8]| Extension::Unknown {
        kind,
        data: data.to_vec(),
    };
    let name = |name: &[u8]| {
        Extension::FeatureNames(vec![FeatureName {
            kind: crate::feature::FeatureKind::INCOMPATIBLE,
            bit: 5,
            name: name.to_vec(),
        }])
    };
    refuses(unknown(7, b"data"), None);
    refuses(unknown(0, b""), Some(0));
    refuses(
        unknown(DATA_FILE_EXTENSION, b"name"),
        Some(DATA_FILE_EXTENSION),
    );
    refuses(Extension::ExactSize((1 << 20) - 511), None);
    refuses(
        Extension::ExactSize((1 << 20) - 512),
        Some(EXACT_SIZE_EXTENSION),
    );
    refuses(
        Extension::ExactAllocation {
            unit_bytes: 0x1_0000,
        },
        None,
    );
    refuses(
        Extension::ExactAllocation { unit_bytes: 2048 },
        Some(EXACT_ALLOCATION_EXTENSION),
    );
    refuses(name(&[b'n'; 46]), None);
    refuses(name(&[b'n'; 47]), Some(FEATURE_NAMES_EXTENSION));
    refuses(name(b"a\0b"), Some(FEATURE_NAMES_EXTENSION));
}
