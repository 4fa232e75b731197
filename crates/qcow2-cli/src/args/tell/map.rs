//! The options of `map`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::args::choice::{SourceFormatArg, parse_size};
use crate::args::common::OutputArgs;
use crate::args::image::ImageArgs;
use crate::args::input::{InputArgs, name_of};

/// Show where the bytes of the disk in an image are stored.
///
/// With --output human, it lists what is stored: guest offset and length, host offset and
/// file. With --output json, the entries tile the disk and have the keys and types of
/// `qemu-img map --output=json`.
#[derive(Args, Debug)]
pub(crate) struct MapArgs {
    /// qcow2 image, or raw disk, to read, or - for standard input
    pub(crate) image: PathBuf,

    /// Begin at byte BYTES of the disk
    #[arg(short, long, value_name = "BYTES", value_parser = parse_size, default_value = "0")]
    pub(crate) start_offset: u64,

    /// Show BYTES of the disk at most [default: up to its end]
    #[arg(short = 'l', long, value_name = "BYTES", value_parser = parse_size)]
    pub(crate) max_length: Option<u64>,

    /// Format of the file, as with pack
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(crate) source_format: SourceFormatArg,

    #[command(flatten)]
    pub(crate) reading: ImageArgs,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl MapArgs {
    /// Returns the name of the image for messages.
    pub(crate) fn image_name(&self) -> &Path {
        name_of(&self.image)
    }
}
