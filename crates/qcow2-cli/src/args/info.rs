//! The options of `info`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::common::{OutputArgs, ReferenceArgs};
use super::input::{InputArgs, name_of};

/// Show the properties of a qcow2 image, or what is on a disk.
///
/// Of a disk that is in no image, it shows the partitions, their filesystems, and what of
/// them is used and free. A file that looks like an image in another format, a compressed
/// file or an archive is refused, and so is one named .qcow2 that is not a qcow2 image; any
/// other file may be a disk of unknown content.
#[derive(Args, Debug)]
pub(crate) struct InfoArgs {
    /// qcow2 image, or disk, to read, or - for standard input
    pub(crate) image: PathBuf,

    /// Show those of the backing files too. They are opened only if --references or
    /// --backing allows it
    #[arg(long)]
    pub(crate) backing_chain: bool,

    /// Show what is on the disk in an image, too
    #[arg(long, conflicts_with = "backing_chain")]
    pub(crate) layout: bool,

    #[command(flatten)]
    pub(crate) references: ReferenceArgs,

    /// Read the passphrase of an encrypted image from FILE, to show what is on its disk; a
    /// line break at its end is removed. Without this option, it is asked for on the
    /// terminal
    #[arg(long, value_name = "FILE", requires = "layout")]
    pub(crate) secret_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl InfoArgs {
    /// Returns the name of the image for messages.
    pub(crate) fn image_name(&self) -> &Path {
        name_of(&self.image)
    }
}
