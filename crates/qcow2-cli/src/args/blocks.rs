//! The options of `blocks`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::choice::BlocksOutput;
use super::filesystem::FilesystemArgs;
use super::input::{InputArgs, name_of};
use super::source::SourceArgs;

/// List which bytes of a disk or filesystem are in use.
///
/// The ranges cover the disk without gaps. They are those that pack uses when it is
/// given the same options.
#[derive(Args, Debug)]
pub(crate) struct BlocksArgs {
    /// Disk, partition, disk image file or qcow2 image to examine, or - for standard input
    pub(crate) source: PathBuf,

    #[command(flatten)]
    pub(crate) reading: SourceArgs,

    #[command(flatten)]
    pub(crate) filesystem: FilesystemArgs,

    /// Read a source that may be in use. No block of it can be proved free then, so
    /// every block counts as used
    #[arg(long)]
    pub(crate) allow_mounted: bool,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// Format of the list
    #[arg(long, default_value = "human")]
    pub(crate) output: BlocksOutput,
}

impl BlocksArgs {
    /// Returns the name of the source for messages.
    pub(crate) fn source_name(&self) -> &Path {
        name_of(&self.source)
    }
}
