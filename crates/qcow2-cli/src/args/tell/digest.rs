//! The options of `digest`.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use disk_compare::Algorithm;

use crate::args::choice::{SourceFormatArg, parse_size};
use crate::args::common::RunArgs;
use crate::args::image::ImageArgs;
use crate::args::input::{InputArgs, name_of};

/// Print the digest of a disk, or of the disk in a qcow2 image.
///
/// It is the digest of the digests of the disk's blocks, which costs as much as the disk
/// holds data: the same for the same bytes, whatever image they are in, and how ever large
/// its clusters. oVirt computes the same. docs/digest.md describes it. With --whole, it is
/// that of all bytes in a row, as sha256sum prints it.
#[derive(Args, Debug)]
pub(crate) struct DigestArgs {
    /// Disk, partition, disk image file or qcow2 image to read, or - for standard input
    pub(crate) source: PathBuf,

    /// Digest function of the blocks, and of their digests [default: blake2b; with --whole
    /// sha256]
    #[arg(long, value_name = "NAME")]
    pub(crate) algorithm: Option<AlgorithmArg>,

    /// Size of a block: 4K to 1G. Digests of blocks of other sizes differ
    #[arg(long, value_name = "SIZE", default_value = "4M", value_parser = parse_block, conflicts_with = "whole")]
    pub(crate) block_size: NonZeroU32,

    /// Print the SHA-256 of all bytes of the disk in a row, zeros included: it takes as long
    /// as the disk is long
    #[arg(long)]
    pub(crate) whole: bool,

    /// Format of the source, as with pack
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(crate) source_format: SourceFormatArg,

    /// Read a disk that may be in use, and may change meanwhile
    #[arg(long)]
    pub(crate) allow_mounted: bool,

    #[command(flatten)]
    pub(crate) reading: ImageArgs,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// A digest function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AlgorithmArg {
    /// BLAKE2b with a digest of 256 bits
    Blake2b,
    /// SHA-256
    Sha256,
}

impl From<AlgorithmArg> for Algorithm {
    fn from(algorithm: AlgorithmArg) -> Self {
        match algorithm {
            AlgorithmArg::Blake2b => Self::Blake2b,
            AlgorithmArg::Sha256 => Self::Sha256,
        }
    }
}

impl DigestArgs {
    /// Returns the name of the source for messages.
    pub(crate) fn source_name(&self) -> &Path {
        name_of(&self.source)
    }
}

/// Parses the size of a block in bytes.
fn parse_block(text: &str) -> Result<NonZeroU32, String> {
    let bytes = parse_size(text)?;
    let fits = (4 << 10..=1 << 30).contains(&bytes);
    let bytes = u32::try_from(bytes).ok().and_then(NonZeroU32::new);
    bytes
        .filter(|_| fits)
        .ok_or_else(|| "must be from 4K to 1G".into())
}
