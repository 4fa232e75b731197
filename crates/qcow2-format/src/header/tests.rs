#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

use proptest::prelude::*;

use super::*;
use crate::feature::{FeatureKind, FeatureName};

mod properties;
mod refusals;

/// A valid version 3 header of a 1 MiB disk with 64 KiB clusters, followed by
/// zeros up to byte 4096.
#[rustfmt::skip]
pub(crate) fn base() -> Vec<u8> {
    let mut bytes = vec![
        0x51, 0x46, 0x49, 0xfb,  0, 0, 0, 3,             // 0: magic, version
        0, 0, 0, 0, 0, 0, 0, 0,                          // 8: backing_file_offset
        0, 0, 0, 0,  0, 0, 0, 16,                        // 16: backing_file_size, cluster_bits
        0, 0, 0, 0, 0, 0x10, 0, 0,                       // 24: size
        0, 0, 0, 0,  0, 0, 0, 1,                         // 32: crypt_method, l1_size
        0, 0, 0, 0, 0, 3, 0, 0,                          // 40: l1_table_offset
        0, 0, 0, 0, 0, 1, 0, 0,                          // 48: refcount_table_offset
        0, 0, 0, 1,  0, 0, 0, 0,                         // 56: refcount_table_clusters, nb_snapshots
        0, 0, 0, 0, 0, 0, 0, 0,                          // 64: snapshots_offset
        0, 0, 0, 0, 0, 0, 0, 0,                          // 72: incompatible_features
        0, 0, 0, 0, 0, 0, 0, 0,                          // 80: compatible_features
        0, 0, 0, 0, 0, 0, 0, 0,                          // 88: autoclear_features
        0, 0, 0, 4,  0, 0, 0, 112,                       // 96: refcount_order, header_length
        0,  0, 0, 0, 0, 0, 0, 0,                         // 104: compression_type, padding
    ];
    bytes.resize(4096, 0);
    bytes
}

/// `base` with bytes replaced at the given offsets.
pub(crate) fn patched(patches: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = base();
    for (at, patch) in patches {
        bytes[*at..at + patch.len()].copy_from_slice(patch);
    }
    bytes
}

/// What `base` says.
fn base_header() -> Header {
    Header {
        l1_entries: 1,
        l1_table_offset: HostOffset(0x3_0000),
        refcount_table_offset: HostOffset(0x1_0000),
        refcount_table_clusters: 1,
        ..Header::new(Version::V3, ClusterBits::DEFAULT, 1 << 20)
    }
}

#[test]
fn the_base_decodes_and_encodes() {
    assert_eq!(Header::decode(&base()), Ok(base_header()));
    assert_eq!(base_header().encode().unwrap(), base()[..120]);
}

#[test]
fn every_field_has_its_place() {
    let bytes = patched(&[
        (24, &[0, 0, 0, 0, 0x40, 0, 0, 1]),
        (32, &[0, 0, 0, 1]),
        (36, &[0, 0, 0, 5]),
        (40, &[0, 0, 1, 0, 0, 3, 0, 0]),
        (48, &[0, 0, 2, 0, 0, 1, 0, 0]),
        (56, &[0, 0, 0, 6]),
        (60, &[0, 0, 0, 7]),
        (64, &[0, 0, 3, 0, 0, 8, 0, 0]),
        (72, &[0x80, 0, 0, 0, 0, 0, 0, 0x0f]),
        (80, &[0x40, 0, 0, 0, 0, 0, 0, 1]),
        (88, &[0x20, 0, 0, 0, 0, 0, 0, 3]),
        (96, &[0, 0, 0, 6]),
        (104, &[1]),
    ]);
    let want = Header {
        version: Version::V3,
        cluster_bits: ClusterBits::DEFAULT,
        size: 0x4000_0001,
        crypt_method: CryptMethod::Aes,
        l1_entries: 5,
        l1_table_offset: HostOffset(0x100_0003_0000),
        refcount_table_offset: HostOffset(0x200_0001_0000),
        refcount_table_clusters: 6,
        snapshot_count: 7,
        snapshots_offset: HostOffset(0x300_0008_0000),
        incompatible: IncompatibleFeatures::from_bits_retain(0x8000_0000_0000_000f),
        compatible: CompatibleFeatures::from_bits_retain(0x4000_0000_0000_0001),
        autoclear: AutoclearFeatures::from_bits_retain(0x2000_0000_0000_0003),
        refcount_order: RefcountOrder::from_bits(64).unwrap(),
        compression_type: CompressionType::Zstd,
        header_length: 112,
        unknown_header_bytes: Vec::new(),
        extensions: Vec::new(),
        backing_name: None,
    };
    assert_eq!(Header::decode(&bytes), Ok(want.clone()));
    assert_eq!(want.encode().unwrap(), bytes[..120]);
}

