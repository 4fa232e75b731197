//! What an option may be.

use std::str::FromStr;

use blockio::Reflink;
use clap::ValueEnum;
use qcow2_format::{ClusterBits, RefcountOrder, Version};
use qcow2_reader::{BackingFormat, References};
use qcow2_writer::DeflateWindow;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people
    Human,
    /// For programs
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SourceFormatArg {
    /// A disk; what looks like something else is refused
    Auto,
    /// A disk, whatever it looks like
    Raw,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BlocksOutput {
    /// For people: a line a range, in bytes
    Human,
    /// For programs
    Json,
    /// A block map of what is in use, as bmaptool reads it, without checksums
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
    /// The blocks an ext filesystem uses; everything where there is none or
    /// something else claims the disk as well
    Used,
    /// The blocks an ext filesystem uses, though something else claims the disk
    Ext,
    /// The metadata of an ext filesystem, without the contents of files: what
    /// e2fsck, debugfs and dumpe2fs look at. File names are part of it. From 8 TiB
    /// on (512 GiB with blocks of 1 KiB) only QEMU reads the image, from 5.2 on
    Metadata,
    /// Everything but zeros, without looking for a filesystem
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TailArg {
    /// Stored like the filesystem
    Keep,
    /// Left out: they read as zeros
    Drop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TrustArg {
    /// The block bitmaps, and that no inode refers to the block
    Inodes,
    /// The block bitmaps alone, where all of them have checksums that are right
    /// (metadata_csum); elsewhere the inodes, too
    Bitmaps,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DropArg {
    /// The contents of unwritten extents
    Unwritten,
    /// The body of a clean journal
    Journal,
}

/// `--compress`: a codec, and its level where one is asked for.
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
            "none" if level.is_some() => return Err("none has no level".into()),
            "none" => Codec::None,
            "zlib" => Codec::Zlib,
            "zstd" => Codec::Zstd,
            _ => return Err("zlib, zstd or none".into()),
        };
        let level = level.map(str::parse).transpose();
        Ok(Self {
            codec,
            level: level.map_err(|error| format!("the level: {error}"))?,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeflateWindowArg {
    /// 32 KiB, the most that deflate has
    #[value(name = "32k")]
    Kib32,
    /// 4 KiB, as QEMU writes: for readers that hold no more
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
    /// Read and write everything
    Never,
    /// Share where the file system can
    Auto,
    /// Share, or fail
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
    /// Those in the folder of the image and beneath: no absolute path, no .., no
    /// symbolic link out
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
    /// The disk as it is
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

pub(super) fn parse_cluster_size(text: &str) -> Result<ClusterBits, String> {
    ClusterBits::from_bytes(parse_size(text)?).map_err(|error| error.to_string())
}

pub(super) fn parse_block_size(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text)?;
    if bytes.is_power_of_two() && (1 << 10..=1 << 16).contains(&bytes) {
        Ok(bytes)
    } else {
        Err("a power of two from 1K to 64K".into())
    }
}

/// A number of bytes, with a unit.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text.get(digits.len()..).unwrap_or_default() {
        "" | "B" => 1,
        "k" | "K" | "KiB" => 1 << 10,
        "m" | "M" | "MiB" => 1 << 20,
        "g" | "G" | "GiB" => 1 << 30,
        "t" | "T" | "TiB" => 1 << 40,
        "p" | "P" | "PiB" => 1 << 50,
        other => return Err(format!("unknown unit {other:?}: K, M, G, T or P")),
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
