//! An image that is changed: opened, refused with a hint, reported.

use std::path::Path;

use hostdisk::{Disk, EditedFile};
use qcow2_edit::{Changed, Editor, Error};

use super::report::Report;
use crate::args::{EditedArgs, ReferencesArg};
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::remedy::{self, Reading};

/// Opens the image to change it.
pub(super) fn open(path: &Path) -> Result<Editor<EditedFile>, Failure> {
    Editor::open(EditedFile::open(path)?).map_err(|error| failure(path, error))
}

/// Opens the image to read its tables.
pub(super) fn open_to_read(path: &Path) -> Result<Disk, Failure> {
    Ok(Disk::open(path)?)
}

/// Turns `error`, about the image at `path`, into a failure with a hint.
pub(super) fn failure(path: &Path, error: Error) -> Failure {
    let hint = match &error {
        Error::Damaged(_)
        | Error::Fault(_)
        | Error::Map(qcow2_reader::ImageError::MarkedCorrupt) => {
            Some("qcow2 check --repair all --dry-run shows what is wrong and what can be repaired")
        }
        Error::WouldShrink { .. } => Some("--shrink allows it"),
        Error::NotFound { kind, .. } if *kind == "snapshot" => {
            Some("qcow2 snapshot list shows its snapshots")
        }
        Error::NotFound { .. } => Some("qcow2 bitmap list shows its bitmaps"),
        _ => None,
    };
    let failure = match error {
        Error::Map(error) => {
            let reading = Reading::of_tables(ReferencesArg::Refuse);
            remedy::of_image(path, &error.into(), reading)
        }
        error => Failure::about(path, &error),
    };
    match hint {
        Some(hint) => failure.with(hint),
        None => failure,
    }
}

/// Reports a change that was made.
pub(super) fn report(
    args: &EditedArgs,
    command: &'static str,
    done: String,
    changed: Result<Changed, Error>,
) -> Result<Outcome, Failure> {
    let changed = changed.map_err(|error| failure(&args.image, error))?;
    let report = Report::new(&args.image, command, done, &changed);
    if !args.quiet {
        output::print_done(&report, args.output.output, false);
    }
    Ok(report.outcome())
}
