//! What the command line says.

mod choice;
mod common;
mod filesystem;
mod input;
mod source;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use qcow2_format::{ClusterBits, RefcountOrder};

pub(crate) use choice::{
    BlocksOutput, Codec, Compat, CompressArg, ContentArg, DeflateWindowArg, OutputFormat,
    ReferencesArg, ReflinkArg, SourceFormatArg, TailArg, TrustArg,
};
use choice::{parse_cluster_size, parse_refcount_bits, parse_size};
pub(crate) use common::{OutputArgs, ReferenceArgs, RunArgs};
pub(crate) use filesystem::FilesystemArgs;
pub(crate) use input::InputArgs;
pub(crate) use source::SourceArgs;

/// Pack disks and ext2/3/4 filesystems into small qcow2 images, and restore
/// them exactly.
#[derive(Debug, Parser)]
#[command(name = "qcow2", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0        done
  1        failed: nothing was left under the target's name
           (a device, a pipe, --in-place and --only-... may hold a part)
  2        wrong usage
  3        done and complete, but the source is damaged or unclean in a way worth
           knowing: more was kept than needed, nothing was lost
  4        done with --salvage, and what could not be read is zeros
  128+N    ended by signal N, such as 129 by SIGHUP, 130 by SIGINT, 143 by SIGTERM:
           no temporary file is left
A report that cannot be written changes nothing of that: it is done all the same.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Pack(PackArgs),
    Unpack(UnpackArgs),
    Info(InfoArgs),
    Blocks(BlocksArgs),
}

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

/// Restore the exact disk from a qcow2 image.
#[derive(Args, Debug)]
pub(crate) struct UnpackArgs {
    /// qcow2 image to read, or - for the standard input. What a pipe brings is placed
    /// as it comes, or kept in a temporary file until its place is known, or its turn
    /// has come where TARGET is -; all of it with --snapshot, --salvage, encryption
    pub(crate) image: PathBuf,

    /// Where to restore: a new file, with --force an existing file or a block
    /// device, or - for the standard output
    pub(crate) target: PathBuf,

    /// Restore an internal snapshot, by its ID or else its name, with its own
    /// size, and not the disk as it is now
    #[arg(long, value_name = "ID|NAME")]
    pub(crate) snapshot: Option<OsString>,

    #[command(flatten)]
    pub(crate) references: ReferenceArgs,

    /// Take the passphrase of an encrypted image from FILE, without the line break
    /// at its end; asked for on the terminal where not given
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,

    /// Restore what can be read of a damaged or failing image. What is lost is
    /// zeros, is listed, and lets the run end with 4; with 3 if nothing is lost
    #[arg(long)]
    pub(crate) salvage: bool,

    /// Write what was lost to FILE, as a map that GNU ddrescue reads
    #[arg(long, value_name = "FILE", requires = "salvage")]
    pub(crate) lost: Option<PathBuf>,

    /// Refuse an image that restores to more data than this, zeros not counted:
    /// 512M, 20G
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) max_output: Option<u64>,

    /// Replace TARGET where it exists: a file becomes exactly the disk once all
    /// of it is written, a block device is overwritten up to the disk's size
    #[arg(long)]
    pub(crate) force: bool,

    /// Write into the existing file TARGET instead of a second copy beside it.
    /// Not atomic: an interrupted run leaves a part of each
    #[arg(long, conflicts_with = "force")]
    pub(crate) in_place: bool,

    /// Read TARGET first and write only what differs, in blocks of 4 KiB, as is
    /// good for flash memory. An existing file or block device is written in
    /// place, without --force; a file becomes as long as the disk. Not atomic: an
    /// interrupted run leaves a part of each, and another run completes it
    #[arg(long)]
    pub(crate) only_changed: bool,

    /// Put back the metadata of a filesystem: write what an image of metadata holds,
    /// zeros included, into the existing file or block device TARGET, and leave
    /// every other byte of it alone. Not atomic: an interrupted run leaves a part,
    /// and another run completes it. TARGET must hold the disk and keeps its length
    #[arg(long)]
    pub(crate) only_allocated: bool,

    /// Let the disk share blocks with the image instead of copying them, on btrfs
    /// and XFS: it takes no time and no space until one of them changes, and a
    /// damaged block is damaged in both. Clusters are not tested for zeros then.
    /// always fails where blocks cannot be shared
    #[arg(long, value_name = "WHEN", default_value = "never")]
    pub(crate) reflink: ReflinkArg,

    /// Do not wait until the disk is safe on its storage
    #[arg(long)]
    pub(crate) no_sync: bool,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// Say what a qcow2 image is.
#[derive(Args, Debug)]
pub(crate) struct InfoArgs {
    /// qcow2 image to read, or - for the standard input
    pub(crate) image: PathBuf,

    /// Say it of the backing files too; --references says whether they are opened
    #[arg(long)]
    pub(crate) backing_chain: bool,

    #[command(flatten)]
    pub(crate) references: ReferenceArgs,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// List which bytes of a disk or filesystem are in use.
///
/// The ranges tile the disk: they are what pack goes by, with the same options.
#[derive(Args, Debug)]
pub(crate) struct BlocksArgs {
    /// Disk, partition or image file to look at, or - for the standard input
    pub(crate) source: PathBuf,

    #[command(flatten)]
    pub(crate) format: SourceArgs,

    #[command(flatten)]
    pub(crate) filesystem: FilesystemArgs,

    /// Look at a source that somebody else may be writing, which proves nothing
    /// free
    #[arg(long)]
    pub(crate) allow_mounted: bool,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Form of the list
    #[arg(long, default_value = "human")]
    pub(crate) output: BlocksOutput,
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
}

impl UnpackArgs {
    /// Whether the image comes from the standard input.
    pub(crate) fn is_from_stdin(&self) -> bool {
        is_stream(&self.image)
    }

    /// Whether an existing target is written where it is.
    pub(crate) fn is_in_place(&self) -> bool {
        self.in_place || self.only_changed || self.only_allocated
    }

    /// Whether the disk goes to the standard output.
    pub(crate) fn to_stdout(&self) -> bool {
        is_stream(&self.target)
    }
}

/// Whether `path` stands for the standard input or output.
pub(crate) fn is_stream(path: &Path) -> bool {
    path.as_os_str() == OsStr::new("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
