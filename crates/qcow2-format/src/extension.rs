//! Header extensions. Spec: "Header extensions".

use alloc::vec::Vec;

use crate::bytes::{self, Front, pad_to_8, put_u32, put_u64, u32_at, u64_at};
use crate::feature::FeatureName;
use crate::header::CryptMethod;
use crate::limits::{BACKING_FORMAT_BYTES_MAX, BITMAP_DIRECTORY_BYTES_MAX, BITMAPS_MAX};
use crate::rule::{at_most, table_at};
use crate::{ClusterBits, Error, Geometry, HostOffset};

/// Extension type of [`Extension::BackingFormat`].
pub const BACKING_FORMAT_EXTENSION: u32 = 0xe279_2aca;
/// Extension type of [`Extension::DataFile`]: "DATA".
pub const DATA_FILE_EXTENSION: u32 = 0x4441_5441;
/// Extension type of [`Extension::Luks`].
pub const LUKS_EXTENSION: u32 = 0x0537_be77;
/// Extension type of [`Extension::FeatureNames`].
pub const FEATURE_NAMES_EXTENSION: u32 = 0x6803_f857;
/// Extension type of [`Extension::Bitmaps`].
pub const BITMAPS_EXTENSION: u32 = 0x2385_2875;
/// Extension type of [`Extension::ExactSize`]: "Q2LN". Ours, not the
/// specification's: the exact disk length in bytes, 8 bytes big endian.
pub const EXACT_SIZE_EXTENSION: u32 = 0x5132_4c4e;
/// Extension type of [`Extension::ExactAllocation`]: "Q2AL". Ours, not the
/// specification's: a version, 1, and the unit of allocation in bytes, 4 bytes
/// big endian each.
pub const EXACT_ALLOCATION_EXTENSION: u32 = 0x5132_414c;

/// The only version of [`Extension::ExactAllocation`].
const EXACT_ALLOCATION_VERSION: u32 = 1;

const END: u32 = 0;
/// The extension that ends the area: type 0, length 0.
pub(crate) const END_MARKER: [u8; 8] = [0; 8];
/// Type and length in front of the data.
const PREFIX_BYTES: u64 = 8;

/// A header extension.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Extension {
    /// Format of the backing file: at most 15 bytes of the image's own text.
    BackingFormat(Vec<u8>),
    /// Name of the external data file: the image's own text.
    DataFile(Vec<u8>),
    /// The location of the LUKS header.
    Luks(LuksHeader),
    /// Names of feature bits.
    FeatureNames(Vec<FeatureName>),
    /// The location of the bitmap directory.
    Bitmaps(BitmapsExtension),
    /// The exact length of the disk in bytes: less than 512 below the size in
    /// the header, which is rounded up.
    ExactSize(u64),
    /// The image describes only the guest bytes that are allocated, including zeros, and
    /// says nothing about the others.
    ExactAllocation {
        /// The unit of allocation, in bytes:
        /// [`unit_bytes`](Geometry::unit_bytes) of the image.
        unit_bytes: u32,
    },
    /// An unknown extension, or one whose content has no meaning here.
    Unknown {
        /// The extension type, not 0.
        kind: u32,
        /// Its data without padding.
        data: Vec<u8>,
    },
}

/// The location of the LUKS header. Spec: "Full disk encryption header pointer".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LuksHeader {
    /// Its offset, cluster aligned.
    pub offset: HostOffset,
    /// Its length, in bytes.
    pub length: u64,
}

/// The location of the bitmap directory. Spec: "Bitmaps extension". Consistent with
/// the disk only while [`crate::feature::AutoclearFeatures::BITMAPS`] is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BitmapsExtension {
    /// Bitmaps in the directory: 1 to [`BITMAPS_MAX`].
    pub count: u32,
    /// Bytes of the directory, at most [`BITMAP_DIRECTORY_BYTES_MAX`].
    pub directory_bytes: u64,
    /// Offset of the directory, cluster aligned.
    pub directory_offset: HostOffset,
}

/// Properties of the header that extensions depend on.
pub(crate) struct ExtensionContext {
    pub(crate) geometry: Geometry,
    pub(crate) size: u64,
    pub(crate) crypt_method: CryptMethod,
    /// Whether the autoclear bit marks the bitmaps extension as valid.
    pub(crate) bitmaps_valid: bool,
}

