//! The command line of `info`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::common::{OutputArgs, ReferenceArgs};
use super::input::{InputArgs, name_of};

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

impl InfoArgs {
    /// The image in messages.
    pub(crate) fn image_name(&self) -> &Path {
        name_of(&self.image)
    }
}
