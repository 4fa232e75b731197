//! What can be wrong with an image, or go wrong on the way.

mod classify;
mod kind;
mod parts;

use std::io;
use std::ops::Range;

use luks::Fault as LuksFault;
use qcow2_codec::StreamFault;
use qcow2_format::{GuestOffset, HostOffset};

use crate::gate::{Reference, ReferenceFault, ReferenceKind};

pub use kind::ErrorKind;
pub use parts::{Structure, needed};

/// Why an image could not be opened, or its tables not be read.
///
/// Where it passes through an [`io::Error`], [`io::Error::downcast`] gives it
/// back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The header is not right, or needs an unknown or unsupported feature.
    #[error(transparent)]
    Header(#[from] qcow2_format::Error),
    /// The corrupt bit is set: a writer has seen damage in this image.
    #[error("the image is marked as corrupt (incompatible feature bit 1)")]
    MarkedCorrupt,
    /// The disk is not complete without another file, which is not opened.
    #[error("the image needs {}", needed(*kind, name.as_deref()))]
    Reference {
        /// What for.
        kind: ReferenceKind,
        /// Its name, as stored; bytes that are not UTF-8 are replaced.
        name: Option<String>,
        /// Why.
        source: ReferenceFault,
    },
    /// The LUKS header is not right, or the passphrase is not.
    #[error("LUKS header at host offset {host}")]
    Luks {
        /// Where the header is.
        host: HostOffset,
        /// What is wrong.
        source: LuksFault,
    },
    /// A backing file is not right.
    #[error("backing file {layer}")]
    InLayer {
        /// Which: 1 is that of the image that was opened, 2 that of the backing
        /// file, and so on.
        layer: usize,
        /// What is wrong with it.
        source: Box<Self>,
    },
    /// Guest data in an external data file is not at its guest offset.
    #[error(
        "data of guest offset {guest} lies at offset {host} of the external data file, must be at the guest offset"
    )]
    DataFileOffset {
        /// The first guest byte that it is for.
        guest: GuestOffset,
        /// Where the entry says that it is.
        host: HostOffset,
    },
    /// The guest data is encrypted, and no secret was given.
    #[error("the image is encrypted with {method}, and no passphrase was given")]
    NoSecret {
        /// The method by its name in the specification.
        method: &'static str,
    },
    /// An entry of the L1 table is not right.
    #[error("L1 table at host offset {table}, guest offset {guest}")]
    L1Entry {
        /// Where the table is.
        table: HostOffset,
        /// The first guest byte that the entry maps.
        guest: GuestOffset,
        /// What is wrong with it.
        source: qcow2_format::Error,
    },
    /// An entry of an L2 table is not right.
    #[error("L2 table at host offset {table}, guest offset {guest}")]
    L2Entry {
        /// Where the table is.
        table: HostOffset,
        /// The first guest byte that the entry maps.
        guest: GuestOffset,
        /// What is wrong with it.
        source: qcow2_format::Error,
    },
    /// A compressed stream does not give its cluster.
    #[error("compressed cluster at host offset {host}, guest offset {guest}")]
    Compressed {
        /// Where the stream starts.
        host: HostOffset,
        /// The first guest byte of the cluster.
        guest: GuestOffset,
        /// What is wrong with it.
        source: StreamFault,
    },
    /// Two structures claim the same bytes.
    #[error(
        "{structure} of guest offset {guest} lies at host offset {host}, inside the {with} at {:#x}..{:#x}",
        range.start, range.end
    )]
    Overlap {
        /// What was looked up.
        structure: Structure,
        /// The first guest byte that it is for.
        guest: GuestOffset,
        /// Where it starts.
        host: HostOffset,
        /// What is there already.
        with: Structure,
        /// The host bytes of `with`.
        range: Range<u64>,
    },
    /// The file ends before a structure does.
    #[error(
        "{structure} at host offset {host}, for guest bytes {:#x}..{:#x}, ends at {end:#x}, past the end of the file at {file_bytes:#x}: the image is truncated",
        guest.start, guest.end
    )]
    Truncated {
        /// What is missing, or missing its end.
        structure: Structure,
        /// The guest bytes that cannot be known without it.
        guest: Range<u64>,
        /// Where it starts.
        host: HostOffset,
        /// The host offset after its last byte.
        end: u64,
        /// The length of the file.
        file_bytes: u64,
    },
    /// A table beside the disk is missing, in whole or in part. No guest byte is.
    #[error(
        "{structure} at host offset {host} ends at {end:#x}, past the end of the file at {file_bytes:#x}: the image is truncated"
    )]
    TableTruncated {
        /// What is missing, or missing its end.
        structure: Structure,
        /// Where it starts, or its entry.
        host: HostOffset,
        /// The host offset after its last byte.
        end: u64,
        /// The length of the file.
        file_bytes: u64,
    },
    /// An entry of the snapshot table is not right.
    #[error("snapshot table at host offset {table}")]
    SnapshotTable {
        /// Where the table is.
        table: HostOffset,
        /// What is wrong with it.
        source: qcow2_format::Error,
    },
    /// The snapshot table is larger than the limit.
    #[error(
        "snapshot table at host offset {table}: {found} bytes up to entry {index}, must be at most {max}"
    )]
    SnapshotTableTooLarge {
        /// Where the table is.
        table: HostOffset,
        /// The entry that is too much.
        index: u64,
        /// Bytes of the table up to its end.
        found: u64,
        /// The limit, in bytes.
        max: u64,
    },
    /// The disk of a snapshot is larger than an image can have.
    #[error("snapshot table entry {index}: the disk has {found} bytes, must have at most {max}")]
    SnapshotSize {
        /// The entry.
        index: u64,
        /// The stored size.
        found: u64,
        /// The limit, in bytes.
        max: u64,
    },
    /// No snapshot has this ID or name.
    #[error("the image has no snapshot {name:?}")]
    NoSnapshot {
        /// What was asked for; bytes that are not UTF-8 are replaced.
        name: String,
    },
    /// The bitmap directory is not right.
    #[error("bitmap directory at host offset {directory}")]
    BitmapDirectory {
        /// Where the directory is.
        directory: HostOffset,
        /// What is wrong with it.
        source: qcow2_format::Error,
    },
    /// Reading the image failed.
    #[error("reading the {structure} at host offset {host}")]
    Read {
        /// What was read.
        structure: Structure,
        /// Where the read started.
        host: HostOffset,
        /// What the storage reported.
        source: io::Error,
    },
}

impl Error {
    /// The error that a file which an image needs is not opened.
    #[must_use]
    pub fn reference(reference: &Reference<'_>, source: ReferenceFault) -> Self {
        Self::Reference {
            kind: reference.kind,
            name: reference.name.map(lossy),
            source,
        }
    }

    /// The same, of the layer with this index: 0 is the image that was opened.
    #[must_use]
    pub fn in_layer(self, layer: usize) -> Self {
        if layer == 0 {
            return self;
        }
        Self::InLayer {
            layer,
            source: Box::new(self),
        }
    }
}

/// Text of an image; bytes that are not UTF-8 are replaced.
fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
