//! The options of `check`.

use std::path::PathBuf;

use clap::Args;

use super::common::OutputArgs;

/// Check the metadata of a qcow2 image, and with --data its compressed clusters.
///
/// Only this one file is read, and nothing is changed. With --output json, the report has
/// the keys and types of `qemu-img check --output=json`, and a list of all that was found.
#[derive(Args, Debug)]
#[command(after_help = CHECK_EXIT_CODES)]
pub(crate) struct CheckArgs {
    /// qcow2 image to check
    pub(crate) image: PathBuf,

    /// Decompress every compressed cluster, too
    #[arg(long)]
    pub(crate) data: bool,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

const CHECK_EXIT_CODES: &str = "\
Exit codes, as those of qemu-img check:
  0   the image is clean
  1   the check was not completed
  2   the image is corrupt
  3   the image has leaked clusters, and is not corrupt
  63  the file is no qcow2 image";
