//! Why a filesystem is not frozen, or did not stay frozen.

use std::path::PathBuf;

/// Why a filesystem is not frozen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfreezable {
    /// It may be mounted in another mount namespace.
    #[error("no filesystem on it is mounted where we can see it")]
    NotMounted,
    /// Something would be written to it.
    #[error("{} is on it, or on what depends on it, and would wait for ever", path.display())]
    Output {
        /// What would be written.
        path: PathBuf,
    },
    /// The system, or the program `fsfreeze`, refused.
    #[error("{said}")]
    Refused {
        /// What it said.
        said: String,
    },
}

/// Why a filesystem did not stay frozen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Thawed {
    /// There was no sign of life for too long.
    #[error("nothing was read of it for {seconds} s")]
    Quiet {
        /// For how long.
        seconds: u64,
    },
    /// Somebody else thawed it, or ended the process that keeps it frozen.
    #[error("{said}")]
    Interference {
        /// What is known.
        said: String,
    },
}
