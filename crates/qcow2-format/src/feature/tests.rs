use super::*;

/// Two entries, the first name as long as can be, and one byte too many.
fn table() -> Vec<u8> {
    let mut bytes = vec![0, 63];
    bytes.extend([b'n'; 46]);
    bytes.extend([2, 7]);
    bytes.extend(b"short\0then more");
    bytes.resize(97, 0);
    bytes
}

#[test]
fn a_name_table_may_be_cut() {
    let names = FeatureName::decode_table(&table());
    let want = [
        FeatureName {
            kind: FeatureKind::INCOMPATIBLE,
            bit: 63,
            name: vec![b'n'; 46],
        },
        FeatureName {
            kind: FeatureKind::AUTOCLEAR,
            bit: 7,
            name: b"short".to_vec(),
        },
    ];
    assert_eq!(names, want);
    assert_eq!(FeatureName::decode_table(&table()[..49]), want[..1]);
    assert_eq!(FeatureName::decode_table(&table()[..47]), []);
}

#[test]
fn names_are_padded_with_zeros() {
    let mut out = Vec::new();
    let name = FeatureName {
        kind: FeatureKind::COMPATIBLE,
        bit: 3,
        name: b"abc".to_vec(),
    };
    name.encode(&mut out);
    assert_eq!(out.len(), FeatureName::ENTRY_BYTES);
    assert_eq!(out[..6], [1, 3, b'a', b'b', b'c', 0]);
    assert_eq!(FeatureName::decode_table(&out), [name]);
}

#[test]
fn unnamed_bits_have_the_names_of_the_specification() {
    let names = |bits| {
        incompatible_names(
            IncompatibleFeatures::from_bits_retain(bits),
            &core::iter::empty(),
        )
    };
    let known = [
        "dirty bit",
        "corrupt bit",
        "external data file",
        "compression type",
        "extended L2 entries",
        "bit 5",
    ];
    assert_eq!(names(0x3f), known);
    assert_eq!(names(1 << 63), ["bit 63"]);
    assert!(names(0).is_empty());
}

#[test]
fn an_empty_name_says_nothing() {
    let nameless = FeatureName {
        kind: FeatureKind::INCOMPATIBLE,
        bit: 6,
        name: Vec::new(),
    };
    let features = IncompatibleFeatures::from_bits_retain(1 << 6);
    assert_eq!(incompatible_names(features, &[nameless].iter()), ["bit 6"]);
}
