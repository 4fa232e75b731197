//! The options of `report`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::args::choice::SourceFormatArg;
use crate::args::common::RunArgs;
use crate::args::image::ImageArgs;
use crate::args::input::{InputArgs, is_stream, name_of};

/// Show where the bytes of an image or a disk go, as a page for a browser.
///
/// The page shows the disk and the file of the image side by side, partitions and
/// filesystems with what they use and what is stored of them, compression, fragmentation,
/// snapshots, and what a check finds. It is one file that loads nothing. Nothing of the
/// contents of files is in it.
#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// qcow2 image, or raw disk, to read, or - for standard input
    pub(crate) image: PathBuf,

    /// Where to write the page: a new file, with --force an existing one, or - for standard
    /// output
    #[arg(short = 'o', long = "page", value_name = "FILE")]
    pub(crate) page: PathBuf,

    /// Overwrite FILE if it exists
    #[arg(long)]
    pub(crate) force: bool,

    /// Format of the file, as with pack
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(crate) source_format: SourceFormatArg,

    #[command(flatten)]
    pub(crate) reading: ImageArgs,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

impl ReportArgs {
    /// Returns the name of the image for messages.
    pub(crate) fn image_name(&self) -> &Path {
        name_of(&self.image)
    }

    /// Whether the page goes to standard output.
    pub(crate) fn to_stdout(&self) -> bool {
        is_stream(&self.page)
    }
}