#[test]
fn version_2_ignores_what_is_behind_byte_72() {
    let mut bytes = patched(&[
        (4, &[0, 0, 0, 2]),
        // An extension where version 3 has its feature bits.
        (
            72,
            &[
                0xe2, 0x79, 0x2a, 0xca, 0, 0, 0, 5, b'q', b'c', b'o', b'w', b'2',
            ],
        ),
        (88, &[0; 8]),
    ]);
    let want = Header {
        l1_entries: 1,
        l1_table_offset: HostOffset(0x3_0000),
        refcount_table_offset: HostOffset(0x1_0000),
        refcount_table_clusters: 1,
        extensions: vec![Extension::BackingFormat(b"qcow2".to_vec())],
        ..Header::new(Version::V2, ClusterBits::DEFAULT, 1 << 20)
    };
    assert_eq!(Header::decode(&bytes), Ok(want.clone()));
    assert_eq!(want.encode().unwrap(), bytes[..96]);
    bytes.truncate(72);
    let bare = Header::decode(&bytes).unwrap();
    assert_eq!((bare.header_length, bare.extensions.len()), (72, 0));
}

#[test]
fn a_file_may_end_within_the_header_it_announces() {
    let bytes = base();
    assert_eq!(Header::decode(&bytes[..111]), Ok(base_header()));
    assert_eq!(Header::decode(&bytes[..104]), Ok(base_header()));
    for (version, stored, needed) in [(3, 103, 104), (3, 24, 104), (2, 71, 72), (3, 4, 24)] {
        let bytes = patched(&[(7, &[version])]);
        assert_eq!(
            Header::decode(&bytes[..stored]),
            Err(Error::HeaderTruncated {
                found: bytes::length(&bytes[..stored]),
                needed
            })
        );
    }
    let empty = Error::HeaderTruncated {
        found: 0,
        needed: 4,
    };
    assert_eq!(Header::decode(&[]), Err(empty));
}

#[test]
fn the_cluster_size_needs_24_bytes() {
    let bits = Header::cluster_bits_of(&base()[..24]);
    assert_eq!(bits, Ok(ClusterBits::DEFAULT));
}

#[test]
fn a_field_is_absent_where_the_header_ends_before_it() {
    // 104 bytes: no compression type, extensions start where it would be.
    let bytes = patched(&[
        (103, &[104]),
        (104, &[0x12, 0x34, 0x56, 0x78, 0, 0, 0, 1, 0xff]),
    ]);
    let header = Header::decode(&bytes).unwrap();
    assert_eq!(header.compression_type, CompressionType::Deflate);
    let unknown = Extension::Unknown {
        kind: 0x1234_5678,
        data: vec![0xff],
    };
    assert_eq!(header.extensions, [unknown]);
    assert_eq!(header.encode().unwrap(), bytes[..128]);

    // 105 bytes: the compression type and not one byte more.
    let zstd = patched(&[(79, &[8]), (103, &[105]), (104, &[1])]);
    let header = Header::decode(&zstd).unwrap();
    assert_eq!(header.compression_type, CompressionType::Zstd);
    assert_eq!(header.encode().unwrap(), zstd[..113]);
}

#[test]
fn unknown_header_bytes_are_kept() {
    let bytes = patched(&[(103, &[128]), (106, &[7]), (120, &[1, 2])]);
    let header = Header::decode(&bytes).unwrap();
    let mut unknown = vec![0; 17];
    unknown[1] = 7;
    unknown[15] = 1;
    unknown[16] = 2;
    assert_eq!(header.unknown_header_bytes, unknown);
    assert_eq!(header.encode().unwrap(), bytes[..136]);
}

