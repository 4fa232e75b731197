//! Options that several commands share.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::choice::{BackingFormatArg, OutputFormat, ProgressArg, ReferencesArg};

/// Which other files may be opened for an image.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReferenceArgs {
    /// Which of the files that an image names may be opened, as its backing file or
    /// external data file. Protocols (such as nbd:) and json: are never opened
    #[arg(long, value_name = "WHICH", default_value = "refuse")]
    pub(crate) references: ReferencesArg,

    /// Backing file of the image that is read, in place of the one that it names. Repeat the option to
    /// give the backing file of that backing file, and so on
    #[arg(long = "backing", value_name = "FILE")]
    pub(crate) backing_files: Vec<PathBuf>,

    /// Format of a backing file if the image above it does not record the format
    #[arg(long, value_name = "FORMAT")]
    pub(crate) backing_format: Option<BackingFormatArg>,

    /// External data file of the image that is read, in place of the one that it names
    #[arg(long, value_name = "FILE")]
    pub(crate) data_file: Option<PathBuf>,
}

impl ReferenceArgs {
    /// Whether the command line asks for other files.
    pub(crate) fn is_given(&self) -> bool {
        self.references != ReferencesArg::Refuse
            || !self.backing_files.is_empty()
            || self.data_file.is_some()
    }
}

/// How a long job runs and reports.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Number of threads that read, compress and write [default: as many as the
    /// machine can run at once]. The result does not depend on it
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Show progress even if standard error is not a terminal: a bar on a terminal, else a
    /// line a second. With --progress=json the lines are JSON, for programs. The signal
    /// SIGUSR1 asks for a line at any time
    #[arg(
        short,
        long,
        value_name = "FORM",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "human"
    )]
    pub(crate) progress: Option<ProgressArg>,

    /// Show neither progress nor a report
    #[arg(short, long, conflicts_with = "progress")]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl RunArgs {
    /// Returns the number of threads asked for, or what the machine can run at once.
    pub(crate) fn threads(&self) -> NonZeroUsize {
        self.threads.unwrap_or_else(pipeline::available_threads)
    }
}

#[derive(Args, Debug)]
pub(crate) struct OutputArgs {
    /// Format of the report
    #[arg(long, default_value = "human")]
    pub(crate) output: OutputFormat,
}
