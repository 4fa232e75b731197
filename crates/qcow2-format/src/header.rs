//! The header: cluster 0 up to the name of the backing file. Spec: "Header".

mod check;
mod method;
mod raw;

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::extension::{self, Extension, ExtensionContext};
use crate::feature::{
    AutoclearFeatures, CompatibleFeatures, IncompatibleFeatures, incompatible_names,
};
use crate::{ClusterBits, EntryContext, Error, Geometry, HostOffset, RefcountOrder, bytes};
use raw::RawHeader;

pub use method::{CompressionType, CryptMethod, Version};
pub use raw::{HEADER_BYTES_V2, HEADER_BYTES_V3_MIN, MAGIC};

/// Bytes of the version 3 header written here, with the compression type and
/// its padding.
pub const HEADER_BYTES_V3: u32 = 112;

/// A header that keeps every rule QEMU checks when it opens an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version of the format. Bytes 4 to 7.
    pub version: Version,
    /// Cluster size. Bytes 20 to 23.
    pub cluster_bits: ClusterBits,
    /// Disk size in bytes, at most [`crate::limits::FILE_OFFSET_MAX`]. Bytes 24
    /// to 31. See also [`Header::exact_size`].
    pub size: u64,
    /// Encryption of guest data. Bytes 32 to 35.
    pub crypt_method: CryptMethod,
    /// Entries of the L1 table; there may be more than the disk needs. Bytes 36
    /// to 39.
    pub l1_entries: u32,
    /// Offset of the L1 table, cluster aligned. Bytes 40 to 47.
    pub l1_table_offset: HostOffset,
    /// Offset of the refcount table, cluster aligned. Bytes 48 to 55.
    pub refcount_table_offset: HostOffset,
    /// Clusters of the refcount table. Zero breaks the specification, and QEMU
    /// opens such an image only to check it, but the disk can be read. Bytes 56 to 59.
    pub refcount_table_clusters: u32,
    /// Internal snapshots. Bytes 60 to 63.
    pub snapshot_count: u32,
    /// Offset of the snapshot table, cluster aligned. Bytes 64 to 71.
    pub snapshots_offset: HostOffset,
    /// Features needed to use the image, unknown ones kept; see
    /// [`Header::check_features`]. Bytes 72 to 79, none in version 2.
    pub incompatible: IncompatibleFeatures,
    /// Features that may be ignored, unknown ones kept. Bytes 80 to 87, none in
    /// version 2.
    pub compatible: CompatibleFeatures,
    /// Features that a writer clears unless it knows them, unknown ones kept.
    /// Bytes 88 to 95, none in version 2.
    pub autoclear: AutoclearFeatures,
    /// Width of refcounts. Bytes 96 to 99, 16 bits in version 2.
    pub refcount_order: RefcountOrder,
    /// Compression of compressed clusters. Byte 104, deflate if absent.
    pub compression_type: CompressionType,
    /// Bytes up to the extensions: 72 in version 2, else 104 up to the cluster
    /// size. Bytes 100 to 103.
    pub header_length: u32,
    /// Header bytes from 105 on, which are not understood, without the zeros at their
    /// end.
    pub unknown_header_bytes: Vec<u8>,
    /// The header extensions in their order, unknown ones kept.
    pub extensions: Vec<Extension>,
    /// Name of the backing file, 1 to 1,023 bytes of the image's own text. Its
    /// place and length are bytes 8 to 19.
    pub backing_name: Option<Vec<u8>>,
}

impl Header {
    /// Returns a header of a disk of `size` bytes with nothing else in it.
    #[must_use]
    pub fn new(version: Version, cluster_bits: ClusterBits, size: u64) -> Self {
        Self {
            version,
            cluster_bits,
            size,
            crypt_method: CryptMethod::None,
            l1_entries: 0,
            l1_table_offset: HostOffset(0),
            refcount_table_offset: HostOffset(0),
            refcount_table_clusters: 0,
            snapshot_count: 0,
            snapshots_offset: HostOffset(0),
            incompatible: IncompatibleFeatures::empty(),
            compatible: CompatibleFeatures::empty(),
            autoclear: AutoclearFeatures::empty(),
            refcount_order: RefcountOrder::DEFAULT,
            compression_type: CompressionType::Deflate,
            header_length: match version {
                Version::V2 => HEADER_BYTES_V2,
                Version::V3 => HEADER_BYTES_V3,
            },
            unknown_header_bytes: Vec::new(),
            extensions: Vec::new(),
            backing_name: None,
        }
    }