#[test]
fn the_backing_name_ends_the_extensions() {
    // At 112 an extension of 8 bytes, at 128 the name: no room for an end marker.
    let bytes = patched(&[
        (8, &[0, 0, 0, 0, 0, 0, 0, 128]),
        (16, &[0, 0, 0, 3]),
        (112, &[0, 0, 0, 9, 0, 0, 0, 8]),
        (120, b"whatever"),
        (128, b"a.b"),
    ]);
    let header = Header::decode(&bytes).unwrap();
    assert_eq!(header.backing_name.as_deref(), Some(b"a.b".as_slice()));
    assert_eq!(header.extensions.len(), 1);

    let encoded = header.encode().unwrap();
    assert_eq!(encoded[8..20], [0, 0, 0, 0, 0, 0, 0, 136, 0, 0, 0, 3]);
    assert_eq!(encoded[112..], [&bytes[112..128], &[0; 8], b"a.b"].concat());
    assert_eq!(Header::decode(&encoded), Ok(header));
}

#[test]
fn a_backing_name_may_fill_the_cluster() {
    let name = |length: u32| {
        let mut bytes = patched(&[
            (20, &[0, 0, 0, 9]),
            (39, &[32]),
            (15, &[120]),
            (16, &length.to_be_bytes()),
        ]);
        bytes.truncate(512);
        Header::decode(&bytes).map(|header| header.backing_name.map(|name| name.len()))
    };
    assert_eq!(name(392), Ok(Some(392)));
    assert_eq!(name(0), Ok(None), "a name of no bytes is no name");
}

#[test]
fn features_are_refused_by_name() {
    let header = Header {
        incompatible: IncompatibleFeatures::from_bits_retain(1 << 63 | 0b10_0110),
        extensions: vec![Extension::FeatureNames(vec![
            FeatureName {
                kind: FeatureKind::COMPATIBLE,
                bit: 5,
                name: b"not this one".to_vec(),
            },
            FeatureName {
                kind: FeatureKind::INCOMPATIBLE,
                bit: 5,
                name: b"frob\x1b[2Jnication\xff".to_vec(),
            },
        ])],
        ..base_header()
    };
    assert_eq!(
        header.check_features(IncompatibleFeatures::CORRUPT),
        Err(Error::Features {
            names: vec![
                "external data file".to_owned(),
                r"frob\x1b[2Jnication\xff".to_owned(),
                "bit 63".to_owned(),
            ]
        })
    );
    assert_eq!(header.check_features(header.incompatible), Ok(()));
    assert_eq!(
        base_header().check_features(IncompatibleFeatures::empty()),
        Ok(())
    );
}

#[test]
fn the_header_says_how_entries_are_read() {
    let mut header = base_header();
    assert_eq!(header.l2_entry_bytes(), 8);
    header.incompatible =
        IncompatibleFeatures::EXTENDED_L2 | IncompatibleFeatures::EXTERNAL_DATA_FILE;
    assert_eq!(header.l2_entry_bytes(), 16);
    assert_eq!(
        header.entry_context(),
        EntryContext {
            cluster_bits: ClusterBits::DEFAULT,
            version: Version::V3,
            external_data_file: true,
        }
    );
}

#[test]
fn the_end_marker_stays_out_where_there_is_no_room() {
    let encode = |header_length, data: usize, name: &[u8]| {
        let header = Header {
            header_length,
            cluster_bits: ClusterBits::MIN,
            size: 0,
            extensions: vec![Extension::DataFile(vec![b'd'; data])],
            backing_name: (!name.is_empty()).then(|| name.to_vec()),
            ..base_header()
        };
        header.encode().map(|bytes| bytes.len())
    };
    let too_large = |needed| Err(Error::HeaderTooLarge { needed, max: 512 });
    // Up to the last byte with a marker, without one, and a byte too many.
    assert_eq!(encode(112, 384, b""), Ok(512));
    assert_eq!(encode(112, 392, b""), Ok(512));
    assert_eq!(encode(112, 393, b""), too_large(520));
    // Four bytes left are no marker; only a name can end the extensions there.
    assert_eq!(encode(108, 392, b""), too_large(516));
    assert_eq!(encode(108, 392, b"a"), Ok(509));
    assert_eq!(encode(108, 392, b"a.raw"), too_large(513));
}
