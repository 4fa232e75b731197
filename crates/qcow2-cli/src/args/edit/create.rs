//! The options of `create`.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use qcow2_format::{ClusterBits, RefcountOrder};

use super::super::choice::{
    BackingFormatArg, Compat, CompressionTypeArg, parse_cluster_size, parse_refcount_bits,
    parse_size,
};
use super::super::common::OutputArgs;

/// Make a new qcow2 image with nothing in it.
///
/// The image appears under its name when it is complete. With a backing file, it is an
/// overlay: what is not written to it reads as that file.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// qcow2 image to create
    pub(crate) image: PathBuf,

    /// Size of the disk in bytes, or with a unit such as 20G [default: that of the backing
    /// file]
    #[arg(value_parser = parse_size)]
    pub(crate) size: Option<u64>,

    /// Cluster size of the image: a power of two from 512 to 2M
    #[arg(long, value_name = "SIZE", default_value = "64K", value_parser = parse_cluster_size)]
    pub(crate) cluster_size: ClusterBits,

    /// Version of the format: 1.1 is qcow2 version 3, 0.10 is version 2
    #[arg(long, default_value = "1.1")]
    pub(crate) compat: Compat,

    /// Width of a reference count in bits: 1, 2, 4, 8, 16, 32 or 64
    #[arg(long, value_name = "BITS", default_value = "16", value_parser = parse_refcount_bits)]
    pub(crate) refcount_bits: RefcountOrder,

    /// Divide each cluster into 32 subclusters, which are allocated one by one
    #[arg(long)]
    pub(crate) extended_l2: bool,

    /// How clusters are compressed, if a program compresses some later
    #[arg(long, value_name = "TYPE", default_value = "zlib")]
    pub(crate) compression_type: CompressionTypeArg,

    /// Whether refcounts may be updated late
    #[arg(long, value_name = "true|false", action = ArgAction::Set, default_value = "false")]
    pub(crate) lazy_refcounts: bool,

    /// Backing file, seen from the folder of the image. The name is recorded as it is
    #[arg(long, value_name = "FILE", requires = "backing_format")]
    pub(crate) backing: Option<PathBuf>,

    /// Format of the backing file
    #[arg(long, value_name = "FORMAT", requires = "backing")]
    pub(crate) backing_format: Option<BackingFormatArg>,

    /// Overwrite IMAGE if it exists
    #[arg(long)]
    pub(crate) force: bool,

    /// Do not wait until the image is safely stored
    #[arg(long)]
    pub(crate) no_sync: bool,

    /// Show no report
    #[arg(short, long)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
