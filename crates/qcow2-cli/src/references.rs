//! Files that an image brings in.

use std::path::Path;

use blockio::Disk;
use qcow2_reader::{DiskGate, Error, ReferenceFault, ReferenceKind};

use crate::args::ReferenceArgs;
use crate::failure::{Failure, STDIN};

/// The gate that the command line asks for, for the image `top`.
pub(crate) fn gate(args: &ReferenceArgs, top: &Disk) -> DiskGate {
    DiskGate::new(top, args.references.into())
        .with_backing_files(args.backing_files.clone())
        .with_data_file(args.data_file.clone())
        .with_format(args.backing_format.map(Into::into))
}

/// Refuses files on the command line that no image had a use for.
pub(crate) fn check_use(
    args: &ReferenceArgs,
    image: &Path,
    gate: &DiskGate,
) -> Result<(), Failure> {
    check_layers(args, image, gate)?;
    if args.data_file.is_some() && !gate.has_data_file() {
        return Err(Failure::because(image, "it has no external data file"));
    }
    Ok(())
}

/// Refuses backing files on the command line that no image had a use for.
pub(crate) fn check_layers(
    args: &ReferenceArgs,
    image: &Path,
    gate: &DiskGate,
) -> Result<(), Failure> {
    let unused = args.backing_files.get(gate.backing_file_count());
    if let Some(file) = unused {
        let message = format!("there is no such layer for --backing {}", file.display());
        return Err(Failure::because(image, message));
    }
    Ok(())
}

/// The failure that `error` is, of the image at `path`, with what can be done
/// about a file that is not opened.
pub(crate) fn failure(path: &Path, error: &Error) -> Failure {
    let failure = Failure::about(path, error);
    match remedy(error) {
        // From the standard input no other files are read.
        Some(_) if path == Path::new(STDIN) && !matches!(error, Error::NoSecret { .. }) => failure,
        Some(remedy) => failure.with(remedy),
        None => failure,
    }
}

fn remedy(error: &Error) -> Option<&'static str> {
    match error {
        Error::InLayer { source, .. } => remedy(source),
        Error::NoSecret { .. } => Some("--secret-file FILE has it"),
        Error::Reference { kind, source, .. } => match (source, kind) {
            (ReferenceFault::NotAllowed | ReferenceFault::Outside, ReferenceKind::BackingFile) => {
                Some("--references beside or any allows it, --backing FILE names the file")
            }
            (ReferenceFault::NotAllowed | ReferenceFault::Outside, ReferenceKind::DataFile) => {
                Some("--references beside or any allows it, --data-file FILE names the file")
            }
            (ReferenceFault::Protocol | ReferenceFault::NoName, ReferenceKind::BackingFile) => {
                Some("--backing FILE names the file")
            }
            (ReferenceFault::Protocol | ReferenceFault::NoName, ReferenceKind::DataFile) => {
                Some("--data-file FILE names the file")
            }
            (ReferenceFault::NoFormat, _) => {
                Some("--backing-format raw or --backing-format qcow2 says it")
            }
            _ => None,
        },
        _ => None,
    }
}
