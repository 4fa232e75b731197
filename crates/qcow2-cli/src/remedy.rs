//! What can be done about a refusal.

use std::path::Path;

use hostdisk::in_use::InUse;
use qcow2_format::Error as FormatError;
use qcow2_reader::{Error, ReferenceFault, ReferenceKind, Structure};

use crate::args::ReferencesArg;
use crate::containers;
use crate::failure::{Failure, STDIN};

/// How an image is read, as far as it could be read otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Which files it may bring in.
    pub(crate) references: ReferencesArg,
    /// Whether one of its snapshots is asked for.
    pub(crate) snapshot: bool,
    /// Whether damage would be lived with, if the user asked for that. `None` if it
    /// is already, or never.
    pub(crate) salvage: Option<&'static str>,
}

/// Bytes of the magic of an image.
const MAGIC_BYTES: u64 = 4;

/// The option that restores a damaged image.
pub(crate) const SALVAGE: &str = "--salvage restores what can be read";

/// The failure that `error` is, of the image at `path`.
pub(crate) fn of_image(path: &Path, error: &Error, reading: Reading) -> Failure {
    let is_stdin = path == Path::new(STDIN);
    if let Error::Header(error) = error
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

/// Whether the file is something else than a qcow2 image: it has no magic, has not
/// even room for it, or is of version 1, which is another format.
fn is_no_image(error: &FormatError) -> bool {
    match error {
        FormatError::Magic { .. } | FormatError::Version { found: 1 } => true,
        FormatError::HeaderTruncated { needed, .. } => *needed <= MAGIC_BYTES,
        _ => false,
    }
}

fn remedy(error: &Error, reading: Reading) -> Option<&'static str> {
    match error {
        Error::InLayer { source, .. } => remedy(source, reading),
        Error::NoSecret { .. } => Some("--secret-file FILE has it"),
        Error::NoSnapshot { .. } => Some("qcow2 info lists those it has"),
        Error::Reference { kind, source, .. } => of_reference(*kind, source, reading.references),
        error if is_salvaged(error, reading.snapshot) => reading.salvage,
        _ => None,
    }
}

fn is_of_reference(error: &Error) -> bool {
    match error {
        Error::InLayer { source, .. } => is_of_reference(source),
        Error::Reference { .. } => true,
        _ => false,
    }
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
            Some("--references any allows it, --backing FILE names the file")
        }
        (ReferenceFault::NotAllowed | ReferenceFault::Outside, DataFile) if is_beside => {
            Some("--references any allows it, --data-file FILE names the file")
        }
        (ReferenceFault::NotAllowed | ReferenceFault::Outside, BackingFile) => {
            Some("--references beside or any allows it, --backing FILE names the file")
        }
        (ReferenceFault::NotAllowed | ReferenceFault::Outside, DataFile) => {
            Some("--references beside or any allows it, --data-file FILE names the file")
        }
        (ReferenceFault::Protocol | ReferenceFault::NoName, BackingFile) => {
            Some("--backing FILE names the file")
        }
        (ReferenceFault::Protocol | ReferenceFault::NoName, DataFile) => {
            Some("--data-file FILE names the file")
        }
        (ReferenceFault::NoFormat, _) => {
            Some("--backing-format raw or --backing-format qcow2 says it")
        }
        (ReferenceFault::Format { .. }, BackingFile) => {
            Some("qemu-img convert reads it, with all its layers")
        }
        _ => None,
    }
}

/// Whether `--salvage` restores an image in spite of `error`: it does without
/// everything but the headers, and the table of snapshots if it needs that.
fn is_salvaged(error: &Error, snapshot: bool) -> bool {
    match error {
        Error::MarkedCorrupt
        | Error::DataFileOffset { .. }
        | Error::L1Entry { .. }
        | Error::L2Entry { .. }
        | Error::Compressed { .. }
        | Error::Overlap { .. }
        | Error::Truncated { .. }
        | Error::NoRefcountTable
        | Error::RefcountTable { .. }
        | Error::Refcount { .. }
        | Error::Conflict { .. }
        | Error::TooScattered { .. }
        | Error::BitmapDirectory { .. } => true,
        Error::SnapshotTable { .. } | Error::SnapshotTableTooLarge { .. } => !snapshot,
        Error::TableTruncated { structure, .. } | Error::Read { structure, .. } => {
            match structure {
                Structure::Header | Structure::LuksHeader => false,
                Structure::SnapshotTable => !snapshot,
                _ => true,
            }
        }
        _ => false,
    }
}

/// What can be done about an error of a file or device, where `--force` was not
/// given if that is what it needs.
pub(crate) fn of_file(error: &hostdisk::Error) -> Option<String> {
    match error {
        hostdisk::Error::Exists { .. } => Some("--force overwrites it".into()),
        hostdisk::Error::InUse { by, .. } => end_of(by),
        hostdisk::Error::Unnameable { .. } => {
            Some("make it elsewhere and copy it, or write it to - and redirect that".into())
        }
        _ => None,
    }
}

/// How a use of a disk ends.
pub(crate) fn end_of(by: &InUse) -> Option<String> {
    match by {
        InUse::Mounted { .. } => Some("unmount it first".into()),
        InUse::Loop { device } | InUse::PerhapsLoop { device } => {
            Some(format!("losetup -d /dev/{device} ends that"))
        }
        InUse::Swap => Some("swapoff ends that".into()),
        InUse::QemuWrites | InUse::QemuReads => Some("stop the virtual machine first".into()),
        InUse::Exclusive => None,
    }
}

/// What else `pack` can do with a source that somebody uses.
pub(crate) fn for_pack(by: Option<&InUse>, is_device: bool) -> &'static str {
    match by {
        Some(InUse::Mounted { .. }) if is_device => {
            "--allow-mounted --freeze packs it while its filesystem holds still, \
             --allow-mounted alone packs all of it all the same, a snapshot is better"
        }
        _ => "--allow-mounted packs all of it all the same, a snapshot is better",
    }
}
