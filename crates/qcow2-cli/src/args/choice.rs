//! The values that options take, and their parsers.

use std::str::FromStr;

use blockio::Reflink;
use clap::ValueEnum;
use qcow2_format::header::CompressionType;
use qcow2_format::{ClusterBits, RefcountOrder, Version};
use qcow2_reader::{BackingFormat, References};
use qcow2_writer::DeflateWindow;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// Text for people
    Human,
    /// JSON for programs
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressArg {
    /// A bar on a terminal, else lines for people
    Human,
    /// JSON for programs: one object a line
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SourceFormatArg {
    /// What the name and the bytes agree on; if they do not, the source is refused
    Auto,
    /// A disk, whatever the file looks like
    Raw,
    /// A qcow2 image, whatever the file is called: the disk in it is read
    Qcow2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RawFormatArg {
    /// A disk, unless it looks like something else
    Auto,
    /// A disk, whatever it looks like
    Raw,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BlocksOutput {
    /// Text for people: one line per range, in bytes
    Human,
    /// JSON for programs
    Json,
    /// A map of the used blocks for bmaptool, without checksums
    Bmap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compat {
    /// qcow2 version 3
    #[value(name = "1.1")]
    V3,
    /// qcow2 version 2
    #[value(name = "0.10")]
    V2,
}

impl From<Compat> for Version {
    fn from(compat: Compat) -> Self {
        match compat {
            Compat::V3 => Self::V3,
            Compat::V2 => Self::V2,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ContentArg {
    /// The blocks that filesystems use; everything of a disk or partition that holds no
    /// known filesystem, or that has the signature of something else as well
    Used,
    /// The blocks that an ext filesystem uses, even if the disk has the signature of
    /// something else
    Ext,
    /// The metadata of an ext, XFS or btrfs filesystem, without the contents of files: what
    /// programs that check and repair it read. This includes file names. If the filesystem
    /// is 8 TiB or larger (512 GiB with 1 KiB blocks), only QEMU 5.2 and later read
    /// the image
    Metadata,
    /// Everything but zeros, without looking for a filesystem
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TailArg {
    /// Store them, as the filesystem itself is stored
    Keep,
    /// Leave them out: they read as zeros
    Drop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TrustArg {
    /// The block bitmaps say so and no inode refers to the block
    Inodes,
    /// The block bitmaps say so and all of them have correct checksums
    /// (metadata_csum); without checksums, the same as inodes
    Bitmaps,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DropArg {
    /// The contents of unwritten extents
    Unwritten,
    /// The blocks of a clean journal, except its superblock
    Journal,
}

/// The value of `--compress`: a codec and optionally a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompressArg {
    pub(crate) codec: Codec,
    pub(crate) level: Option<u8>,
}

/// How clusters are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    None,
    Zlib,
    Zstd,
}

impl FromStr for CompressArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level)),
            None => (text, None),
        };
        let codec = match name {
            "none" if level.is_some() => return Err("none takes no level".into()),
            "none" => Codec::None,
            "zlib" => Codec::Zlib,
            "zstd" => Codec::Zstd,
            _ => return Err("must be zlib, zstd or none".into()),
        };
        let level = level.map(str::parse).transpose();
        Ok(Self {
            codec,
            level: level.map_err(|error| format!("invalid level: {error}"))?,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeflateWindowArg {
    /// 32 KiB, the largest that deflate allows
    #[value(name = "32k")]
    Kib32,
    /// 4 KiB, as QEMU writes: for readers that support no more
    #[value(name = "4k")]
    Kib4,
}

impl From<DeflateWindowArg> for DeflateWindow {
    fn from(window: DeflateWindowArg) -> Self {
        match window {
            DeflateWindowArg::Kib32 => Self::Kib32,
            DeflateWindowArg::Kib4 => Self::Kib4,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReflinkArg {
    /// Copy everything
    Never,
    /// Share blocks if the file system can, otherwise copy
    Auto,
    /// Share blocks; fail if that is impossible
    Always,
}

impl From<ReflinkArg> for Reflink {
    fn from(reflink: ReflinkArg) -> Self {
        match reflink {
            ReflinkArg::Never => Self::Never,
            ReflinkArg::Auto => Self::Auto,
            ReflinkArg::Always => Self::Always,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReferencesArg {
    /// None
    Refuse,
    /// Those in the folder of the image or below: no absolute path, no .., no
    /// symbolic link that leads out
    Beside,
    /// Any local path
    Any,
}

impl From<ReferencesArg> for References {
    fn from(references: ReferencesArg) -> Self {
        match references {
            ReferencesArg::Refuse => Self::Refuse,
            ReferencesArg::Beside => Self::Beside,
            ReferencesArg::Any => Self::Any,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackingFormatArg {
    /// The bytes of the disk
    Raw,
    /// A qcow2 image
    Qcow2,
}

impl From<BackingFormatArg> for BackingFormat {
    fn from(format: BackingFormatArg) -> Self {
        match format {
            BackingFormatArg::Raw => Self::Raw,
            BackingFormatArg::Qcow2 => Self::Qcow2,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompressionTypeArg {
    /// Raw deflate
    Zlib,
    /// Zstandard
    Zstd,
}

impl From<CompressionTypeArg> for CompressionType {
    fn from(kind: CompressionTypeArg) -> Self {
        match kind {
            CompressionTypeArg::Zlib => Self::Deflate,
            CompressionTypeArg::Zstd => Self::Zstd,
        }
    }
}

pub(super) fn parse_cluster_size(text: &str) -> Result<ClusterBits, String> {
    ClusterBits::from_bytes(parse_size(text)?).map_err(|error| error.to_string())
}

pub(super) fn parse_block_size(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text)?;
    if bytes.is_power_of_two() && (1 << 10..=1 << 16).contains(&bytes) {
        Ok(bytes)
    } else {
        Err("must be a power of two from 1K to 64K".into())
    }
}

/// Parses a number of bytes with an optional unit.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text.get(digits.len()..).unwrap_or_default() {
        "" | "B" => 1,
        "k" | "K" | "KiB" => 1 << 10,
        "m" | "M" | "MiB" => 1 << 20,
        "g" | "G" | "GiB" => 1 << 30,
        "t" | "T" | "TiB" => 1 << 40,
        "p" | "P" | "PiB" => 1 << 50,
        other => return Err(format!("unknown unit {other:?}; use K, M, G, T or P")),
    };
    let count: u64 = digits.parse().map_err(|error| format!("{error}"))?;
    let bytes = count.checked_mul(unit);
    Ok(bytes.ok_or("the number is too large")?)
}

pub(super) fn parse_refcount_bits(text: &str) -> Result<RefcountOrder, String> {
    let bits: u32 = text.parse().map_err(|error| format!("{error}"))?;
    RefcountOrder::from_bits(bits).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_read_with_their_levels() {
        for (text, codec, level) in [
            ("none", Codec::None, None),
            ("zlib", Codec::Zlib, None),
            ("zlib:12", Codec::Zlib, Some(12)),
            ("zstd:0", Codec::Zstd, Some(0)),
        ] {
            assert_eq!(text.parse(), Ok(CompressArg { codec, level }), "{text}");
        }
        for text in [
            "", "none:1", "lz4", "zlib:", "zlib:x", "zstd:256", "zstd:-1",
        ] {
            assert!(text.parse::<CompressArg>().is_err(), "{text}");
        }
    }

    #[test]
    fn cluster_sizes_are_read_with_their_units() {
        for (text, bits) in [
            ("512", 9),
            ("4K", 12),
            ("64k", 16),
            ("64KiB", 16),
            ("2M", 21),
        ] {
            assert_eq!(
                parse_cluster_size(text).map(ClusterBits::bits),
                Ok(bits),
                "{text}"
            );
        }
        for text in [
            "",
            "K",
            "3K",
            "256",
            "4M",
            "64G",
            "-1",
            "99999999999999999999",
            "20000000000000M",
        ] {
            assert!(parse_cluster_size(text).is_err(), "{text}");
        }
    }
}
