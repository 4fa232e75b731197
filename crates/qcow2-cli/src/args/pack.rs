//! The command line of `pack`.

use std::path::{Path, PathBuf};

use clap::Args;
use qcow2_format::{ClusterBits, RefcountOrder};

use super::choice::{
    Compat, CompressArg, DeflateWindowArg, ReflinkArg, parse_cluster_size, parse_refcount_bits,
};
use super::common::RunArgs;
use super::filesystem::FilesystemArgs;
use super::input::{InputArgs, is_stream, name_of};
use super::source::SourceArgs;

/// Pack a disk or filesystem into a qcow2 image.
///
/// Of an ext2, ext3 or ext4 filesystem only the blocks in use are stored:
/// deleted files and blocks of zeros take no space. A block is left out only
/// where the filesystem proves it free; a filesystem that is unclean, damaged or
/// unknown is kept whole or in part, and the report says why.
#[derive(Args, Debug)]
pub(crate) struct PackArgs {
    /// Disk, partition or image file to read, or - for the standard input
    pub(crate) source: PathBuf,

    /// qcow2 image to make: a new file, with --force an existing file or a block
    /// device, or - for the standard output
    pub(crate) image: PathBuf,

    /// Compress clusters with zlib, which every reader of qcow2 that we tried knows
    /// (some need --deflate-window 4k), or with zstd, which is smaller and faster to
    /// write and to read, and which hardly any but QEMU reads, from 5.1 on. Higher
    /// levels are smaller and slower: 1 to 12 of zlib (9 with --deflate-window 4k),
    /// 1 by default; 1 to 22 of zstd, 4 by default
    #[arg(
        short,
        long,
        value_name = "zlib|zstd|none[:LEVEL]",
        default_value = "none"
    )]
    pub(crate) compress: CompressArg,

    /// How far back zlib may refer. QEMU, 7-Zip, libqcow and the Rust crates imago
    /// and qcow2-rs read both. 4k is for readers with a window as small as the one
    /// QEMU writes, such as dissect.hypervisor. The image is larger then, above all at
    /// level 1, and slower to write; zlib:6 is about as small as QEMU's
    #[arg(long, value_name = "SIZE", default_value = "32k")]
    pub(crate) deflate_window: DeflateWindowArg,

    /// Let the image share blocks with the source instead of copying them, on
    /// btrfs and XFS: it takes no time and no space until one of them changes,
    /// and a damaged block is damaged in both. Clusters are not tested for zeros
    /// then, so the image may be larger than a copied one. always fails where
    /// blocks cannot be shared
    #[arg(long, value_name = "WHEN", default_value = "never")]
    pub(crate) reflink: ReflinkArg,

    /// Cluster size of the image: 512 to 2M, a power of two; 64K if not given, and
    /// with --content metadata what fits the size of a block. Every reader that we
    /// tried reads all of them
    #[arg(long, value_name = "SIZE", value_parser = parse_cluster_size)]
    pub(crate) cluster_size: Option<ClusterBits>,

    /// Version of the format: 1.1 is qcow2 v3, which every reader that we tried
    /// reads; 0.10 is v2, for QEMU before 1.1 and others as old
    #[arg(long, default_value = "1.1")]
    pub(crate) compat: Compat,

    /// Width of a reference count in bits: 1, 2, 4, 8, 16, 32 or 64
    #[arg(long, value_name = "BITS", default_value = "16", value_parser = parse_refcount_bits)]
    pub(crate) refcount_bits: RefcountOrder,

    #[command(flatten)]
    pub(crate) format: SourceArgs,

    #[command(flatten)]
    pub(crate) filesystem: FilesystemArgs,

    /// Pack the filesystem as it is once its journal has been replayed, which is
    /// done in the image only. Otherwise the image is as unclean as the source,
    /// and whoever mounts it replays the journal
    #[arg(long)]
    pub(crate) recover: bool,

    /// Replace names in the metadata by others that tell nothing, of the same
    /// length and each by the same: those of files, of users' attributes, targets
    /// of symbolic links, the label, the last mount point. What else could hold one
    /// is zeroed, and so is the journal, which is replayed first. The key is
    /// random, and thrown away. Needs --content metadata
    #[arg(long)]
    pub(crate) scramble_names: bool,

    /// Before the image appears under its name, read it and the source again and
    /// compare every used byte
    #[arg(long)]
    pub(crate) verify: bool,

    /// Report the SHA-256 of the disk that the image restores to
    #[arg(long)]
    pub(crate) digest: bool,

    /// Do not wait until the image is safe on its disk
    #[arg(long)]
    pub(crate) no_sync: bool,

    /// Read a source that somebody else may be writing. Everything is packed,
    /// since a filesystem in use proves nothing free, and the image may hold
    /// states that never were on the disk at one time: a snapshot is better
    #[arg(long)]
    pub(crate) allow_mounted: bool,

    /// Freeze the filesystem mounted from the source while it is read, so that the
    /// image holds one moment and the filesystem can tell what is free. Programs
    /// that write to it wait meanwhile. It is thawed as soon as all is read,
    /// however the run ends, and when nothing could be read of it for 5 minutes,
    /// which fails the run
    #[arg(long, requires = "allow_mounted")]
    pub(crate) freeze: bool,

    /// Go on where the source cannot be read: what fails again and again reads as
    /// zeros in the image, is listed, and lets the run end with 4
    #[arg(long)]
    pub(crate) salvage: bool,

    /// Write what could not be read to FILE, as a map that GNU ddrescue reads
    #[arg(long, value_name = "FILE", requires = "salvage")]
    pub(crate) lost: Option<PathBuf>,

    /// Replace IMAGE where it exists
    #[arg(long)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

impl PackArgs {
    /// Whether the filesystem is packed as it is after its journal was replayed.
    pub(crate) fn recovers(&self) -> bool {
        self.recover || self.scramble_names
    }

    /// Whether the image goes to the standard output.
    pub(crate) fn to_stdout(&self) -> bool {
        is_stream(&self.image)
    }

    /// The source in messages.
    pub(crate) fn source_name(&self) -> &Path {
        name_of(&self.source)
    }
}
