//! The options of `commit`.

use clap::Args;

use super::super::common::ReferenceArgs;
use super::EditedArgs;

/// Write what an overlay holds into its backing file.
///
/// Afterwards the backing file has what the overlay shows, and the overlay holds nothing.
/// A backing file that is smaller grows. If the backing file is a qcow2 image, it is
/// changed whole or not at all; a raw one may hold a part if the job ends early, and
/// the overlay then still shows the right disk: run it again. Other overlays of the same
/// backing file show another disk afterwards, and are worthless.
#[derive(Args, Debug)]
pub(crate) struct CommitArgs {
    #[command(flatten)]
    pub(crate) edited: EditedArgs,

    /// Leave what the overlay holds in it
    #[arg(long)]
    pub(crate) keep: bool,

    #[command(flatten)]
    pub(crate) references: ReferenceArgs,
}