/// Returns the extensions from byte `start` to the end of `front`, the part of cluster
/// 0 that may hold extensions.
pub(crate) fn decode_area(
    front: &[u8],
    start: u32,
    context: &ExtensionContext,
) -> Result<Vec<Extension>, Error> {
    let area_end = bytes::length(front);
    let mut rest = Front(front);
    rest.skip(start.into());
    let mut extensions = Vec::new();
    while !rest.0.is_empty() {
        let at = area_end.saturating_sub(bytes::length(rest.0));
        let prefix = rest.0;
        let (kind, found) = (u32_at(prefix, 0), u64::from(u32_at(prefix, 4)));
        rest.skip(PREFIX_BYTES);
        let max = bytes::length(rest.0);
        let whole_prefix = bytes::length(prefix) >= PREFIX_BYTES;
        let data = rest.take(found).filter(|_| whole_prefix);
        let data = data.ok_or(Error::ExtensionTooLarge {
            kind,
            at,
            found,
            max,
        })?;
        if kind == END {
            break;
        }
        rest.skip(found.next_multiple_of(8).saturating_sub(found));
        extensions.push(Extension::decode(kind, data, at, context)?);
    }
    let has_luks = extensions
        .iter()
        .any(|extension| matches!(extension, Extension::Luks(_)));
    if context.crypt_method == CryptMethod::Luks && !has_luks {
        return Err(Error::LuksMissing);
    }
    Ok(extensions)
}

/// Returns the bytes of `extensions`, each padded, without an end marker, for an area
/// that starts at byte `start`.
pub(crate) fn encode_area(
    extensions: &[Extension],
    start: u32,
    context: &ExtensionContext,
) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    for extension in extensions {
        let at = u64::from(start).saturating_add(bytes::length(&out));
        let (kind, data) = extension.encode();
        let readable = kind != END && Extension::decode(kind, &data, at, context)? == *extension;
        let length = u32::try_from(data.len()).ok().filter(|_| readable);
        put_u32(&mut out, kind);
        put_u32(&mut out, length.ok_or(Error::ExtensionValue { kind, at })?);
        out.extend_from_slice(&data);
        pad_to_8(&mut out);
    }
    Ok(out)
}

impl Extension {
    /// Returns the extension of type `kind` that starts at byte `at` of the file.
    fn decode(kind: u32, data: &[u8], at: u64, context: &ExtensionContext) -> Result<Self, Error> {
        Ok(match kind {
            BACKING_FORMAT_EXTENSION => {
                let found = bytes::length(data);
                if found > BACKING_FORMAT_BYTES_MAX {
                    return Err(Error::ExtensionTooLarge {
                        kind,
                        at,
                        found,
                        max: BACKING_FORMAT_BYTES_MAX,
                    });
                }
                Self::BackingFormat(data.to_vec())
            }
            DATA_FILE_EXTENSION => Self::DataFile(data.to_vec()),
            LUKS_EXTENSION => Self::Luks(LuksHeader::decode(data, at, context)?),
            FEATURE_NAMES_EXTENSION => Self::FeatureNames(FeatureName::decode_table(data)),
            BITMAPS_EXTENSION => BitmapsExtension::decode(data, at, context)?
                .map_or_else(|| Self::unknown(kind, data), Self::Bitmaps),
            EXACT_SIZE_EXTENSION => exact_size(data, context.size)
                .map_or_else(|| Self::unknown(kind, data), Self::ExactSize),
            EXACT_ALLOCATION_EXTENSION => exact_allocation(data, context.geometry)
                .unwrap_or_else(|| Self::unknown(kind, data)),
            _ => Self::unknown(kind, data),
        })
    }

    fn unknown(kind: u32, data: &[u8]) -> Self {
        Self::Unknown {
            kind,
            data: data.to_vec(),
        }
    }

    /// Returns the type and the data.
    fn encode(&self) -> (u32, Vec<u8>) {
        let mut data = Vec::new();
        let kind = match self {
            Self::BackingFormat(name) => {
                data.extend_from_slice(name);
                BACKING_FORMAT_EXTENSION
            }
            Self::DataFile(name) => {
                data.extend_from_slice(name);
                DATA_FILE_EXTENSION
            }
            Self::Luks(header) => {
                put_u64(&mut data, header.offset.0);
                put_u64(&mut data, header.length);
                LUKS_EXTENSION
            }
            Self::FeatureNames(names) => {
                names.iter().for_each(|name| name.encode(&mut data));
                FEATURE_NAMES_EXTENSION
            }
            Self::Bitmaps(bitmaps) => {
                put_u32(&mut data, bitmaps.count);
                put_u32(&mut data, 0);
                put_u64(&mut data, bitmaps.directory_bytes);
                put_u64(&mut data, bitmaps.directory_offset.0);
                BITMAPS_EXTENSION
            }
            Self::ExactSize(size) => {
                put_u64(&mut data, *size);
                EXACT_SIZE_EXTENSION
            }
            Self::ExactAllocation { unit_bytes } => {
                put_u32(&mut data, EXACT_ALLOCATION_VERSION);
                put_u32(&mut data, *unit_bytes);
                EXACT_ALLOCATION_EXTENSION
            }
            Self::Unknown {
                kind,
                data: unknown,
            } => {
                data.extend_from_slice(unknown);
                *kind
            }
        };
        (kind, data)
    }
}

