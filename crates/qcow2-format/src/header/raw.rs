//! The fields of the header as they are stored, under the names of the
//! specification, any values legal.

use alloc::vec::Vec;

use super::{HEADER_BYTES_V2, HEADER_BYTES_V3_MIN, Header, MAGIC, Version};
use crate::bytes::{self, put_u32, put_u64, u8_at, u32_at, u64_at};
use crate::{ClusterBits, Error, RefcountOrder};

/// Offset of the compression type, the first field that may be absent in
/// version 3.
const COMPRESSION_TYPE_AT: usize = 104;
/// Offset of the first byte that no field is defined for.
const UNKNOWN_AT: usize = 105;

pub(super) struct RawHeader {
    pub(super) version: u32,
    pub(super) backing_file_offset: u64,
    pub(super) backing_file_size: u32,
    pub(super) cluster_bits: u32,
    pub(super) size: u64,
    pub(super) crypt_method: u32,
    pub(super) l1_size: u32,
    pub(super) l1_table_offset: u64,
    pub(super) refcount_table_offset: u64,
    pub(super) refcount_table_clusters: u32,
    pub(super) nb_snapshots: u32,
    pub(super) snapshots_offset: u64,
    pub(super) incompatible_features: u64,
    pub(super) compatible_features: u64,
    pub(super) autoclear_features: u64,
    pub(super) refcount_order: u32,
    pub(super) header_length: u32,
    pub(super) compression_type: u8,
}

impl RawHeader {
    /// Version and cluster size, which say how to read the rest.
    pub(super) fn start(first_bytes: &[u8]) -> Result<(Version, ClusterBits), Error> {
        needs(first_bytes, 4)?;
        let magic = u32_at(first_bytes, 0);
        if magic != MAGIC {
            return Err(Error::Magic { found: magic });
        }
        needs(first_bytes, 24)?;
        let version = match u32_at(first_bytes, 4) {
            2 => Version::V2,
            3 => Version::V3,
            found => return Err(Error::Version { found }),
        };
        Ok((version, ClusterBits::new(u32_at(first_bytes, 20))?))
    }

    /// The fields in `cluster`, of which the file has `stored`. Version 2 has
    /// no fields from byte 72 on; what its header has there is something else.
    pub(super) fn read(cluster: &[u8], stored: &[u8], version: Version) -> Result<Self, Error> {
        let common = Self {
            version: version.number(),
            backing_file_offset: u64_at(cluster, 8),
            backing_file_size: u32_at(cluster, 16),
            cluster_bits: u32_at(cluster, 20),
            size: u64_at(cluster, 24),
            crypt_method: u32_at(cluster, 32),
            l1_size: u32_at(cluster, 36),
            l1_table_offset: u64_at(cluster, 40),
            refcount_table_offset: u64_at(cluster, 48),
            refcount_table_clusters: u32_at(cluster, 56),
            nb_snapshots: u32_at(cluster, 60),
            snapshots_offset: u64_at(cluster, 64),
            incompatible_features: 0,
            compatible_features: 0,
            autoclear_features: 0,
            refcount_order: RefcountOrder::DEFAULT.order(),
            header_length: HEADER_BYTES_V2,
            compression_type: 0,
        };
        if version == Version::V2 {
            needs(stored, HEADER_BYTES_V2)?;
            return Ok(common);
        }
        needs(stored, HEADER_BYTES_V3_MIN)?;
        let header_length = u32_at(cluster, 100);
        let has_compression_type = header_length > HEADER_BYTES_V3_MIN;
        Ok(Self {
            incompatible_features: u64_at(cluster, 72),
            compatible_features: u64_at(cluster, 80),
            autoclear_features: u64_at(cluster, 88),
            refcount_order: u32_at(cluster, 96),
            header_length,
            compression_type: if has_compression_type {
                u8_at(cluster, COMPRESSION_TYPE_AT)
            } else {
                0
            },
            ..common
        })
    }

    /// The header bytes from 105 on, without the zeros at their end.
    pub(super) fn unknown_bytes(&self, cluster: &[u8]) -> Vec<u8> {
        let end = usize::try_from(self.header_length).unwrap_or(usize::MAX);
        let unknown = cluster.get(UNKNOWN_AT..end).unwrap_or_default();
        let length = unknown
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |last| last.saturating_add(1));
        unknown.get(..length).unwrap_or_default().to_vec()
    }

    /// The fields of `header`, with its backing name at `name_offset`.
    pub(super) fn of(header: &Header, name_offset: u64) -> Self {
        let name = header.backing_name.as_deref();
        Self {
            version: header.version.number(),
            backing_file_offset: name.map_or(0, |_| name_offset),
            backing_file_size: name.map_or(0, |name| u32::try_from(name.len()).unwrap_or(u32::MAX)),
            cluster_bits: header.cluster_bits.bits(),
            size: header.size,
            crypt_method: header.crypt_method.number(),
            l1_size: header.l1_entries,
            l1_table_offset: header.l1_table_offset.0,
            refcount_table_offset: header.refcount_table_offset.0,
            refcount_table_clusters: header.refcount_table_clusters,
            nb_snapshots: header.snapshot_count,
            snapshots_offset: header.snapshots_offset.0,
            incompatible_features: header.incompatible.bits(),
            compatible_features: header.compatible.bits(),
            autoclear_features: header.autoclear.bits(),
            refcount_order: header.refcount_order.order(),
            header_length: header.header_length,
            compression_type: header.compression_type.number(),
        }
    }

    /// The bytes up to the header length, those from 105 on from `unknown`.
    pub(super) fn write(&self, unknown: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_u32(&mut out, MAGIC);
        put_u32(&mut out, self.version);
        put_u64(&mut out, self.backing_file_offset);
        put_u32(&mut out, self.backing_file_size);
        put_u32(&mut out, self.cluster_bits);
        put_u64(&mut out, self.size);
        put_u32(&mut out, self.crypt_method);
        put_u32(&mut out, self.l1_size);
        put_u64(&mut out, self.l1_table_offset);
        put_u64(&mut out, self.refcount_table_offset);
        put_u32(&mut out, self.refcount_table_clusters);
        put_u32(&mut out, self.nb_snapshots);
        put_u64(&mut out, self.snapshots_offset);
        put_u64(&mut out, self.incompatible_features);
        put_u64(&mut out, self.compatible_features);
        put_u64(&mut out, self.autoclear_features);
        put_u32(&mut out, self.refcount_order);
        put_u32(&mut out, self.header_length);
        out.push(self.compression_type);
        out.extend_from_slice(unknown);
        out.resize(usize::try_from(self.header_length).unwrap_or(out.len()), 0);
        out
    }
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
