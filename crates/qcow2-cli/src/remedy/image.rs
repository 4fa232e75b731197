//! Hints for images that are refused.

use std::path::Path;

use qcow2_format::Error as FormatError;
use qcow2_reader::{Error, ImageError, ReferenceFault, ReferenceKind, Structure};

use crate::args::ReferencesArg;
use crate::containers;
use crate::failure::{Failure, STDIN};

/// How an image is read, as far as options could change that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Which other files may be opened for it.
    pub(crate) references: ReferencesArg,
    /// Whether one of its snapshots is to be restored.
    pub(crate) snapshot: bool,
    /// The option that tolerates damage. `None` if it is given already, or if there is
    /// none.
    pub(crate) salvage: Option<&'static str>,
}

impl Reading {
    /// Describes how the tables are read that are not part of the disk: no option helps
    /// with them.
    pub(crate) fn of_tables(references: ReferencesArg) -> Self {
        Self {
            references,
            snapshot: false,
            salvage: None,
        }
    }
}

/// Length of the magic of an image, in bytes.
const MAGIC_BYTES: u64 = 4;

/// The option that restores a damaged image.
pub(crate) const SALVAGE: &str = "--salvage restores what can be read";

/// Turns `error`, about the image at `path`, into a failure with a hint.
pub(crate) fn of_image(path: &Path, error: &Error, reading: Reading) -> Failure {
    let is_stdin = path == Path::new(STDIN);
    if let Some(ImageError::Header(error)) = error.of_image()
        && is_no_image(error)
        && !is_stdin
    {
        return containers::not_an_image(path);
    }
    let failure = Failure::about(path, error);
    match remedy(error, reading) {
        // From the standard input no other files are read.
        Some(_) if is_stdin && is_of_reference(error) => failure,
        Some(remedy) => failure.with(remedy),
        None => failure,
    }
}

/// Returns whether the file is not a qcow2 image at all: it lacks the magic, is too
/// short for it, or has version 1, which is another format.
fn is_no_image(error: &FormatError) -> bool {
    match error {
        FormatError::Magic { .. } | FormatError::Version { found: 1 } => true,
        FormatError::HeaderTruncated { needed, .. } => *needed <= MAGIC_BYTES,
        _ => false,
    }
}

fn remedy(error: &Error, reading: Reading) -> Option<&'static str> {
    let Some(mut error) = error.of_image() else {
        // What its refcounts say.
        let is_checked = matches!(
            error,
            Error::Check(_) | Error::Finding(_) | Error::InLayer { .. }
        );
        return reading.salvage.filter(|_| is_checked);
    };
    while let ImageError::InLayer { source, .. } = error {
        error = source;
    }
    match error {
        ImageError::NoSecret { .. } => Some("give it with --secret-file FILE"),
        ImageError::NoSnapshot { .. } => Some("qcow2 info lists its snapshots"),
        ImageError::Reference { kind, source, .. } => {
            of_reference(*kind, source, reading.references)
        }
        error if is_salvaged(error, reading.snapshot) => reading.salvage,
        _ => None,
    }
}

fn is_of_reference(error: &Error) -> bool {
    let mut error = error.of_image();
    while let Some(ImageError::InLayer { source, .. }) = error {
        error = Some(source);
    }
    matches!(error, Some(ImageError::Reference { .. }))
}

fn of_reference(
    kind: ReferenceKind,
    fault: &ReferenceFault,
    references: ReferencesArg,
) -> Option<&'static str> {
    use ReferenceKind::{BackingFile, DataFile};
    let is_beside = references == ReferencesArg::Beside;
    match (fault, kind) {
        (ReferenceFault::NotAllowed | ReferenceFault::Outside, BackingFile) if is_beside => {
            Some("--references any allows it, --backing FILE replaces it")
        }
        (ReferenceFault::NotAllowed | ReferenceFault::Outside, DataFile) if is_beside => {
            Some("--references any allows it, --data-file FILE replaces it")
        }
        (ReferenceFault::NotAllowed | ReferenceFault::Outside, BackingFile) => {
            Some("--references beside or any allows it, --backing FILE replaces it")
        }
        (ReferenceFault::NotAllowed | ReferenceFault::Outside, DataFile) => {
            Some("--references beside or any allows it, --data-file FILE replaces it")
        }
        (ReferenceFault::Protocol | ReferenceFault::NoName, BackingFile) => {
            Some("--backing FILE names the file")
        }
        (ReferenceFault::Protocol | ReferenceFault::NoName, DataFile) => {
            Some("--data-file FILE names the file")
        }
        (ReferenceFault::NoFormat, _) => {
            Some("give it with --backing-format raw or --backing-format qcow2")
        }
        (ReferenceFault::Format { .. }, BackingFile) => {
            Some("qemu-img convert can read it with all its layers")
        }
        _ => None,
    }
}

/// Returns whether `--salvage` restores an image in spite of `error`: it needs only the
/// headers, and the snapshot table if a snapshot is to be restored.
fn is_salvaged(error: &ImageError, snapshot: bool) -> bool {
    match error {
        ImageError::MarkedCorrupt
        | ImageError::DataFileOffset { .. }
        | ImageError::L1Entry { .. }
        | ImageError::L2Entry { .. }
        | ImageError::Compressed { .. }
        | ImageError::Overlap { .. }
        | ImageError::Truncated { .. }
        | ImageError::BitmapDirectory { .. } => true,
        ImageError::SnapshotTable { .. } | ImageError::SnapshotTableTooLarge { .. } => !snapshot,
        ImageError::TableTruncated { structure, .. } | ImageError::Read { structure, .. } => {
            match structure {
                Structure::Header | Structure::LuksHeader => false,
                Structure::SnapshotTable => !snapshot,
                _ => true,
            }
        }
        _ => false,
    }
}
