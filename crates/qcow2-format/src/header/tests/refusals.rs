//! One bad field, one exact error.

use super::*;

#[track_caller]
fn refuses(patches: &[(usize, &[u8])], want: &Error) {
    assert_eq!(
        Header::decode(&base()),
        Ok(base_header()),
        "the base must be valid"
    );
    assert_eq!(Header::decode(&patched(patches)).as_ref(), Err(want));
}

fn too_large(field: &'static str, at: u64, found: u64, max: u64) -> Error {
    Error::TooLarge {
        field,
        at,
        found,
        max,
    }
}

fn unaligned(field: &'static str, at: u64, found: u64) -> Error {
    Error::Unaligned {
        field,
        at,
        found,
        alignment: 0x1_0000,
    }
}

#[test]
fn magic_version_and_cluster_size() {
    refuses(&[(3, &[0xfa])], &Error::Magic { found: 0x5146_49fa });
    refuses(&[(7, &[1])], &Error::Version { found: 1 });
    refuses(&[(7, &[4])], &Error::Version { found: 4 });
    refuses(&[(23, &[8])], &Error::ClusterBits { found: 8 });
    refuses(&[(23, &[22])], &Error::ClusterBits { found: 22 });
    refuses(&[(23, &[64])], &Error::ClusterBits { found: 64 });
}

#[test]
fn header_length() {
    let length = |found| Error::HeaderLength {
        found,
        min: 104,
        max: 0x1_0000,
    };
    refuses(&[(103, &[96])], &length(96));
    refuses(&[(103, &[103])], &length(103));
    refuses(&[(100, &[0, 1, 0, 1])], &length(0x1_0001));
}

#[test]
fn types_with_few_values() {
    refuses(&[(99, &[7])], &Error::RefcountOrder { found: 7 });
    refuses(&[(35, &[3])], &Error::CryptMethod { found: 3 });
    refuses(&[(104, &[2])], &Error::CompressionType { found: 2 });
}

#[test]
fn features_that_contradict_other_fields() {
    let compression = |found, bit_is_set| Error::CompressionBit { found, bit_is_set };
    refuses(&[(104, &[1])], &compression(1, false));
    refuses(&[(79, &[8])], &compression(0, true));
    refuses(&[(95, &[2])], &Error::RawWithoutDataFile);
    refuses(
        &[(79, &[16]), (23, &[13])],
        &Error::SubclusterBits { found: 13 },
    );
}

#[test]
fn disk_size() {
    let small = |size, needed| Error::L1TooSmall {
        found: 1,
        needed,
        size,
    };
    let max = (1 << 63) - 1;
    refuses(
        &[(24, &[0x7f, 255, 255, 255, 255, 255, 255, 255])],
        &small(max, 1 << 34),
    );
    refuses(
        &[(24, &[0x80, 0, 0, 0, 0, 0, 0, 0])],
        &too_large("header field size", 24, 1 << 63, max),
    );
    refuses(
        &[(24, &[0, 0, 0, 0, 0x20, 0, 0, 1])],
        &small(0x2000_0001, 2),
    );
    // With extended L2 entries, a table covers half as much.
    refuses(
        &[(79, &[16]), (24, &[0, 0, 0, 0, 0x10, 0, 0, 1])],
        &small(0x1000_0001, 2),
    );
}

#[test]
fn l1_table() {
    refuses(
        &[(39, &[0])],
        &Error::L1TooSmall {
            found: 0,
            needed: 1,
            size: 1 << 20,
        },
    );
    refuses(
        &[(36, &[0, 0x40, 0, 1])],
        &too_large("header field l1_size", 36, 0x40_0001, 0x40_0000),
    );
    refuses(
        &[(46, &[2])],
        &unaligned("header field l1_table_offset", 40, 0x3_0200),
    );
    refuses(
        &[(40, &[0x80])],
        &Error::PastFileOffsets {
            field: "header field l1_table_offset",
            at: 40,
            found: 0x8000_0000_0003_0000,
            length: 8,
        },
    );
}

#[test]
fn refcount_table() {
    refuses(
        &[(59, &[129])],
        &too_large("header field refcount_table_clusters", 56, 129, 128),
    );
    refuses(
        &[(54, &[2])],
        &unaligned("header field refcount_table_offset", 48, 0x1_0200),
    );
    refuses(
        &[(48, &[0x7f, 255, 255, 255, 255, 255, 0, 0])],
        &Error::PastFileOffsets {
            field: "header field refcount_table_offset",
            at: 48,
            found: 0x7fff_ffff_ffff_0000,
            length: 0x1_0000,
        },
    );
}

