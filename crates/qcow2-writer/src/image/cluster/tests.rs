use super::*;
use qcow2_format::ClusterBits;

const STANDARD: Geometry = Geometry {
    cluster_bits: ClusterBits::DEFAULT,
    extended_l2: false,
};
const EXTENDED: Geometry = Geometry {
    extended_l2: true,
    ..STANDARD
};
const HOST: HostOffset = HostOffset(0x5_0000);

/// Asserts that `mapping` is stored as these words, and comes back.
#[track_caller]
fn is_stored_as(mapping: Mapping, geometry: Geometry, words: (u64, u64)) {
    assert_eq!(mapping.encode(geometry), words);
    let entry = [words.0.to_be_bytes(), words.1.to_be_bytes()].concat();
    assert_eq!(Mapping::decode(&entry, geometry, 0), Some(mapping));
}

#[test]
fn a_cluster_is_one_unit() {
    let nothing = Cluster::default();
    is_stored_as(Mapping::Cluster(nothing), STANDARD, (0, 0));
    let zeros = Mapping::Cluster(nothing.with_zeros(1));
    is_stored_as(zeros, STANDARD, (1, 0));
    let data = nothing.with_data(HOST, 1);
    let words = (0x8000_0000_0005_0000, 0);
    is_stored_as(Mapping::Cluster(data), STANDARD, words);
    assert_eq!(data.with_zeros(1), data);
    assert_eq!(nothing.with_zeros(1).with_data(HOST, 1), data);
}

#[test]
fn a_cluster_is_32_units() {
    let nothing = Cluster::default();
    is_stored_as(Mapping::Cluster(nothing), EXTENDED, (0, 0));
    let zeros = nothing.with_zeros(0x8000_0001);
    let words = (0, 0x8000_0001_0000_0000);
    is_stored_as(Mapping::Cluster(zeros), EXTENDED, words);
    let both = zeros.with_data(HOST, 0x00ff_0001).with_zeros(0x0ff0_0000);
    assert_eq!(both.host(), Some(HOST));
    let words = (0x8000_0000_0005_0000, 0x8f00_0000_00ff_0001);
    is_stored_as(Mapping::Cluster(both), EXTENDED, words);
}

#[test]
fn a_stream_has_no_units() {
    let stream = CompressedDescriptor::for_stream(HostOffset(0x5_0200), 600, ClusterBits::DEFAULT);
    let words = (0x4040_0000_0005_0200, 0);
    for geometry in [STANDARD, EXTENDED] {
        is_stored_as(
            Mapping::Compressed(stream.clone().unwrap()),
            geometry,
            words,
        );
    }
}

#[test]
fn what_is_never_written_is_not_decoded() {
    let decode = |geometry, words: [u64; 2]| {
        let entry = words.map(u64::to_be_bytes).concat();
        Mapping::decode(&entry, geometry, 0)
    };
    let host = 0x8000_0000_0005_0000;
    assert!(decode(STANDARD, [host, 0]).is_some());
    // Zeros with a host cluster, and an unaligned one.
    assert_eq!(decode(STANDARD, [host | 1, 0]), None);
    assert_eq!(decode(STANDARD, [host | 0x200, 0]), None);
    assert!(decode(EXTENDED, [host, 1]).is_some());
    // A host cluster without data, data without one, and both bits of a unit.
    assert_eq!(decode(EXTENDED, [host, 1 << 32]), None);
    assert_eq!(decode(EXTENDED, [0, 1]), None);
    assert_eq!(decode(EXTENDED, [host, 1 << 32 | 1]), None);
    assert_eq!(Mapping::decode(&[0; 8], EXTENDED, 0), None);
    assert_eq!(Mapping::decode(&[0; 7], STANDARD, 0), None);
}
