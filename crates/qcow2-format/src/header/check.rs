//! The rules for header fields, in the order in which they are checked.

use core::ops::Range;

use super::raw::RawHeader;
use super::{CompressionType, CryptMethod, HEADER_BYTES_V2, HEADER_BYTES_V3_MIN, Header, Version};
use crate::feature::{AutoclearFeatures, IncompatibleFeatures};
use crate::limits::{
    BACKING_NAME_BYTES_MAX, FILE_OFFSET_MAX, L1_BYTES_MAX, REFCOUNT_TABLE_BYTES_MAX, SNAPSHOTS_MAX,
};
use crate::rule::{at_most, table_at};
use crate::snapshot::ENTRY_BYTES_MIN;
use crate::{ClusterBits, Error, Geometry, bytes};

/// Bytes of an entry of the L1 table and of the refcount table.
const TABLE_ENTRY_BYTES: u64 = 8;

/// Bytes of the shortest header with a compression type.
const WITH_COMPRESSION_TYPE_BYTES: u64 = 105;

impl RawHeader {
    /// Checks all fields except those with a type of their own.
    pub(super) fn check(&self, version: Version, cluster_bits: ClusterBits) -> Result<(), Error> {
        self.check_header_length(version, cluster_bits)?;
        let incompatible = IncompatibleFeatures::from_bits_retain(self.incompatible_features);
        let autoclear = AutoclearFeatures::from_bits_retain(self.autoclear_features);
        let extended_l2 = incompatible.contains(IncompatibleFeatures::EXTENDED_L2);
        if extended_l2 && cluster_bits < ClusterBits::MIN_EXTENDED_L2 {
            return Err(Error::SubclusterBits {
                found: cluster_bits.bits(),
            });
        }
        if autoclear.contains(AutoclearFeatures::RAW_EXTERNAL_DATA)
            && !incompatible.contains(IncompatibleFeatures::EXTERNAL_DATA_FILE)
        {
            return Err(Error::RawWithoutDataFile);
        }
        at_most("header field size", 24, self.size, FILE_OFFSET_MAX)?;
        self.check_tables(cluster_bits)?;
        let geometry = Geometry {
            cluster_bits,
            extended_l2,
        };
        let needed = geometry.l1_entries_for(self.size);
        if u64::from(self.l1_size) < needed {
            return Err(Error::L1TooSmall {
                found: self.l1_size,
                needed,
                size: self.size,
            });
        }
        Ok(())
    }

    fn check_header_length(
        &self,
        version: Version,
        cluster_bits: ClusterBits,
    ) -> Result<(), Error> {
        let min = match version {
            Version::V2 => HEADER_BYTES_V2,
            Version::V3 => HEADER_BYTES_V3_MIN,
        };
        header_length_within(self.header_length, min.into(), cluster_bits.bytes())
    }

    /// Checks length, alignment and end of the tables that the header points to.
    fn check_tables(&self, cluster_bits: ClusterBits) -> Result<(), Error> {
        let l1_entries_max = L1_BYTES_MAX / TABLE_ENTRY_BYTES;
        let l1_entries = u64::from(self.l1_size);
        at_most("header field l1_size", 36, l1_entries, l1_entries_max)?;
        table_at(
            "header field l1_table_offset",
            40,
            self.l1_table_offset,
            l1_entries.saturating_mul(TABLE_ENTRY_BYTES),
            cluster_bits,
        )?;

        let refcount_clusters = u64::from(self.refcount_table_clusters);
        at_most(
            "header field refcount_table_clusters",
            56,
            refcount_clusters,
            REFCOUNT_TABLE_BYTES_MAX >> cluster_bits.bits(),
        )?;
        table_at(
            "header field refcount_table_offset",
            48,
            self.refcount_table_offset,
            refcount_clusters.saturating_mul(cluster_bits.bytes()),
            cluster_bits,
        )?;

        let snapshots = u64::from(self.nb_snapshots);
        at_most(
            "header field nb_snapshots",
            60,
            snapshots,
            SNAPSHOTS_MAX.into(),
        )?;
        table_at(
            "header field snapshots_offset",
            64,
            self.snapshots_offset,
            snapshots.saturating_mul(ENTRY_BYTES_MIN),
            cluster_bits,
        )
    }

