//! Failures of commands, and the exit codes of the process.

use std::error::Error;
use std::fmt::{self, Display};
use std::path::Path;

use crate::remedy;
use crate::text::printable;

/// The name of standard input in messages.
pub(crate) const STDIN: &str = "standard input";

/// The name of standard output in messages.
pub(crate) const STDOUT: &str = "standard output";

/// How a command ended that did its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Exit code 0.
    Done,
    /// Exit code 3: complete, but the source is damaged or unclean in a way that the
    /// user should know of.
    DoneWithNotes,
    /// Exit code 4: done, but parts of the source could not be read.
    DoneWithLosses,
    /// Exit code 2: an image that was checked is corrupt.
    Corrupt,
    /// Exit code 3: an image that was checked has leaks, and is not corrupt.
    Leaks,
}

impl Outcome {
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::DoneWithNotes => 3,
            Self::DoneWithLosses => 4,
            Self::Corrupt => 2,
            Self::Leaks => 3,
        }
    }
}

/// Why a command failed: one message for a person.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Exit code 1.
    Failed(String),
    /// Exit code 2: the command line makes no sense.
    Usage(String),
    /// Exit code 63: the format of the file does not support what is asked for.
    Unsupported(String),
}

impl Failure {
    /// Reports `error` and its causes, about the file at `path`.
    pub(crate) fn about(path: &Path, error: &dyn Error) -> Self {
        Self::Failed(format!("{}: {}", path.display(), Causes(error)))
    }

    /// Reports `message` about the file at `path`.
    pub(crate) fn because(path: &Path, message: impl Display) -> Self {
        Self::Failed(format!("{}: {message}", path.display()))
    }

    /// Adds a hint on what the user can do.
    pub(crate) fn with(self, remedy: &str) -> Self {
        match self {
            Self::Failed(message) => Self::Failed(format!("{message}; {remedy}")),
            Self::Usage(message) => Self::Usage(format!("{message}; {remedy}")),
            Self::Unsupported(message) => Self::Unsupported(format!("{message}; {remedy}")),
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Unsupported(_) => 63,
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Failed(message) | Self::Usage(message) | Self::Unsupported(message)) = self;
        f.write_str(&printable(message))
    }
}

/// Errors of hostdisk name their path themselves.
impl From<hostdisk::Error> for Failure {
    fn from(error: hostdisk::Error) -> Self {
        let failure = Self::Failed(Causes(&error).to_string());
        match remedy::of_file(&error) {
            Some(remedy) => failure.with(&remedy),
            None => failure,
        }
    }
}

/// An error and its causes in one line, each once.
pub(crate) struct Causes<'e>(pub(crate) &'e dyn Error);

impl Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.to_string();
        f.write_str(&shown)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            // An error that is passed through transparently shows its cause itself.
            if !shown.ends_with(&text) {
                f.write_str(": ")?;
                f.write_str(&text)?;
                shown = text;
            }
            next = cause.source();
        }
        Ok(())
    }
}
