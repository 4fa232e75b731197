//! Any bytes decode without a panic, and encoding is the inverse.

use super::*;
use crate::extension::{BitmapsExtension, LuksHeader};

fn bytes_below(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..length)
}

/// Extensions that some header can hold.
fn extension() -> impl Strategy<Value = Extension> {
    let name = (
        any::<u8>(),
        any::<u8>(),
        prop::collection::vec(1u8.., 0..47),
    );
    prop_oneof![
        bytes_below(16).prop_map(Extension::BackingFormat),
        bytes_below(40).prop_map(Extension::DataFile),
        (0u64..1 << 20, any::<u32>()).prop_map(|(cluster, length)| {
            Extension::Luks(LuksHeader {
                offset: HostOffset(cluster << 21),
                length: length.into(),
            })
        }),
        prop::collection::vec(name, 0..4).prop_map(|names| {
            let name = |(kind, bit, name)| FeatureName {
                kind: FeatureKind(kind),
                bit,
                name,
            };
            Extension::FeatureNames(names.into_iter().map(name).collect())
        }),
        (1u32..65_536, 0u64..1 << 20, 0u64..1 << 20).prop_map(|(count, bytes, cluster)| {
            Extension::Bitmaps(BitmapsExtension {
                count,
                directory_bytes: bytes,
                directory_offset: HostOffset(cluster << 21),
            })
        }),
        (0u64..512).prop_map(|cut| Extension::ExactSize((1 << 20) - cut)),
        (1u32.., bytes_below(40)).prop_map(|(kind, data)| Extension::Unknown { kind, data }),
    ]
}

prop_compose! {
    fn header()(
        cluster_bits in 12u32..=21,
        (l1_entries, refcount_table_clusters) in (1024u32..4096, 0u32..5),
        clusters in prop::array::uniform3(0u64..1 << 30),
        (incompatible, compatible, autoclear) in any::<(u64, u64, u64)>(),
        (refcount_order, snapshot_count) in (0u32..=6, 0u32..=65_536),
        crypt in 0..2,
        header_length in 104u32..200,
        unknown_header_bytes in bytes_below(20),
        mut extensions in prop::collection::vec(extension(), 0..5),
        is_exact in any::<bool>(),
        backing_name in prop::option::of(prop::collection::vec(any::<u8>(), 1..1024)),
    ) -> Header {
        let incompatible = IncompatibleFeatures::from_bits_retain(incompatible)
            - IncompatibleFeatures::EXTENDED_L2;
        if is_exact {
            extensions.push(Extension::ExactAllocation { unit_bytes: 1 << cluster_bits });
        }
        let zstd = incompatible.contains(IncompatibleFeatures::COMPRESSION_TYPE);
        let luks = extensions.iter().any(|one| matches!(one, Extension::Luks(_)));
        let [l1_table_offset, refcount_table_offset, snapshots_offset] =
            clusters.map(|cluster| HostOffset(cluster << cluster_bits));
        Header {
            version: Version::V3,
            cluster_bits: ClusterBits::new(cluster_bits).unwrap(),
            size: 1 << 20,
            crypt_method: match crypt {
                _ if luks => CryptMethod::Luks,
                0 => CryptMethod::None,
                _ => CryptMethod::Aes,
            },
            l1_entries,
            l1_table_offset,
            refcount_table_offset,
            refcount_table_clusters,
            snapshot_count,
            snapshots_offset,
            incompatible: incompatible | IncompatibleFeatures::EXTERNAL_DATA_FILE,
            compatible: CompatibleFeatures::from_bits_retain(compatible),
            autoclear: AutoclearFeatures::from_bits_retain(autoclear),
            refcount_order: RefcountOrder::new(refcount_order).unwrap(),
            compression_type: if zstd { CompressionType::Zstd } else { CompressionType::Deflate },
            header_length: header_length.max(if zstd { 105 } else { 104 }),
            unknown_header_bytes,
            extensions,
            backing_name,
        }
    }
}

/// The header without what encoding may drop.
fn trimmed(mut header: Header) -> Header {
    while header.unknown_header_bytes.last() == Some(&0) {
        header.unknown_header_bytes.pop();
    }
    header
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(mut header in header()) {
        let unknown = u32::try_from(header.unknown_header_bytes.len()).unwrap();
        header.header_length = header.header_length.max(105 + unknown);
        let bytes = header.encode();
        prop_assert_eq!(Header::decode(&bytes.unwrap()), Ok(trimmed(header)));
    }

    #[test]
    fn what_is_refused_or_encoded_never_changes(
        mut header in header(),
        kind: u32,
        version_2: bool,
        cluster_bits in 9u32..=21,
        size: u64,
        l1_entries: u32,
    ) {
        header.cluster_bits = ClusterBits::new(cluster_bits).unwrap();
        header.size = size;
        header.l1_entries = l1_entries;
        if version_2 {
            header.version = Version::V2;
        }
        header.extensions.push(Extension::Unknown { kind, data: vec![0; 24] });
        if let Ok(bytes) = header.encode() {
            prop_assert_eq!(Header::decode(&bytes), Ok(trimmed(header)));
        }
    }

    #[test]
    fn what_decodes_encodes_again(
        patches in prop::collection::vec((0usize..200, any::<u8>()), 0..6),
        area in prop::collection::vec(any::<u8>(), 0..100),
        length in 0u8..24,
        end in 72usize..4096,
    ) {
        let mut bytes = base();
        bytes[112..112 + area.len()].copy_from_slice(&area);
        bytes[116..120].copy_from_slice(&[0, 0, 0, length]);
        for (at, byte) in patches {
            bytes[at] = byte;
        }
        if let Ok(header) = Header::decode(&bytes[..end]) {
            match header.encode() {
                Ok(bytes) => prop_assert_eq!(Header::decode(&bytes), Ok(header)),
                Err(error) => prop_assert!(
                    matches!(error, Error::HeaderTooLarge { .. }), "{error} of {header:?}"
                ),
            }
        }
    }

    #[test]
    fn any_bytes_are_an_answer(bytes in bytes_below(700)) {
        let _ = Header::decode(&bytes);
        let magic = [&[0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3], bytes.as_slice()].concat();
        let _ = Header::decode(&magic);
    }
}
