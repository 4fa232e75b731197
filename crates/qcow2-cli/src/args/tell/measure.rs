//! The options of `measure`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use qcow2_format::{ClusterBits, RefcountOrder};

use crate::args::choice::{
    Compat, CompressArg, DeflateWindowArg, parse_cluster_size, parse_refcount_bits, parse_size,
};
use crate::args::common::RunArgs;
use crate::args::filesystem::FilesystemArgs;
use crate::args::input::{InputArgs, name_of};
use crate::args::source::SourceArgs;

/// Say how large the image of a disk would be.
///
/// It is the length in bytes of the image that pack writes with the same options, found
/// without writing it: the source is read. Compressed, a large disk is sampled, and the
/// length is an estimate with its error.
#[derive(Args, Debug)]
pub(crate) struct MeasureArgs {
    /// Disk, partition, disk image file or qcow2 image to read, or - for standard input
    #[arg(required_unless_present = "size")]
    pub(crate) source: Option<PathBuf>,

    /// Measure the image of an empty disk of SIZE bytes, such as 20G
    #[arg(long, value_name = "SIZE", value_parser = parse_size, conflicts_with = "source")]
    pub(crate) size: Option<u64>,

    /// Format of the image
    #[arg(short = 'O', long, value_name = "FORMAT", default_value = "qcow2")]
    pub(crate) format: TargetFormatArg,

    /// Compress clusters, as with pack
    #[arg(
        short,
        long,
        value_name = "zlib|zstd|none[:LEVEL]",
        default_value = "none"
    )]
    pub(crate) compress: CompressArg,

    /// Size of the zlib window, as with pack
    #[arg(long, value_name = "SIZE", default_value = "32k")]
    pub(crate) deflate_window: DeflateWindowArg,

    /// Compress SIZE of the disk to estimate the length, and at least 256 pieces of it: more
    /// makes the error smaller. A disk with less than twice as much in use is compressed wholly, and the
    /// length is exact
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = parse_size)]
    pub(crate) sample: u64,

    /// Cluster size of the image: a power of two from 512 to 2M [default: 64K; with --content
    /// metadata, one that suits the block size of the filesystem]
    #[arg(long, value_name = "SIZE", value_parser = parse_cluster_size)]
    pub(crate) cluster_size: Option<ClusterBits>,

    /// Version of the format, as with pack
    #[arg(long, default_value = "1.1")]
    pub(crate) compat: Compat,

    /// Width of a reference count in bits: 1, 2, 4, 8, 16, 32 or 64
    #[arg(long, value_name = "BITS", default_value = "16", value_parser = parse_refcount_bits)]
    pub(crate) refcount_bits: RefcountOrder,

    #[command(flatten)]
    pub(crate) reading: SourceArgs,

    #[command(flatten)]
    pub(crate) filesystem: FilesystemArgs,

    /// Read a source that may be in use. Everything counts, since a filesystem in use
    /// proves no block free
    #[arg(long)]
    pub(crate) allow_mounted: bool,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// What an image is stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TargetFormatArg {
    /// A qcow2 image, as pack writes it
    Qcow2,
    /// The disk itself, as unpack writes it
    Raw,
}

impl MeasureArgs {
    /// Returns the name of the source for messages.
    pub(crate) fn source_name(&self) -> &Path {
        self.source.as_deref().map_or(Path::new("--size"), name_of)
    }
}
