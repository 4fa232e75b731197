//! Why a filesystem could not be frozen, or did not stay frozen.

use std::path::PathBuf;

/// Why a filesystem could not be frozen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfreezable {
    /// It is not mounted, or in another mount namespace only.
    #[error("no filesystem on it is mounted in this mount namespace")]
    NotMounted,
    /// An output would be written to it.
    #[error("{} is stored on it, directly or through other devices, and writing would wait forever", path.display())]
    Output {
        /// The path that would be written.
        path: PathBuf,
    },
    /// The system, or the program `fsfreeze`, refused.
    #[error("{said}")]
    Refused {
        /// Its message.
        said: String,
    },
}

/// Why a filesystem did not stay frozen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Thawed {
    /// There was no heartbeat for too long.
    #[error("nothing was read from it for {seconds} s")]
    Quiet {
        /// For how long.
        seconds: u64,
    },
    /// Another process thawed it, or killed the process that keeps it frozen.
    #[error("{said}")]
    Interference {
        /// What is known about it.
        said: String,
    },
}
