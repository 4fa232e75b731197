//! What the commands share that change an image.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::super::common::OutputArgs;

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
