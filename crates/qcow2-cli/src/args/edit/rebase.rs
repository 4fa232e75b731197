//! The options of `rebase`.

use std::ffi::OsString;

use clap::Args;

use super::super::choice::BackingFormatArg;
use super::super::common::ReferenceArgs;
use super::EditedArgs;

/// Give a qcow2 image another backing file, or none; the disk stays the same.
///
/// What the new backing file has otherwise than the old one is stored in the image. The
/// change is done whole or not at all, even if the machine loses power.
#[derive(Args, Debug)]
pub(crate) struct RebaseArgs {
    #[command(flatten)]
    pub(crate) edited: EditedArgs,

    /// New backing file, as its name is recorded: a relative one is looked for in the
    /// folder of the image
    #[arg(
        long,
        value_name = "FILE",
        requires = "onto_format",
        required_unless_present = "flatten"
    )]
    pub(crate) onto: Option<OsString>,

    /// Format of the new backing file
    #[arg(long, value_name = "FORMAT", requires = "onto")]
    pub(crate) onto_format: Option<BackingFormatArg>,

    /// No backing file: all that the disk holds is stored in the image
    #[arg(long, conflicts_with = "onto")]
    pub(crate) flatten: bool,

    /// Record the new name only. The disk is another one if the new backing file does
    /// not hold what the old one does
    #[arg(long)]
    pub(crate) unchecked: bool,

    #[command(flatten)]
    pub(crate) references: ReferenceArgs,
}