/// Returns the data of our extension, unless it does not belong to a disk of `size`
/// bytes: the disk was resized, or another program wrote the extension.
fn exact_size(data: &[u8], size: u64) -> Option<u64> {
    let exact = (data.len() == 8).then(|| u64_at(data, 0))?;
    size.checked_sub(exact)
        .filter(|&rounded_by| rounded_by < 512)
        .map(|_| exact)
}

/// Returns the extension that marks an exact allocation, unless its version is unknown
/// or its unit is not that of the image, because another program wrote it.
fn exact_allocation(data: &[u8], geometry: Geometry) -> Option<Extension> {
    let (version, unit_bytes) = (u32_at(data, 0), u32_at(data, 4));
    let fits = data.len() == 8
        && version == EXACT_ALLOCATION_VERSION
        && u64::from(unit_bytes) == geometry.unit_bytes();
    fits.then_some(Extension::ExactAllocation { unit_bytes })
}

/// Returns the position in the file of byte `offset` of the data of the extension at
/// `at`.
fn data_at(at: u64, offset: u64) -> u64 {
    at.saturating_add(PREFIX_BYTES).saturating_add(offset)
}

fn has_length(kind: u32, data: &[u8], at: u64, allowed: u64) -> Result<(), Error> {
    let found = bytes::length(data);
    if found == allowed {
        Ok(())
    } else {
        Err(Error::ExtensionLength {
            kind,
            at,
            found,
            allowed,
        })
    }
}

impl LuksHeader {
    fn decode(data: &[u8], at: u64, context: &ExtensionContext) -> Result<Self, Error> {
        if context.crypt_method != CryptMethod::Luks {
            return Err(Error::LuksUnexpected {
                at,
                crypt_method: context.crypt_method.number(),
            });
        }
        has_length(LUKS_EXTENSION, data, at, 16)?;
        let header = Self {
            offset: HostOffset(u64_at(data, 0)),
            length: u64_at(data, 8),
        };
        table_at(
            "LUKS extension field offset",
            data_at(at, 0),
            header.offset.0,
            header.length,
            context.geometry.cluster_bits,
        )?;
        Ok(header)
    }
}

impl BitmapsExtension {
    /// Returns the extension, or `None` if its fields are wrong and the autoclear bit
    /// is clear, which means that it is stale.
    fn decode(data: &[u8], at: u64, context: &ExtensionContext) -> Result<Option<Self>, Error> {
        has_length(BITMAPS_EXTENSION, data, at, 24)?;
        match Self::decode_fields(data, at, context.geometry.cluster_bits) {
            Err(_) if !context.bitmaps_valid => Ok(None),
            decoded => decoded.map(Some),
        }
    }

    fn decode_fields(data: &[u8], at: u64, cluster_bits: ClusterBits) -> Result<Self, Error> {
        let extension = Self {
            count: u32_at(data, 0),
            directory_bytes: u64_at(data, 8),
            directory_offset: HostOffset(u64_at(data, 16)),
        };
        let reserved = u32_at(data, 4);
        if reserved != 0 {
            return Err(Error::BitmapsReserved {
                at: data_at(at, 4),
                found: reserved,
            });
        }
        if extension.count == 0 {
            return Err(Error::NoBitmaps { at: data_at(at, 0) });
        }
        at_most(
            "bitmaps extension field nb_bitmaps",
            data_at(at, 0),
            extension.count.into(),
            BITMAPS_MAX.into(),
        )?;
        at_most(
            "bitmaps extension field bitmap_directory_size",
            data_at(at, 8),
            extension.directory_bytes,
            BITMAP_DIRECTORY_BYTES_MAX,
        )?;
        table_at(
            "bitmaps extension field bitmap_directory_offset",
            data_at(at, 16),
            extension.directory_offset.0,
            extension.directory_bytes,
            cluster_bits,
        )?;
        Ok(extension)
    }
}

#[cfg(test)]
mod tests;
