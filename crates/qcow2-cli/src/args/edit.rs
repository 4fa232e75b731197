//! The options of the commands that change an image in place, and of `create`.

mod amend;
mod bitmap;
mod commit;
mod create;
mod rebase;
mod resize;
mod snapshot;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::common::OutputArgs;

pub(crate) use amend::AmendArgs;
pub(crate) use bitmap::{BitmapAction, BitmapArgs, BitmapName};
pub(crate) use commit::CommitArgs;
pub(crate) use create::CreateArgs;
pub(crate) use rebase::RebaseArgs;
pub(crate) use resize::ResizeArgs;
pub(crate) use snapshot::{SnapshotAction, SnapshotArgs};

/// An image that is changed.
#[derive(Args, Debug)]
pub(crate) struct EditedArgs {
    /// qcow2 image to change. Nothing else may use it
    pub(crate) image: PathBuf,

    /// Show no report
    #[arg(short, long)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What of a damaged image is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RepairArg {
    /// Clusters that have a refcount and no use
    Leaks,
    /// All that needs no decision
    All,
}
