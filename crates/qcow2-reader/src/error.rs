//! What can go wrong on the way from an image to its disk.

mod classify;

use std::io;

use qcow2_check::Finding;
use qcow2_format::{GuestOffset, HostOffset};
use qcow2_map::{ReferenceKind, Structure, needed};

/// Why an image could not be opened or read, or its disk not be written.
///
/// Where it passes through an [`io::Error`], [`io::Error::downcast`] gives it
/// back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The image, or what it depends on, is wrong or missing in a part, or cannot be read.
    #[error(transparent)]
    Image(#[from] qcow2_map::Error),
    /// The image cannot be held against its refcounts.
    #[error(transparent)]
    Check(#[from] qcow2_check::Error),
    /// The disk depends on a host cluster with something wrong.
    #[error(transparent)]
    Finding(#[from] Box<Finding>),
    /// The same in a backing file.
    #[error("backing file {layer}")]
    InLayer {
        /// Which: 1 is that of the image that was opened, 2 that of the backing
        /// file, and so on.
        layer: usize,
        /// What is wrong with it.
        source: Box<Finding>,
    },
    /// An image from a pipe needs another file.
    #[error("the image needs {}: save it to a file and unpack that", needed(*kind, name.as_deref()))]
    ReferenceFromPipe {
        /// What for.
        kind: ReferenceKind,
        /// Its name, as stored; bytes that are not UTF-8 are replaced.
        name: Option<String>,
    },
    /// An image from a pipe has a part in front of one that is needed first.
    #[error(
        "{structure} of guest offset {guest} lies at host offset {host}, which the pipe passed before it was needed, at {position:#x}: save the image to a file and unpack that"
    )]
    Passed {
        /// What is needed.
        structure: Structure,
        /// The first guest byte that it is needed for.
        guest: GuestOffset,
        /// Where it starts.
        host: HostOffset,
        /// What comes before it is needed ends here.
        position: u64,
    },
    /// The image has more data than is wanted.
    #[error("it restores to more than the limit of {max} bytes")]
    TooMuchData {
        /// The most that is wanted.
        max: u64,
    },
    /// What an image from a pipe needs again cannot be kept.
    #[error("storing parts of the image that are needed again in temporary storage")]
    Spool {
        /// What the storage reported.
        source: io::Error,
    },
    /// The pipe failed.
    #[error("reading the image at host offset {host}")]
    Arrival {
        /// Where in the file.
        host: HostOffset,
        /// What the pipe reported.
        source: io::Error,
    },
    /// Writing the disk failed.
    #[error("writing the disk at {offset:#x}")]
    Write {
        /// Where the write started.
        offset: u64,
        /// What the storage reported.
        source: io::Error,
    },
    /// The disk was to share blocks with the image, and cannot.
    #[error("sharing (reflink) {bytes} bytes at host offset {host} with the disk at {offset:#x}")]
    Share {
        /// Where they are on the disk.
        offset: u64,
        /// Where they are in the image.
        host: HostOffset,
        /// How many they are.
        bytes: u64,
        /// What the storage reported.
        source: io::Error,
    },
    /// A part of the disk starts before what is done already. It would be written
    /// twice: a fault of this crate, found before it does harm.
    #[error(
        "internal error: a part of the disk starts at {offset:#x}, but everything before {done:#x} is done"
    )]
    GoesBack {
        /// Where the part starts.
        offset: u64,
        /// The end of what is done.
        done: u64,
    },
    /// The parts of the disk that were written are not, together, what was to be
    /// written: a fault of this crate.
    #[error(
        "internal error: {written} bytes of the disk came from the image, but its tables name {expected}"
    )]
    Uneven {
        /// Bytes that were written, at least.
        written: u64,
        /// Bytes that the tables name.
        expected: u64,
    },
    /// The disk cannot be made as long as it has to be.
    #[error("making the disk {size} bytes long")]
    Resize {
        /// The length it has to be.
        size: u64,
        /// What the storage reported.
        source: io::Error,
    },
    /// The caller wanted no more of it.
    #[error("stopped before the disk was complete")]
    Stopped,
}

impl From<Finding> for Error {
    fn from(finding: Finding) -> Self {
        let source = Box::new(finding);
        match source.layer {
            0 => Self::Finding(source),
            layer => Self::InLayer { layer, source },
        }
    }
}

impl Error {
    /// What is wrong with the image itself, if that is it, and of which layer: neither
    /// its refcounts, nor the target.
    #[must_use]
    pub fn of_image(&self) -> Option<&qcow2_map::Error> {
        match self {
            Self::Image(error) => Some(error),
            Self::Check(error) => of_check(error),
            _ => None,
        }
    }
}

fn of_check(error: &qcow2_check::Error) -> Option<&qcow2_map::Error> {
    match error {
        qcow2_check::Error::Map(error) => Some(error),
        qcow2_check::Error::InLayer { source, .. } => of_check(source),
        _ => None,
    }
}
