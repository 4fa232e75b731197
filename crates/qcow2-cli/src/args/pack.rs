//! The options of `pack`.

use std::path::{Path, PathBuf};

use clap::Args;
use qcow2_format::{ClusterBits, RefcountOrder};

use super::base::BaseArgs;
use super::choice::{
    Compat, CompressArg, DeflateWindowArg, ReflinkArg, parse_cluster_size, parse_refcount_bits,
    parse_size,
};
use super::common::{ReferenceArgs, RunArgs};
use super::filesystem::FilesystemArgs;
use super::input::{InputArgs, is_stream, name_of};
use super::source::SourceArgs;

/// Pack a disk or filesystem into a qcow2 image.
///
/// Of ext2, ext3, ext4, XFS, btrfs, NTFS, FAT and exFAT filesystems and of Linux swap, on
/// the whole disk, in partitions or in logical volumes, only the blocks in use are stored:
/// deleted files and blocks of zeros take no space. A block is left out only if the filesystem proves that it is free. A
/// filesystem that is unclean, damaged or unknown is kept whole or in part, and the
/// report gives the reason.
#[derive(Args, Debug)]
pub(crate) struct PackArgs {
    /// Disk, partition, disk image file or qcow2 image to read, or - for standard input.
    /// Of a qcow2 image the disk is read, with the backing files that it may use; what
    /// it leaves unallocated is zeros
    pub(crate) source: PathBuf,

    /// qcow2 image to create: a new file, with --force an existing file or block
    /// device, or - for standard output
    pub(crate) image: PathBuf,

