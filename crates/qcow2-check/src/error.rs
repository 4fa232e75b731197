//! Why an image cannot be checked.

use std::io;

use qcow2_format::HostOffset;
use qcow2_map::ErrorKind;

/// Why an image cannot be checked: what is wrong with it stands in the way.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A part of the image is wrong or missing, or cannot be read.
    #[error(transparent)]
    Map(#[from] qcow2_map::Error),
    /// The image has no refcount table.
    #[error("header field refcount_table_clusters at offset 0x38 is 0, must be at least 1")]
    NoRefcountTable,
    /// An entry of the refcount table is not right.
    #[error("refcount table at host offset {table}")]
    RefcountTable {
        /// Where the table is.
        table: HostOffset,
        /// What is wrong with it.
        source: qcow2_format::Error,
    },
    /// What an image uses lies too far apart for its refcounts to be compared.
    #[error(
        "what the image uses lies in more than {max} parts of its file, each of {part_bytes} bytes"
    )]
    TooScattered {
        /// Most parts that are looked at.
        max: u32,
        /// Bytes of a part.
        part_bytes: u64,
    },
    /// The snapshots have more L1 tables than are read.
    #[error("the L1 tables of the snapshots have more than {max} bytes in all")]
    SnapshotsTooLarge {
        /// Most bytes that are read.
        max: u64,
    },
    /// A backing file cannot be checked.
    #[error("backing file {layer}")]
    InLayer {
        /// Which: 1 is that of the image that was opened, 2 that of the backing
        /// file, and so on.
        layer: usize,
        /// Why.
        source: Box<Self>,
    },
}

impl Error {
    /// The same, of the layer with this index.
    pub(crate) fn in_layer(self, layer: usize) -> Self {
        if layer == 0 {
            return self;
        }
        Self::InLayer {
            layer,
            source: Box::new(self),
        }
    }

    /// What sort of trouble this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Map(source) => source.kind(),
            Self::NoRefcountTable => ErrorKind::Corrupt,
            Self::RefcountTable { source, .. } => match source.kind() {
                qcow2_format::ErrorKind::Corrupt => ErrorKind::Corrupt,
                qcow2_format::ErrorKind::Unsupported => ErrorKind::Unsupported,
                qcow2_format::ErrorKind::Limit => ErrorKind::Limit,
            },
            Self::TooScattered { .. } | Self::SnapshotsTooLarge { .. } => ErrorKind::Limit,
            Self::InLayer { source, .. } => source.kind(),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Map(qcow2_map::Error::Read { source, .. }) => source.kind(),
            other => other.kind().as_io(),
        };
        Self::new(kind, error)
    }
}
