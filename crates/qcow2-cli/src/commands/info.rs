//! `qcow2 info`: what an image is, in qemu-img's shape.

mod tables;

use std::fmt::{self, Display};
use std::os::unix::fs::MetadataExt;

use blockio::{Disk, ReadAt};
use qcow2_format::bitmap::BitmapDirectoryEntry;
use qcow2_format::extension::Extension;
use qcow2_format::feature::{AutoclearFeatures, CompatibleFeatures, IncompatibleFeatures};
use qcow2_format::header::{CompressionType, CryptMethod};
use qcow2_format::{Header, Version};
use serde::Serialize;

use crate::args::InfoArgs;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Bytes, escaped};

use tables::{BitmapFacts, SnapshotFacts};

/// Reads the header of an image and the tables beside its disk, and prints what
/// they say. Opens nothing else.
pub(crate) fn run(args: &InfoArgs) -> Result<Outcome, Failure> {
    let disk = Disk::open(&args.image)?;
    let report = Info::new(&args.image.display().to_string(), &disk)
        .map_err(|error| Failure::about(&args.image, &error))?;
    output::print(&report, args.output.output, false)?;
    Ok(Outcome::Done)
}

/// The fields of `qemu-img info --output=json`, under its names.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Info {
    children: [Child; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    backing_filename_format: Option<String>,
    virtual_size: u64,
    filename: String,
    cluster_size: u64,
    format: &'static str,
    actual_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted: Option<bool>,
    format_specific: FormatSpecific<ImageFacts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    snapshots: Vec<SnapshotFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backing_filename: Option<String>,
    dirty_flag: bool,
}

#[derive(Debug, Serialize)]
struct Child {
    name: &'static str,
    info: FileInfo,
}

/// The file that holds the image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct FileInfo {
    children: [(); 0],
    virtual_size: u64,
    filename: String,
    format: &'static str,
    actual_size: u64,
    format_specific: FormatSpecific<Nothing>,
    dirty_flag: bool,
}

#[derive(Debug, Serialize)]
struct FormatSpecific<D> {
    r#type: &'static str,
    data: D,
}

#[derive(Debug, Serialize)]
struct Nothing {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct ImageFacts {
    compat: &'static str,
    compression_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lazy_refcounts: Option<bool>,
    refcount_bits: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    corrupt: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extended_l2: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_file_raw: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bitmaps: Vec<BitmapFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypt: Option<Encryption>,
}

#[derive(Debug, Serialize)]
struct Encryption {
    format: &'static str,
}

impl Info {
    fn new(filename: &str, disk: &Disk) -> Result<Self, qcow2_reader::Error> {
        let header = qcow2_reader::read_header(disk)?;
        let snapshots = qcow2_reader::read_snapshots(disk, &header)?;
        let bitmaps = qcow2_reader::read_bitmaps(disk, &header)?;
        let metadata = disk.as_file().and_then(|file| file.metadata().ok());
        let actual_size = metadata.map_or(0, |metadata| metadata.blocks().saturating_mul(512));
        let encrypt = match header.crypt_method {
            CryptMethod::None => None,
            CryptMethod::Aes => Some(Encryption { format: "aes" }),
            CryptMethod::Luks => Some(Encryption { format: "luks" }),
        };
        Ok(Self {
            children: [Child {
                name: "file",
                info: FileInfo {
                    children: [],
                    // As qemu-img: in whole sectors.
                    virtual_size: disk.size().next_multiple_of(512),
                    filename: filename.to_owned(),
                    format: "file",
                    actual_size,
                    format_specific: FormatSpecific {
                        r#type: "file",
                        data: Nothing {},
                    },
                    dirty_flag: false,
                },
            }],
            backing_filename_format: header.extensions.iter().find_map(
                |extension| match extension {
                    Extension::BackingFormat(name) => Some(escaped(name)),
                    _ => None,
                },
            ),
            virtual_size: header.exact_size().unwrap_or(header.size),
            filename: filename.to_owned(),
            cluster_size: header.cluster_bits.bytes(),
            format: "qcow2",
            actual_size,
            encrypted: encrypt.is_some().then_some(true),
            format_specific: FormatSpecific {
                r#type: "qcow2",
                data: ImageFacts::new(&header, &bitmaps, encrypt),
            },
            snapshots: snapshots.iter().map(SnapshotFacts::new).collect(),
            backing_filename: header.backing_name.as_deref().map(escaped),
            dirty_flag: header.incompatible.contains(IncompatibleFeatures::DIRTY),
        })
    }
}

impl ImageFacts {
    fn new(header: &Header, bitmaps: &[BitmapDirectoryEntry], encrypt: Option<Encryption>) -> Self {
        let v3 = header.version == Version::V3;
        let has = |feature| header.incompatible.contains(feature);
        let data_file = header
            .extensions
            .iter()
            .find_map(|extension| match extension {
                Extension::DataFile(name) => Some(escaped(name)),
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

impl Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = &self.format_specific.data;
        writeln!(f, "image: {}", self.filename)?;
        writeln!(f, "file format: {}", self.format)?;
        writeln!(
            f,
            "virtual size: {} ({} bytes)",
            Bytes(self.virtual_size),
            self.virtual_size
        )?;
        writeln!(f, "disk size: {}", Bytes(self.actual_size))?;
        if self.encrypted == Some(true) {
            writeln!(f, "encrypted: yes")?;
        }
        writeln!(f, "cluster_size: {}", self.cluster_size)?;
        if let Some(name) = &self.backing_filename {
            writeln!(f, "backing file: {name}")?;
        }
        if let Some(name) = &self.backing_filename_format {
            writeln!(f, "backing file format: {name}")?;
        }
        if !self.snapshots.is_empty() {
            writeln!(f, "Snapshot list:")?;
        }
        for snapshot in &self.snapshots {
            writeln!(f, "    {snapshot}")?;
        }
        writeln!(f, "Format specific information:")?;
        writeln!(f, "    compat: {}", facts.compat)?;
        writeln!(f, "    compression type: {}", facts.compression_type)?;
        if let Some(lazy) = facts.lazy_refcounts {
            writeln!(f, "    lazy refcounts: {lazy}")?;
        }
        for bitmap in &facts.bitmaps {
            writeln!(f, "    bitmap: {bitmap}")?;
        }
        writeln!(f, "    refcount bits: {}", facts.refcount_bits)?;
        if let Some(name) = &facts.data_file {
            writeln!(f, "    data file: {name}")?;
        }
        if let Some(raw) = facts.data_file_raw {
            writeln!(f, "    data file raw: {raw}")?;
        }
        if let Some(encryption) = &facts.encrypt {
            writeln!(f, "    encrypt format: {}", encryption.format)?;
        }
        if let Some(corrupt) = facts.corrupt {
            writeln!(f, "    corrupt: {corrupt}")?;
        }
        if let Some(extended) = facts.extended_l2 {
            writeln!(f, "    extended l2: {extended}")?;
        }
        let [Child { info, .. }] = &self.children;
        writeln!(f, "Child node '/file':")?;
        writeln!(f, "    filename: {}", info.filename)?;
        writeln!(f, "    protocol type: file")?;
        writeln!(
            f,
            "    file length: {} ({} bytes)",
            Bytes(info.virtual_size),
            info.virtual_size
        )?;
        writeln!(f, "    disk size: {}", Bytes(info.actual_size))
    }
}
