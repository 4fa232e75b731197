//! How a source is read.

use clap::Args;

use super::choice::SourceFormatArg;
use super::image::ImageArgs;

#[derive(Args, Debug)]
pub(crate) struct SourceArgs {
    /// Format of the source. With auto, a file named .qcow2, .qcow2c or .qcow must be a
    /// qcow2 image, and the disk in it is read; any other file, a device or a pipe must
    /// not look like one, or like a disk image in another format, a compressed file or
    /// an archive
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(crate) source_format: SourceFormatArg,

    #[command(flatten)]
    pub(crate) image: ImageArgs,
}
