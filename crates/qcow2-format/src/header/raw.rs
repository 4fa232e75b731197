//! The fields of the header as they are stored, under the names of the
//! specification, any values legal.

use alloc::vec::Vec;

use super::method::Version;
use crate::Error;
use crate::bytes::{self, u32_at};
use crate::geometry::ClusterBits;
use crate::refcount::RefcountOrder;

/// The first four bytes of an image: "QFI" and 0xfb.
pub const MAGIC: u32 = 0x5146_49fb;

/// Bytes of a version 2 header.
pub const HEADER_BYTES_V2: u32 = 72;

/// Bytes of the shortest version 3 header, up to the header length itself.
pub const HEADER_BYTES_V3_MIN: u32 = 104;

/// Offset of the first byte that no field is defined for.
const UNKNOWN_AT: usize = 105;

/// Declares a structure of big-endian fields by the offset that each has in the
/// specification, and asserts that none overlaps another and no byte is left
/// out.
macro_rules! layout {
    ($name:ident, $end:ident: $($field:ident: $kind:ident @ $at:literal,)*) => {
        pub(super) struct $name {
            $(pub(super) $field: $kind,)*
        }

        impl $name {
            /// Decodes the fields; those past the end of `bytes` are zero.
            fn decode(bytes: &[u8]) -> Self {
                Self {
                    $($field: $kind::from_be_bytes(bytes::field(bytes, $at)),)*
                }
            }

            fn encode(&self) -> Vec<u8> {
                let mut out = Vec::new();
                $(out.extend_from_slice(&self.$field.to_be_bytes());)*
                out
            }
        }

        const _: () = {
            let mut end = 0;
            $(
                assert!(end == $at, "a field is not where the one before it ends");
                end = $at + size_of::<$kind>();
            )*
            assert!(end == $end);
        };
    };
}

layout! { RawHeader, UNKNOWN_AT:
    magic: u32 @ 0,
    version: u32 @ 4,
    backing_file_offset: u64 @ 8,
    backing_file_size: u32 @ 16,
    cluster_bits: u32 @ 20,
    size: u64 @ 24,
    crypt_method: u32 @ 32,
    l1_size: u32 @ 36,
    l1_table_offset: u64 @ 40,
    refcount_table_offset: u64 @ 48,
    refcount_table_clusters: u32 @ 56,
    nb_snapshots: u32 @ 60,
    snapshots_offset: u64 @ 64,
    incompatible_features: u64 @ 72,
    compatible_features: u64 @ 80,
    autoclear_features: u64 @ 88,
    refcount_order: u32 @ 96,
    header_length: u32 @ 100,
    compression_type: u8 @ 104,
}

impl RawHeader {
    /// Reads the version and cluster size, which determine how to read the rest.
    pub(super) fn start(first_bytes: &[u8]) -> Result<(Version, ClusterBits), Error> {
        needs(first_bytes, 4)?;
        let found = u32_at(first_bytes, 0);
        if found != MAGIC {
            return Err(Error::Magic { found });
        }
        needs(first_bytes, 24)?;
        let version = match u32_at(first_bytes, 4) {
            2 => Version::V2,
            3 => Version::V3,
            found => return Err(Error::Version { found }),
        };
        Ok((version, ClusterBits::new(u32_at(first_bytes, 20))?))
    }

    /// Reads the fields in `cluster`; the file contains the part `stored`. Version 2
    /// has no fields from byte 72 on; other things may be stored there. The compression type is the first that version 3 may leave out.
    pub(super) fn read(cluster: &[u8], stored: &[u8], version: Version) -> Result<Self, Error> {
        match version {
            Version::V2 => {
                needs(stored, HEADER_BYTES_V2)?;
                Ok(Self {
                    refcount_order: RefcountOrder::DEFAULT.order(),
                    header_length: HEADER_BYTES_V2,
                    ..Self::decode(front(cluster, HEADER_BYTES_V2))
                })
            }
            Version::V3 => {
                needs(stored, HEADER_BYTES_V3_MIN)?;
                let header_length = Self::decode(cluster).header_length;
                let end = header_length.max(HEADER_BYTES_V3_MIN);
                Ok(Self::decode(front(cluster, end)))
            }
        }
    }

    /// Returns the header bytes from 105 on, without the zeros at their end.
    pub(super) fn unknown_bytes(&self, cluster: &[u8]) -> Vec<u8> {
        let end = usize::try_from(self.header_length).unwrap_or(usize::MAX);
        let unknown = cluster.get(UNKNOWN_AT..end).unwrap_or_default();
        let length = unknown
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |last| last.saturating_add(1));
        unknown.get(..length).unwrap_or_default().to_vec()
    }

    /// Returns the bytes up to the header length; those from 105 on are `unknown`.
    pub(super) fn write(&self, unknown: &[u8]) -> Vec<u8> {
        let mut out = self.encode();
        out.extend_from_slice(unknown);
        out.resize(usize::try_from(self.header_length).unwrap_or(out.len()), 0);
        out
    }
}

/// Returns the first `length` bytes of `cluster`, or all.
fn front(cluster: &[u8], length: u32) -> &[u8] {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    cluster.get(..length).unwrap_or(cluster)
}

/// Refuses a file too short for its header.
fn needs(stored: &[u8], needed: u32) -> Result<(), Error> {
    let (found, needed) = (bytes::length(stored), u64::from(needed));
    if found >= needed {
        Ok(())
    } else {
        Err(Error::HeaderTruncated { found, needed })
    }
}
