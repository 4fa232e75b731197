//! The facts of an image, under qemu-img's names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use blockio::ReadAt;
use hostdisk::Disk;
use qcow2_format::bitmap::BitmapDirectoryEntry;
use qcow2_format::extension::Extension;
use qcow2_format::feature::{AutoclearFeatures, CompatibleFeatures, IncompatibleFeatures};
use qcow2_format::header::{CompressionType, CryptMethod};
use qcow2_format::{Header, Version};
use serde::Serialize;

use super::encryption::Encryption;
use super::layout::OnDisk;
use super::tables::{BitmapFacts, SnapshotFacts};
use crate::text::Foreign;

/// The fields of `qemu-img info --output=json`, under its names.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Info {
    pub(super) children: [Child; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) backing_filename_format: Option<Foreign>,
    pub(super) virtual_size: u64,
    pub(super) filename: Foreign,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cluster_size: Option<u64>,
    pub(super) format: &'static str,
    pub(super) actual_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encrypted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format_specific: Option<FormatSpecific<ImageFacts>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) snapshots: Vec<SnapshotFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) full_backing_filename: Option<Foreign>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) backing_filename: Option<Foreign>,
    pub(super) dirty_flag: bool,
    /// Ours: what a marked image is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<Content>,
    /// Ours: what is on the disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) disk: Option<OnDisk>,
}

/// What an image is about, where it is not the whole disk.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Content {
    pub(super) kind: &'static str,
    pub(super) block_size: u32,
}

#[derive(Debug, Serialize)]
pub(super) struct Child {
    pub(super) name: &'static str,
    pub(super) info: FileInfo,
}

/// The file that holds the image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct FileInfo {
    pub(super) children: [(); 0],
    pub(super) virtual_size: u64,
    pub(super) filename: Foreign,
    pub(super) format: &'static str,
    pub(super) actual_size: u64,
    pub(super) format_specific: FormatSpecific<Nothing>,
    pub(super) dirty_flag: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct FormatSpecific<D> {
    pub(super) r#type: &'static str,
    pub(super) data: D,
}

#[derive(Debug, Serialize)]
pub(super) struct Nothing {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ImageFacts {
    pub(super) compat: &'static str,
    pub(super) compression_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lazy_refcounts: Option<bool>,
    pub(super) refcount_bits: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) corrupt: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extended_l2: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data_file: Option<Foreign>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data_file_raw: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) bitmaps: Vec<BitmapFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encrypt: Option<Encryption>,
}

impl Info {
    /// What the image on `disk` is. One that needs features nobody here knows may
    /// be anything.
    pub(super) fn new(disk: &Disk) -> Result<Self, qcow2_reader::ImageError> {
        let header = qcow2_reader::read_header(disk)?;
        header.check_features(IncompatibleFeatures::all())?;
        let snapshots = qcow2_reader::read_snapshots(disk, &header)?;
        let bitmaps = qcow2_reader::read_bitmaps(disk, &header)?;
        let luks = qcow2_reader::read_luks(disk, &header)?;
        let aes = (header.crypt_method == CryptMethod::Aes).then(Encryption::aes);
        let encrypt = aes.or_else(|| luks.as_ref().map(Encryption::luks));
        let backing = qcow2_reader::backing_file_of(&header, 0);
        let full_name = |name| full_name(disk.path(), name);
        Ok(Self {
            virtual_size: header.exact_size().unwrap_or(header.size),
            cluster_size: Some(header.cluster_bits.bytes()),
            format: "qcow2",
            encrypted: encrypt.is_some().then_some(true),
            format_specific: Some(FormatSpecific {
                r#type: "qcow2",
                data: ImageFacts::new(&header, &bitmaps, encrypt),
            }),
            snapshots: snapshots.iter().map(SnapshotFacts::new).collect(),
            backing_filename_format: backing.and_then(|backing| backing.format).map(Foreign::new),
            full_backing_filename: backing.and_then(|backing| backing.name).map(full_name),
            backing_filename: backing.and_then(|backing| backing.name).map(Foreign::new),
            dirty_flag: header.incompatible.contains(IncompatibleFeatures::DIRTY),
            content: header
                .exact_allocation_unit_bytes()
                .map(|block_size| Content {
                    kind: "metadata-only",
                    block_size,
                }),
            ..Self::raw(disk)
        })
    }

    /// What `disk` is where it is nothing but a disk.
    pub(super) fn raw(disk: &Disk) -> Self {
        let metadata = disk.file().metadata().ok();
        let actual_size = metadata.map_or(0, |metadata| metadata.blocks().saturating_mul(512));
        let filename = || Foreign::new(disk.path().as_os_str().as_bytes());
        // As qemu-img: in whole sectors.
        let virtual_size = disk.size().next_multiple_of(512);
        Self {
            children: [Child {
                name: "file",
                info: FileInfo {
                    children: [],
                    virtual_size,
                    filename: filename(),
                    format: "file",
                    actual_size,
                    format_specific: FormatSpecific {
                        r#type: "file",
                        data: Nothing {},
                    },
                    dirty_flag: false,
                },
            }],
            backing_filename_format: None,
            virtual_size,
            filename: filename(),
            cluster_size: None,
            format: "raw",
            actual_size,
            encrypted: None,
            format_specific: None,
            snapshots: Vec::new(),
            full_backing_filename: None,
            backing_filename: None,
            dirty_flag: false,
            content: None,
            disk: None,
        }
    }
}

/// The path that the image at `image` means by `name`: relative to its folder.
fn full_name(image: &Path, name: &[u8]) -> Foreign {
    let folder = image.parent().unwrap_or(Path::new(""));
    if qcow2_reader::has_protocol(name) {
        return Foreign::new(name);
    }
    let path = folder.join(OsStr::from_bytes(name));
    Foreign::new(path.as_os_str().as_bytes())
}

impl ImageFacts {
    fn new(header: &Header, bitmaps: &[BitmapDirectoryEntry], encrypt: Option<Encryption>) -> Self {
        let v3 = header.version == Version::V3;
        let has = |feature| header.incompatible.contains(feature);
        let data_file = header
            .extensions
            .iter()
            .find_map(|extension| match extension {
                Extension::DataFile(name) => Some(Foreign::new(name)),
                _ => None,
            });
        Self {
            compat: compat_name(header.version),
            compression_type: match header.compression_type {
                CompressionType::Deflate => "zlib",
                CompressionType::Zstd => "zstd",
            },
            lazy_refcounts: v3.then(|| {
                header
                    .compatible
                    .contains(CompatibleFeatures::LAZY_REFCOUNTS)
            }),
            refcount_bits: header.refcount_order.bits(),
            corrupt: v3.then(|| has(IncompatibleFeatures::CORRUPT)),
            extended_l2: v3.then(|| has(IncompatibleFeatures::EXTENDED_L2)),
            data_file,
            data_file_raw: has(IncompatibleFeatures::EXTERNAL_DATA_FILE).then(|| {
                header
                    .autoclear
                    .contains(AutoclearFeatures::RAW_EXTERNAL_DATA)
            }),
            bitmaps: bitmaps.iter().map(BitmapFacts::new).collect(),
            encrypt,
        }
    }
}

/// The name of a version of the format in options and reports.
pub(crate) fn compat_name(version: Version) -> &'static str {
    match version {
        Version::V2 => "0.10",
        Version::V3 => "1.1",
    }
}
