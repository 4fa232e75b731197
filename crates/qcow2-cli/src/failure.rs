//! Failures of commands, and the exit codes of the process.

mod json;
mod kind;

use std::error::Error;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use crate::output::SCHEMA;
use crate::remedy;
use crate::text::printable;

pub(crate) use json::usage;
use json::{ErrorFields, ErrorReport};
pub(crate) use kind::Kind;

/// The name of standard input in messages.
pub(crate) const STDIN: &str = "standard input";

/// The name of standard output in messages.
pub(crate) const STDOUT: &str = "standard output";

/// The exit code of qemu-img for a format that does not support what is asked for.
const UNSUPPORTED: u8 = 63;

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
    /// Exit code 1: what was compared differs.
    Different,
}

impl Outcome {
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Different => 1,
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
    /// Exit code 1, and what sort of trouble it is.
    Known(Box<Known>),
    /// Another one, with the exit code that qemu-img has for it.
    Coded(u8, Box<Self>),
}

/// A failure of which it is known what sort of trouble it is, and what it is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Known {
    kind: Kind,
    path: Option<PathBuf>,
    message: String,
    /// What the user can do.
    hint: Option<String>,
}

impl Failure {
    /// Reports `error` and its causes, about the file at `path`.
    pub(crate) fn about(path: &Path, error: &(dyn Error + 'static)) -> Self {
        Self::Known(Box::new(Known {
            kind: Kind::of(error),
            path: Some(path.into()),
            message: format!("{}: {}", path.display(), Causes(error)),
            hint: None,
        }))
    }

    /// Reports `message` about the file at `path`.
    pub(crate) fn because(path: &Path, message: impl Display) -> Self {
        Self::Known(Box::new(Known {
            kind: Kind::Failed,
            path: Some(path.into()),
            message: format!("{}: {message}", path.display()),
            hint: None,
        }))
    }

    /// Reports that the file at `path` has a format that does not support what is asked
    /// for: `message`. Exit code 63, as qemu-img's.
    pub(crate) fn unsupported(path: &Path, message: impl Display) -> Self {
        let known = Known {
            kind: Kind::Unsupported,
            path: Some(path.into()),
            message: format!("{}: {message}", path.display()),
            hint: None,
        };
        Self::Known(Box::new(known)).coded(UNSUPPORTED)
    }

    /// Adds a hint on what the user can do.
    pub(crate) fn with(self, remedy: &str) -> Self {
        match self {
            Self::Failed(message) => Self::Failed(format!("{message}; {remedy}")),
            Self::Usage(message) => Self::Usage(format!("{message}; {remedy}")),
            Self::Coded(code, failure) => Self::Coded(code, Box::new(failure.with(remedy))),
            Self::Known(mut known) => {
                known.hint = Some(match known.hint.take() {
                    Some(hint) => format!("{hint}; {remedy}"),
                    None => remedy.to_owned(),
                });
                Self::Known(known)
            }
        }
    }

    /// Returns the same with the exit code `code`.
    pub(crate) fn coded(self, code: u8) -> Self {
        Self::Coded(code, Box::new(self))
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::Known(_) => 1,
            Self::Usage(_) => 2,
            Self::Coded(code, _) => *code,
        }
    }

    /// Returns it as an object of JSON, for programs.
    pub(crate) fn to_json(&self) -> String {
        let inner = match self {
            Self::Coded(_, failure) => failure,
            failure => failure,
        };
        let known = match inner {
            Self::Known(known) => Some(known),
            Self::Failed(_) | Self::Usage(_) | Self::Coded(..) => None,
        };
        let kind = match (inner, known) {
            (Self::Usage(_), _) => Kind::Usage,
            (_, Some(known)) => known.kind,
            (_, None) => Kind::Failed,
        };
        let path = known.and_then(|known| known.path.as_deref());
        ErrorReport {
            schema: SCHEMA,
            error: ErrorFields {
                kind,
                message: self.to_string(),
                path: path.map(|path| path.display().to_string()),
                hint: known.and_then(|known| known.hint.clone()),
                exit_code: self.exit_code(),
            },
        }
        .to_json()
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(message) | Self::Usage(message) => f.write_str(&printable(message)),
            Self::Coded(_, failure) => failure.fmt(f),
            Self::Known(known) => {
                f.write_str(&printable(&known.message))?;
                match &known.hint {
                    Some(hint) => write!(f, "; {}", printable(hint)),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Errors of hostdisk name their path themselves.
impl From<hostdisk::Error> for Failure {
    fn from(error: hostdisk::Error) -> Self {
        let failure = Self::Known(Box::new(Known {
            kind: Kind::of(&error),
            path: Some(error.path().to_path_buf()),
            message: Causes(&error).to_string(),
            hint: None,
        }));
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
