//! The kind of an error, here and as an [`io::Error`].

use std::io;

use qcow2_map::ErrorKind;

use super::Error;

impl Error {
    /// What sort of trouble this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Image(source) => source.kind(),
            Self::Check(source) => source.kind(),
            Self::Finding(_) | Self::InLayer { .. } => ErrorKind::Corrupt,
            Self::ReferenceFromPipe { .. } | Self::Passed { .. } => ErrorKind::Unsupported,
            Self::TooMuchData { .. } => ErrorKind::Limit,
            Self::GoesBack { .. } | Self::Uneven { .. } => ErrorKind::Internal,
            Self::Stopped => ErrorKind::Stopped,
            Self::Spool { .. }
            | Self::Arrival { .. }
            | Self::Write { .. }
            | Self::Share { .. }
            | Self::Resize { .. } => ErrorKind::Io,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Spool { source }
            | Error::Arrival { source, .. }
            | Error::Write { source, .. }
            | Error::Share { source, .. }
            | Error::Resize { source, .. }
            | Error::Image(qcow2_map::Error::Read { source, .. })
            | Error::Check(qcow2_check::Error::Map(qcow2_map::Error::Read { source, .. })) => {
                source.kind()
            }
            other => other.kind().as_io(),
        };
        Self::new(kind, error)
    }
}
