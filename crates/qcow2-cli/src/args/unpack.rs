//! The options of `unpack`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::choice::{ReflinkArg, parse_size};
use super::common::RunArgs;
use super::image::ImageArgs;
use super::input::{InputArgs, is_stream, name_of};

/// Restore the exact disk from a qcow2 image.
#[derive(Args, Debug)]
pub(crate) struct UnpackArgs {
    /// qcow2 image to read, or - for standard input. Data from a pipe is written to
    /// its place as it arrives. If its place is not yet known, or TARGET is - and it
    /// is not yet its turn, it waits in a temporary file. With --snapshot or
    /// --salvage, or if the image is encrypted, the whole image does
    pub(crate) image: PathBuf,

    /// Where to restore the disk: a new file, with --force an existing file or block
    /// device, or - for standard output
    pub(crate) target: PathBuf,

    #[command(flatten)]
    pub(crate) opening: ImageArgs,

    /// Restore what can be read of a damaged image or from a failing disk. Lost parts
    /// become zeros, the report lists them, and unpack exits with status 4, or with 3
    /// if nothing is lost
    #[arg(long)]
    pub(crate) salvage: bool,

    /// Write a map of what was lost to FILE, in the format of GNU ddrescue
    #[arg(long, value_name = "FILE", requires = "salvage")]
    pub(crate) lost: Option<PathBuf>,

    /// Refuse an image that restores to more data than this, such as 512M or 20G.
    /// Zeros do not count
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) max_output: Option<u64>,

    /// Overwrite TARGET if it exists. A file is replaced once the whole disk is
    /// written; a block device is overwritten up to the size of the disk
    #[arg(long)]
    pub(crate) force: bool,

    /// Write into the existing file TARGET instead of into a new file that replaces
    /// it. Not atomic: an interrupted run leaves a mix of old and new data
    #[arg(long, conflicts_with = "force")]
    pub(crate) in_place: bool,

    /// Read TARGET and write only the 4 KiB blocks that differ, which spares flash
    /// memory. TARGET is an existing file or block device, which is written in place
    /// without --force; a file becomes as long as the disk. Not atomic: an interrupted
    /// run leaves a mix of old and new data, and another run completes it
    #[arg(long)]
    pub(crate) only_changed: bool,

    /// Put back the metadata of a filesystem: write only what the image holds, zeros
    /// included, into the existing file or block device TARGET, and leave every other
    /// byte of it alone. TARGET must be at least as long as the disk and keeps its
    /// length. Not atomic: an interrupted run leaves a mix of old and new metadata,
    /// and another run completes it
    #[arg(long)]
    pub(crate) only_allocated: bool,

    /// Write the disk at byte BYTES of the existing file or block device TARGET, such as
    /// at the start of a partition. The disk must fit; nothing else of TARGET is touched,
    /// and its length is kept. Not atomic: an interrupted run leaves a mix of old and new
    /// data. Requires --in-place or --only-changed
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    pub(crate) target_offset: Option<u64>,

    /// Share blocks between image and disk (reflink) instead of copying them, on btrfs
    /// and XFS. Shared blocks take no time, and no space until one side changes them;
    /// if a shared block is damaged, it is damaged in both. Clusters are then not
    /// tested for zeros. With always, unpack fails if blocks cannot be shared
    #[arg(long, value_name = "WHEN", default_value = "never")]
    pub(crate) reflink: ReflinkArg,

    /// Do not wait until the disk is safely stored
    #[arg(long)]
    pub(crate) no_sync: bool,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

impl UnpackArgs {
    /// Whether the image comes from standard input.
    pub(crate) fn is_from_stdin(&self) -> bool {
        is_stream(&self.image)
    }

    /// Whether an existing target is written in place.
    pub(crate) fn is_in_place(&self) -> bool {
        self.in_place || self.only_changed || self.only_allocated
    }

    /// Whether the disk goes to standard output.
    pub(crate) fn to_stdout(&self) -> bool {
        is_stream(&self.target)
    }

    /// Returns the name of the image for messages.
    pub(crate) fn image_name(&self) -> &Path {
        name_of(&self.image)
    }
}
