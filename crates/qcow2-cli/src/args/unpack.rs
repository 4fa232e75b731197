//! The command line of `unpack`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;

use super::choice::{ReflinkArg, parse_size};
use super::common::{ReferenceArgs, RunArgs};
use super::input::{InputArgs, is_stream, name_of};

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

    /// The image in messages.
    pub(crate) fn image_name(&self) -> &Path {
        name_of(&self.image)
    }
}
