//! The kind of an error, here and as an [`io::Error`].

use std::io;

use luks::Fault as LuksFault;

use super::{Error, ErrorKind};
use crate::gate::ReferenceFault;

impl Error {
    /// What sort of trouble this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Header(source)
            | Self::L1Entry { source, .. }
            | Self::L2Entry { source, .. }
            | Self::SnapshotTable { source, .. }
            | Self::BitmapDirectory { source, .. } => match source.kind() {
                qcow2_format::ErrorKind::Corrupt => ErrorKind::Corrupt,
                qcow2_format::ErrorKind::Unsupported => ErrorKind::Unsupported,
                qcow2_format::ErrorKind::Limit => ErrorKind::Limit,
            },
            Self::MarkedCorrupt
            | Self::DataFileOffset { .. }
            | Self::TableTruncated { .. }
            | Self::Compressed { .. }
            | Self::Overlap { .. }
            | Self::Truncated { .. } => ErrorKind::Corrupt,
            Self::InLayer { source, .. } => source.kind(),
            Self::Luks { source, .. } => match source {
                LuksFault::Magic => ErrorKind::Corrupt,
                LuksFault::Limit { .. } => ErrorKind::Limit,
                LuksFault::Version { .. }
                | LuksFault::Unsupported { .. }
                | LuksFault::WrongSecret => ErrorKind::Unsupported,
            },
            Self::Reference { source, .. } => match source {
                ReferenceFault::TooDeep { .. } => ErrorKind::Limit,
                ReferenceFault::Loop => ErrorKind::Corrupt,
                ReferenceFault::File(_) => ErrorKind::Io,
                ReferenceFault::NotAllowed
                | ReferenceFault::NoName
                | ReferenceFault::Protocol
                | ReferenceFault::Outside
                | ReferenceFault::NoFormat
                | ReferenceFault::Format { .. } => ErrorKind::Unsupported,
            },
            Self::NoSecret { .. } => ErrorKind::Unsupported,
            Self::SnapshotTableTooLarge { .. } | Self::SnapshotSize { .. } => ErrorKind::Limit,
            Self::NoSnapshot { .. } => ErrorKind::NotFound,
            Self::Read { .. } => ErrorKind::Io,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Read { source, .. } => source.kind(),
            other => other.kind().as_io(),
        };
        Self::new(kind, error)
    }
}
