//! Options that several commands have.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::choice::{BackingFormatArg, OutputFormat, ReferencesArg};

/// Which other files an image may bring in.
#[derive(Args, Debug)]
pub(crate) struct ReferenceArgs {
    /// Which of the files that an image names may be opened: backing files and
    /// external data files. Never protocols or json:
    #[arg(long, value_name = "WHICH", default_value = "refuse")]
    pub(crate) references: ReferencesArg,

    /// Backing file of IMAGE, whatever it names; given again, that of the backing
    /// file, and so on
    #[arg(long = "backing", value_name = "FILE")]
    pub(crate) backing_files: Vec<PathBuf>,

    /// Format of backing files where the image that has them does not say
    #[arg(long, value_name = "FORMAT")]
    pub(crate) backing_format: Option<BackingFormatArg>,

    /// External data file of IMAGE, whatever it names
    #[arg(long, value_name = "FILE")]
    pub(crate) data_file: Option<PathBuf>,
}

impl ReferenceArgs {
    /// Whether other files are asked for.
    pub(crate) fn is_given(&self) -> bool {
        self.references != ReferencesArg::Refuse
            || !self.backing_files.is_empty()
            || self.data_file.is_some()
    }
}

/// How a long job runs and reports.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Threads that read, compress and write; as many as the machine runs at
    /// once where not given. The result does not depend on it
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Show progress even where the error output is no terminal
    #[arg(short, long)]
    pub(crate) progress: bool,

    /// Neither progress nor report
    #[arg(short, long, conflicts_with = "progress")]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl RunArgs {
    /// The threads asked for, or as many as the machine runs at once.
    pub(crate) fn threads(&self) -> NonZeroUsize {
        self.threads.unwrap_or_else(pipeline::available_threads)
    }
}

#[derive(Args, Debug)]
pub(crate) struct OutputArgs {
    /// Form of the report
    #[arg(long, default_value = "human")]
    pub(crate) output: OutputFormat,
}