#[test]
fn snapshot_table() {
    refuses(
        &[(61, &[1, 0, 1])],
        &too_large("header field nb_snapshots", 60, 65_537, 65_536),
    );
    refuses(
        &[(70, &[2])],
        &unaligned("header field snapshots_offset", 64, 0x200),
    );
}

#[test]
fn backing_name() {
    let offset = |found| too_large("header field backing_file_offset", 8, found, 0x1_0000);
    let size = |found, max| too_large("header field backing_file_size", 16, found, max);
    refuses(&[(13, &[1, 0, 1])], &offset(0x1_0001));
    refuses(&[(8, &[255])], &offset(0xff00_0000_0000_0000));
    refuses(&[(14, &[0, 200]), (18, &[4, 0])], &size(1024, 1023));
    refuses(&[(14, &[255, 0]), (18, &[1, 1])], &size(257, 256));
    // A name right after the cluster has no bytes.
    refuses(&[(13, &[1, 0, 0]), (19, &[1])], &size(1, 0));
}

#[test]
fn encryption_and_its_extension() {
    refuses(&[(35, &[2])], &Error::LuksMissing);
    refuses(
        &[(112, &[0x05, 0x37, 0xbe, 0x77, 0, 0, 0, 16])],
        &Error::LuksUnexpected {
            at: 112,
            crypt_method: 0,
        },
    );
}

#[test]
fn what_can_be_read_is_not_refused() {
    let accepted: [&[(usize, &[u8])]; 7] = [
        // No refcount table: QEMU opens that to check it only, but the mapping is
        // there.
        &[(59, &[0])],
        // The data file bit without a name: the caller may give one.
        &[(79, &[4])],
        // A header length that is not a multiple of 8.
        &[(103, &[108])],
        // Unknown features of every kind.
        &[(72, &[0x80]), (80, &[0x80]), (88, &[0x80])],
        // More L1 entries than the disk needs, and an empty disk.
        &[(36, &[0, 0x40, 0, 0])],
        &[(24, &[0; 8]), (39, &[0])],
        // The bitmaps bit without the extension.
        &[(95, &[1])],
    ];
    for patches in accepted {
        let decoded = Header::decode(&patched(patches));
        assert!(decoded.is_ok(), "{patches:?}: {decoded:?}");
    }
}

#[test]
fn encode_refuses_what_cannot_be_stored() {
    let refuses = |change: fn(&mut Header), want: Error| {
        let mut header = base_header();
        header.encode().unwrap();
        change(&mut header);
        assert_eq!(header.encode(), Err(want));
    };
    let version_2 = |field, found, allowed| Error::NeedsVersion3 {
        field,
        found,
        allowed,
    };
    refuses(
        |header| header.version = Version::V2,
        version_2("header_length", 112, 72),
    );
    refuses(
        |header| {
            header.version = Version::V2;
            header.incompatible = IncompatibleFeatures::DIRTY;
        },
        version_2("incompatible_features", 1, 0),
    );
    refuses(
        |header| {
            header.version = Version::V2;
            header.refcount_order = RefcountOrder::new(0).unwrap();
        },
        version_2("refcount_order", 0, 4),
    );
    refuses(
        |header| {
            header.incompatible = IncompatibleFeatures::COMPRESSION_TYPE;
            header.compression_type = CompressionType::Zstd;
            header.header_length = 104;
        },
        Error::HeaderLength {
            found: 104,
            min: 105,
            max: 0x1_0000,
        },
    );
    refuses(
        |header| header.unknown_header_bytes = vec![1; 8],
        Error::HeaderLength {
            found: 112,
            min: 113,
            max: 0x1_0000,
        },
    );
    refuses(
        |header| header.backing_name = Some(Vec::new()),
        Error::EmptyBackingName,
    );
    refuses(
        |header| header.backing_name = Some(vec![b'x'; 1024]),
        too_large("header field backing_file_size", 16, 1024, 1023),
    );
    refuses(
        |header| header.extensions = vec![Extension::DataFile(vec![0; 0x1_0000])],
        Error::HeaderTooLarge {
            needed: 112 + 8 + 0x1_0000,
            max: 0x1_0000,
        },
    );
    refuses(
        |header| header.l1_table_offset.0 += 512,
        unaligned("header field l1_table_offset", 40, 0x3_0200),
    );
}
