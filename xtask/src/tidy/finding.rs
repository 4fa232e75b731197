//! Files, and what is found in them.

use std::fmt;
use std::path::PathBuf;

/// A text file of the project.
#[derive(Debug)]
pub(super) struct File {
    /// Relative to the workspace.
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl File {
    pub(super) fn finding(&self, line: usize, text: impl Into<String>) -> Finding {
        Finding::new(&self.path, line, text)
    }
}

/// Something that is not as it should be, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) path: PathBuf,
    pub(super) line: usize,
    pub(super) text: String,
}

impl Finding {
    pub(super) fn new(path: impl Into<PathBuf>, line: usize, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line,
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.text)
    }
}