    /// Reads the cluster size from the first 24 bytes of a file: this is how many bytes
    /// [`Self::decode`] needs.
    ///
    /// # Errors
    ///
    /// [`Error::Magic`], [`Error::Version`], [`Error::ClusterBits`], or
    /// [`Error::HeaderTruncated`] if fewer bytes are there.
    pub fn cluster_bits_of(first_bytes: &[u8]) -> Result<ClusterBits, Error> {
        RawHeader::start(first_bytes).map(|(_, cluster_bits)| cluster_bits)
    }

    /// Decodes cluster 0 of a file. Bytes past the end of the slice count as
    /// zeros, like bytes past the end of a file; bytes after the cluster are
    /// ignored.
    ///
    /// Unknown feature bits are no error here; see [`Self::check_features`].
    ///
    /// # Errors
    ///
    /// An exact [`Error`] for the first field that breaks a rule QEMU checks on
    /// opening an image.
    pub fn decode(cluster0: &[u8]) -> Result<Self, Error> {
        let (version, cluster_bits) = RawHeader::start(cluster0)?;
        let cluster = whole_cluster(cluster0, cluster_bits);
        let raw = RawHeader::read(&cluster, cluster0, version)?;
        raw.check(version, cluster_bits)?;
        let crypt_method = raw.crypt_method()?;
        let compression_type = raw.compression_type()?;
        let refcount_order = RefcountOrder::new(raw.refcount_order)?;
        let mut header = Self {
            version,
            cluster_bits,
            size: raw.size,
            crypt_method,
            l1_entries: raw.l1_size,
            l1_table_offset: HostOffset(raw.l1_table_offset),
            refcount_table_offset: HostOffset(raw.refcount_table_offset),
            refcount_table_clusters: raw.refcount_table_clusters,
            snapshot_count: raw.nb_snapshots,
            snapshots_offset: HostOffset(raw.snapshots_offset),
            incompatible: IncompatibleFeatures::from_bits_retain(raw.incompatible_features),
            compatible: CompatibleFeatures::from_bits_retain(raw.compatible_features),
            autoclear: AutoclearFeatures::from_bits_retain(raw.autoclear_features),
            refcount_order,
            compression_type,
            header_length: raw.header_length,
            unknown_header_bytes: raw.unknown_bytes(&cluster),
            extensions: Vec::new(),
            backing_name: None,
        };
        let mut area = &*cluster;
        if let Some(name) = raw.backing_range(cluster_bits)? {
            area = cluster.get(..name.start).unwrap_or_default();
            let name = cluster.get(name).filter(|name| !name.is_empty());
            header.backing_name = name.map(<[u8]>::to_vec);
        }
        let context = header.extension_context();
        header.extensions = extension::decode_area(area, header.header_length, &context)?;
        Ok(header)
    }

    /// Returns the bytes of the header, its extensions with their end marker, and the
    /// backing name: the start of cluster 0. [`Self::decode`] returns the same header
    /// (zeros at the end of [`Self::unknown_header_bytes`] aside).
    ///
    /// # Errors
    ///
    /// Any error of [`Self::decode`], and for values that cannot be stored:
    /// [`Error::NeedsVersion3`], [`Error::HeaderLength`],
    /// [`Error::HeaderTooLarge`], [`Error::ExtensionValue`],
    /// [`Error::EmptyBackingName`].
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        self.check_storable()?;
        let context = self.extension_context();
        let mut tail = extension::encode_area(&self.extensions, self.header_length, &context)?;
        let name = self.backing_name.as_deref().unwrap_or_default();

