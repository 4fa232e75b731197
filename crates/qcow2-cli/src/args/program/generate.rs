//! The options of the commands that describe the program to other programs.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Print a script that completes the command line in a shell.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

/// Write the manual pages of the program and of each command.
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Folder for the pages, which must exist
    pub(crate) folder: PathBuf,
}