    pub(super) fn crypt_method(&self) -> Result<CryptMethod, Error> {
        match self.crypt_method {
            0 => Ok(CryptMethod::None),
            1 => Ok(CryptMethod::Aes),
            2 => Ok(CryptMethod::Luks),
            found => Err(Error::CryptMethod { found }),
        }
    }

    /// Returns the compression type, if its feature bit agrees.
    pub(super) fn compression_type(&self) -> Result<CompressionType, Error> {
        let compression_type = match self.compression_type {
            0 => CompressionType::Deflate,
            1 => CompressionType::Zstd,
            found => return Err(Error::CompressionType { found }),
        };
        let bit_is_set = IncompatibleFeatures::from_bits_retain(self.incompatible_features)
            .contains(IncompatibleFeatures::COMPRESSION_TYPE);
        if bit_is_set == (compression_type == CompressionType::Deflate) {
            return Err(Error::CompressionBit {
                found: self.compression_type,
                bit_is_set,
            });
        }
        Ok(compression_type)
    }

    /// Returns the location of the backing file's name in cluster 0, if there is one.
    pub(super) fn backing_range(
        &self,
        cluster_bits: ClusterBits,
    ) -> Result<Option<Range<usize>>, Error> {
        let cluster_bytes = cluster_bits.bytes();
        let (offset, size) = (self.backing_file_offset, u64::from(self.backing_file_size));
        if offset == 0 {
            return Ok(None);
        }
        at_most("header field backing_file_offset", 8, offset, cluster_bytes)?;
        let room = cluster_bytes.saturating_sub(offset);
        let max = room.min(BACKING_NAME_BYTES_MAX);
        at_most("header field backing_file_size", 16, size, max)?;
        let start = usize::try_from(offset).ok();
        let end = usize::try_from(offset.saturating_add(size)).ok();
        Ok(start.zip(end).map(|(start, end)| start..end))
    }
}

impl Header {
    /// Refuses values that cannot be stored.
    pub(super) fn check_storable(&self) -> Result<(), Error> {
        if self.backing_name.as_deref() == Some(&[]) {
            return Err(Error::EmptyBackingName);
        }
        if self.version == Version::V2 {
            return self.check_version_2();
        }
        let unknown = bytes::length(&self.unknown_header_bytes);
        let min = if unknown > 0 || self.compression_type != CompressionType::Deflate {
            WITH_COMPRESSION_TYPE_BYTES.saturating_add(unknown)
        } else {
            HEADER_BYTES_V3_MIN.into()
        };
        header_length_within(self.header_length, min, self.cluster_bits.bytes())
    }

    /// Refuses values for which version 2 has no field.
    fn check_version_2(&self) -> Result<(), Error> {
        let unknown = bytes::length(&self.unknown_header_bytes);
        let fields = [
            ("incompatible_features", 0, self.incompatible.bits()),
            ("compatible_features", 0, self.compatible.bits()),
            ("autoclear_features", 0, self.autoclear.bits()),
            ("refcount_order", 4, self.refcount_order.order().into()),
            ("header_length", 72, self.header_length.into()),
            ("compression_type", 0, self.compression_type.number().into()),
            ("unknown_header_bytes length", 0, unknown),
        ];
        for (field, allowed, found) in fields {
            if found != allowed {
                return Err(Error::NeedsVersion3 {
                    field,
                    found,
                    allowed,
                });
            }
        }
        Ok(())
    }
}

fn header_length_within(found: u32, min: u64, max: u64) -> Result<(), Error> {
    if (min..=max).contains(&u64::from(found)) {
        Ok(())
    } else {
        Err(Error::HeaderLength { found, min, max })
    }
}
