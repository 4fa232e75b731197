//! The command line of `blocks`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::choice::BlocksOutput;
use super::filesystem::FilesystemArgs;
use super::input::{InputArgs, name_of};
use super::source::SourceArgs;

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

impl BlocksArgs {
    /// The source in messages.
    pub(crate) fn source_name(&self) -> &Path {
        name_of(&self.source)
    }
}