        let cluster_bytes = self.cluster_bits.bytes();
        let needed = [
            self.header_length.into(),
            bytes::length(&tail),
            bytes::length(name),
        ]
        .into_iter()
        .fold(0, u64::saturating_add);
        if needed > cluster_bytes {
            return Err(Error::HeaderTooLarge {
                needed,
                max: cluster_bytes,
            });
        }
        // An area that is full, or ends at the name, needs no end marker.
        let room = cluster_bytes.saturating_sub(needed);
        let marker = bytes::length(&extension::END_MARKER);
        if room >= marker {
            tail.extend_from_slice(&extension::END_MARKER);
        } else if room > 0 && name.is_empty() {
            return Err(Error::HeaderTooLarge {
                needed: needed.saturating_add(marker),
                max: cluster_bytes,
            });
        }
        let name_offset = u64::from(self.header_length).saturating_add(bytes::length(&tail));
        let mut out = self.raw(name_offset).write(&self.unknown_header_bytes);
        out.extend_from_slice(&tail);
        out.extend_from_slice(name);
        Self::decode(&out)?;
        Ok(out)
    }

    /// Returns the stored fields, with the backing name at `name_offset`.
    fn raw(&self, name_offset: u64) -> RawHeader {
        let name = self.backing_name.as_deref();
        RawHeader {
            magic: MAGIC,
            version: self.version.number(),
            backing_file_offset: name.map_or(0, |_| name_offset),
            backing_file_size: name.map_or(0, |name| u32::try_from(name.len()).unwrap_or(u32::MAX)),
            cluster_bits: self.cluster_bits.bits(),
            size: self.size,
            crypt_method: self.crypt_method.number(),
            l1_size: self.l1_entries,
            l1_table_offset: self.l1_table_offset.0,
            refcount_table_offset: self.refcount_table_offset.0,
            refcount_table_clusters: self.refcount_table_clusters,
            nb_snapshots: self.snapshot_count,
            snapshots_offset: self.snapshots_offset.0,
            incompatible_features: self.incompatible.bits(),
            compatible_features: self.compatible.bits(),
            autoclear_features: self.autoclear.bits(),
            refcount_order: self.refcount_order.order(),
            header_length: self.header_length,
            compression_type: self.compression_type.number(),
        }
    }

    /// Returns what is needed to decode extensions.
    fn extension_context(&self) -> ExtensionContext {
        ExtensionContext {
            geometry: self.geometry(),
            size: self.size,
            crypt_method: self.crypt_method,
            bitmaps_valid: self.autoclear.contains(AutoclearFeatures::BITMAPS),
        }
    }

    /// Refuses incompatible features that are not among `supported`.
    ///
    /// # Errors
    ///
    /// [`Error::Features`] with their names: from the image's own feature name
    /// table, else from the specification, else "bit N".
    pub fn check_features(&self, supported: IncompatibleFeatures) -> Result<(), Error> {
        let missing = self.incompatible.difference(supported);
        if missing.is_empty() {
            return Ok(());
        }
        let tables = self
            .extensions
            .iter()
            .filter_map(|extension| match extension {
                Extension::FeatureNames(names) => Some(names.as_slice()),
                _ => None,
            });
        Err(Error::Features {
            names: incompatible_names(missing, &tables.flatten()),
        })
    }

    /// Returns the exact length of the disk in bytes, if [`Self::size`] was rounded up to
    /// a multiple of 512 and [`Extension::ExactSize`] records it.
    #[must_use]
    pub fn exact_size(&self) -> Option<u64> {
        self.extensions
            .iter()
            .find_map(|extension| match extension {
                Extension::ExactSize(size) => Some(*size),
                _ => None,
            })
    }

    /// Returns the unit of allocation, in bytes, if [`Extension::ExactAllocation`] declares
    /// that the image describes only what is allocated.
    #[must_use]
    pub fn exact_allocation_unit_bytes(&self) -> Option<u32> {
        self.extensions
            .iter()
            .find_map(|extension| match extension {
                Extension::ExactAllocation { unit_bytes } => Some(*unit_bytes),
                _ => None,
            })
    }

    /// Returns the cluster size and the kind of L2 entries.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        Geometry {
            cluster_bits: self.cluster_bits,
            extended_l2: self
                .incompatible
                .contains(IncompatibleFeatures::EXTENDED_L2),
        }
    }

    /// Returns what is needed to decode L2 entries.
    #[must_use]
    pub fn entry_context(&self) -> EntryContext {
        EntryContext {
            cluster_bits: self.cluster_bits,
            version: self.version,
            external_data_file: self
                .incompatible
                .contains(IncompatibleFeatures::EXTERNAL_DATA_FILE),
        }
    }

    /// Returns the bytes of one L2 entry: 8, or 16 with extended L2 entries.
    #[must_use]
    pub fn l2_entry_bytes(&self) -> u64 {
        self.geometry().l2_entry_bytes()
    }
}

/// Truncates `bytes` to one cluster, or fills them up with zeros.
fn whole_cluster(bytes: &[u8], cluster_bits: ClusterBits) -> Cow<'_, [u8]> {
    let length = usize::try_from(cluster_bits.bytes()).unwrap_or(usize::MAX);
    match bytes.get(..length) {
        Some(cluster) => Cow::Borrowed(cluster),
        None => {
            let mut cluster = bytes.to_vec();
            cluster.resize(length, 0);
            Cow::Owned(cluster)
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
