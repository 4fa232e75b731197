//! The options of `check`.

use std::path::PathBuf;

use clap::Args;

use crate::args::common::OutputArgs;
use crate::args::edit::RepairArg;

/// Check the metadata of a qcow2 image, and with --data its compressed clusters.
///
/// Only this one file is read, and without --repair nothing is changed. With --output json, the report has
/// the keys and types of `qemu-img check --output=json`, and a list of all that was found.
#[derive(Args, Debug)]
#[command(after_help = CHECK_EXIT_CODES)]
pub(crate) struct CheckArgs {
    /// qcow2 image to check
    pub(crate) image: PathBuf,

    /// Decompress every compressed cluster, too
    #[arg(long)]
    pub(crate) data: bool,

    /// Repair the image: with leaks, give back clusters that nothing uses; with all, make
    /// refcounts and flags right, too, and give data that shares a cluster with something
    /// else a copy of its own. The report lists what may hold wrong bytes. What needs a
    /// decision is left as it is. If the repair is interrupted, the image is no worse than
    /// before. Nothing else may use the image
    #[arg(long, value_name = "WHAT")]
    pub(crate) repair: Option<RepairArg>,

    /// Show what would be repaired, and change nothing
    #[arg(long, requires = "repair")]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

const CHECK_EXIT_CODES: &str = "\
Exit codes, as those of qemu-img check, after a repair:
  0   the image is clean
  1   the check was not completed
  2   the image is corrupt
  3   the image has leaked clusters, and is not corrupt
  63  the file is no qcow2 image";