    /// Compress clusters. Every qcow2 reader that we tried reads zlib (some need
    /// --deflate-window 4k). zstd gives a smaller image and is faster to write and
    /// read, but hardly any reader other than QEMU 5.1 and later knows it. Higher levels
    /// give smaller images and take longer: 1 to 12 for zlib (to 9 with
    /// --deflate-window 4k), 1 by default; 1 to 22 for zstd, 4 by default
    #[arg(
        short,
        long,
        value_name = "zlib|zstd|none[:LEVEL]",
        default_value = "none"
    )]
    pub(crate) compress: CompressArg,

    /// Size of the zlib window: how far back compressed data may refer. QEMU, 7-Zip,
    /// libqcow and the Rust crates imago and qcow2-rs read both. 4k is for readers
    /// such as dissect.hypervisor, whose window is only as large as the one that QEMU
    /// writes with. With 4k the image is larger, above all at level 1, and slower to
    /// write; zlib:6 gives about the size of QEMU's images
    #[arg(long, value_name = "SIZE", default_value = "32k")]
    pub(crate) deflate_window: DeflateWindowArg,

    /// Share blocks between source and image (reflink) instead of copying them, on
    /// btrfs and XFS. Shared blocks take no time, and no space until one side changes
    /// them; if a shared block is damaged, it is damaged in both. Clusters are then
    /// not tested for zeros, so the image may be larger than a copied one. With
    /// always, pack fails if blocks cannot be shared
    #[arg(long, value_name = "WHEN", default_value = "never")]
    pub(crate) reflink: ReflinkArg,

    /// Cluster size of the image: a power of two from 512 to 2M [default: 64K, or that of
    /// --base; with --content metadata, one that suits the block size of the filesystem]. Every
    /// reader that we tried reads all of them
    #[arg(long, value_name = "SIZE", value_parser = parse_cluster_size)]
    pub(crate) cluster_size: Option<ClusterBits>,

    /// Version of the format: 1.1 is qcow2 version 3, which every reader that we tried
    /// reads; 0.10 is version 2, for QEMU before 1.1 and other software of that age
    #[arg(long, default_value = "1.1")]
    pub(crate) compat: Compat,

    /// Width of a reference count in bits: 1, 2, 4, 8, 16, 32 or 64
    #[arg(long, value_name = "BITS", default_value = "16", value_parser = parse_refcount_bits)]
    pub(crate) refcount_bits: RefcountOrder,

    /// Make the disk in the image SIZE long, such as 20G; what comes after the source is
    /// zeros. Never shorter than the source
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) grow: Option<u64>,

    /// Write the backup of the GPT at the new end of the disk, and make the space before
    /// it usable: the protective MBR, both headers and the second array are those of the
    /// longer disk. The source is not changed. A GPT with any damage is refused
    #[arg(long, requires = "grow")]
    pub(crate) move_gpt_backup: bool,

    #[command(flatten)]
    pub(crate) base: BaseArgs,

    #[command(flatten)]
    pub(crate) reading: SourceArgs,

    #[command(flatten)]
    pub(crate) filesystem: FilesystemArgs,

    /// Replay the journal of the filesystem in the image; the source is not changed.
    /// Without this option the image is as unclean as the source, and the journal is
    /// replayed when the filesystem is next mounted
    #[arg(long)]
    pub(crate) recover: bool,

    /// Replace names in the metadata with meaningless ones: names of files and of
    /// user attributes, targets of symbolic links, the label and the last mount point.
    /// A name keeps its length, and equal names stay equal. Anything else that could
    /// hold a name is zeroed, and so is the journal after it is replayed. The key is
    /// random and is discarded. Requires --content metadata
    #[arg(long)]
    pub(crate) scramble_names: bool,

    /// Read the image and the source again and compare every used byte, before the
    /// image appears under its name
    #[arg(long)]
    pub(crate) verify: bool,

    /// Report the SHA-256 digest of the disk that the image restores
    #[arg(long)]
    pub(crate) digest: bool,

    /// Do not wait until the image is safely stored
    #[arg(long)]
    pub(crate) no_sync: bool,

    /// Read a source that may be in use. Everything is packed, since a filesystem in
    /// use proves no block free, and the image may mix states that were never on the
    /// disk together. A snapshot is better
    #[arg(long)]
    pub(crate) allow_mounted: bool,

    /// Freeze the filesystem mounted from the source while it is read, so that the
    /// image holds a single state and free blocks can be left out. Programs that write
    /// to the filesystem wait meanwhile. It is thawed as soon as everything is read,
    /// however the run ends; it is also thawed, and the run fails, if nothing could
    /// be read for 5 minutes
    #[arg(long, requires = "allow_mounted")]
    pub(crate) freeze: bool,

    /// Continue if parts of the source cannot be read. After several attempts they
    /// become zeros in the image, the report lists them, and pack exits with status 4
    #[arg(long)]
    pub(crate) salvage: bool,

    /// Write a map of what could not be read to FILE, in the format of GNU ddrescue
    #[arg(long, value_name = "FILE", requires = "salvage")]
    pub(crate) lost: Option<PathBuf>,

    /// Overwrite IMAGE if it exists
    #[arg(long)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

impl PackArgs {
    /// Whether the journal is replayed in the image.
    pub(crate) fn recovers(&self) -> bool {
        self.recover || self.scramble_names
    }

    /// Returns which other files the base may bring in. If the source is an image, those
    /// that are named one by one are its own.
    pub(crate) fn base_references(&self, source_is_image: bool) -> ReferenceArgs {
        let mut references = self.reading.image.references.clone();
        if source_is_image {
            references.backing_files.clear();
            references.data_file = None;
        }
        references
    }

    /// Whether the image goes to standard output.
    pub(crate) fn to_stdout(&self) -> bool {
        is_stream(&self.image)
    }

    /// Returns the name of the base, if there is one, for messages.
    pub(crate) fn base_name(&self) -> &Path {
        self.base.base.as_deref().unwrap_or(Path::new("the base"))
    }

    /// Returns the name of the source for messages.
    pub(crate) fn source_name(&self) -> &Path {
        name_of(&self.source)
    }
}
