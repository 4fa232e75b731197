//! The options of `snapshot`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::super::common::OutputArgs;
use super::edited::EditedArgs;

/// List, take, apply or delete the internal snapshots of a qcow2 image.
///
/// Each change is done whole or not at all, even if the machine loses power. An image that
/// does not agree with itself is refused.
#[derive(Args, Debug)]
pub(crate) struct SnapshotArgs {
    #[command(subcommand)]
    pub(crate) action: SnapshotAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotAction {
    /// List the snapshots
    List {
        /// qcow2 image to read
        image: PathBuf,

        #[command(flatten)]
        output: OutputArgs,
    },
    /// Take a snapshot of the disk, without VM state
    Create {
        #[command(flatten)]
        edited: EditedArgs,

        /// Name of the snapshot
        name: OsString,
    },
    /// Make the disk what it was when the snapshot was taken, its size too
    ///
    /// What the disk held until now is lost unless it is in another snapshot.
    Apply {
        #[command(flatten)]
        edited: EditedArgs,

        /// Snapshot to apply. The value is compared with the IDs first, then with the names
        #[arg(value_name = "ID|NAME")]
        snapshot: OsString,
    },
    /// Delete a snapshot, and give back what only it used
    Delete {
        #[command(flatten)]
        edited: EditedArgs,

        /// Snapshot to delete. The value is compared with the IDs first, then with the
        /// names
        #[arg(value_name = "ID|NAME")]
        snapshot: OsString,
    },
}
