//! What the command line says.

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use qcow2_format::{ClusterBits, RefcountOrder, Version};

/// Pack disks and ext2/3/4 filesystems into small qcow2 images, and restore
/// them exactly.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0        done
  1        failed: nothing was left under the target's name
           (a device, a pipe or --in-place may hold a part)
  2        wrong usage
  3        done and complete, but the source is damaged or unclean in a way worth
           knowing: more was kept than needed, nothing was lost
  130/143  ended by SIGINT or SIGTERM";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Pack(PackArgs),
    Unpack(UnpackArgs),
    Info(InfoArgs),
}

/// Pack a disk or filesystem into a qcow2 image.
///
/// Of an ext2, ext3 or ext4 filesystem only the blocks in use are stored:
/// deleted files and blocks of zeros take no space. A block is left out only
/// where the filesystem proves it free; a filesystem that is unclean, damaged or
/// unknown is kept whole or in part, and the report says why.
#[derive(Args, Debug)]
pub(crate) struct PackArgs {
    /// Disk, partition or image file to read
    pub(crate) source: PathBuf,

    /// qcow2 image to make: a new file, or with --force an existing file or a
    /// block device
    pub(crate) image: PathBuf,

    /// Cluster size of the image: 512 to 2M, a power of two
    #[arg(long, value_name = "SIZE", default_value = "64K", value_parser = parse_cluster_size)]
    pub(crate) cluster_size: ClusterBits,

    /// Version of the format: 1.1 is qcow2 v3, 0.10 is v2 for old readers
    #[arg(long, default_value = "1.1")]
    pub(crate) compat: Compat,

    /// Width of a reference count in bits: 1, 2, 4, 8, 16, 32 or 64
    #[arg(long, value_name = "BITS", default_value = "16", value_parser = parse_refcount_bits)]
    pub(crate) refcount_bits: RefcountOrder,

    /// What to store
    #[arg(long, default_value = "used")]
    pub(crate) content: ContentArg,

    /// The bytes behind the end of the filesystem
    #[arg(long, default_value = "keep")]
    pub(crate) tail: TailArg,

    /// Keep what lies in inode tables that were never used, which is not part
    /// of the filesystem; otherwise they read as zeros
    #[arg(long)]
    pub(crate) keep_uninit: bool,

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

    /// Replace IMAGE where it exists
    #[arg(long)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// Restore the exact disk from a qcow2 image.
#[derive(Args, Debug)]
pub(crate) struct UnpackArgs {
    /// qcow2 image to read
    pub(crate) image: PathBuf,

    /// Where to restore: a new file, with --force an existing file or a block
    /// device, or - for the standard output
    pub(crate) target: PathBuf,

    /// Replace TARGET where it exists: a file becomes exactly the disk once all
    /// of it is written, a block device is overwritten up to the disk's size
    #[arg(long)]
    pub(crate) force: bool,

    /// Write into the existing file TARGET instead of a second copy beside it.
    /// Not atomic: an interrupted run leaves a part of each
    #[arg(long, conflicts_with = "force")]
    pub(crate) in_place: bool,

    /// Do not wait until the disk is safe on its storage
    #[arg(long)]
    pub(crate) no_sync: bool,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// Say what a qcow2 image is.
#[derive(Args, Debug)]
pub(crate) struct InfoArgs {
    /// qcow2 image to read
    pub(crate) image: PathBuf,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// How a long job runs and reports.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Threads that work beside the one that writes; as many as the machine
    /// runs at once where not given. The result does not depend on it
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Show progress even where the error output is no terminal
    #[arg(short, long)]
    pub(crate) progress: bool,

    /// Neither progress nor report
    #[arg(short, long, conflicts_with = "progress")]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl RunArgs {
    /// The threads asked for, or as many as the machine runs at once.
    pub(crate) fn threads(&self) -> NonZeroUsize {
        self.threads.unwrap_or_else(pipeline::available_threads)
    }
}

#[derive(Args, Debug)]
pub(crate) struct OutputArgs {
    /// Form of the report
    #[arg(long, default_value = "human")]
    pub(crate) output: OutputFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people
    Human,
    /// For programs
    Json,
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

fn parse_cluster_size(text: &str) -> Result<ClusterBits, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text.get(digits.len()..).unwrap_or_default() {
        "" | "B" => 1,
        "k" | "K" | "KiB" => 1 << 10,
        "m" | "M" | "MiB" => 1 << 20,
        other => return Err(format!("unknown unit {other:?}: K or M")),
    };
    let count: u64 = digits.parse().map_err(|error| format!("{error}"))?;
    let bytes = count.checked_mul(unit).ok_or("the number is too large")?;
    ClusterBits::from_bytes(bytes).map_err(|error| error.to_string())
}

fn parse_refcount_bits(text: &str) -> Result<RefcountOrder, String> {
    let bits: u32 = text.parse().map_err(|error| format!("{error}"))?;
    RefcountOrder::from_bits(bits).map_err(|error| error.to_string())
}

impl UnpackArgs {
    /// Whether the disk goes to the standard output.
    pub(crate) fn to_stdout(&self) -> bool {
        self.target.as_os_str() == OsStr::new("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
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
