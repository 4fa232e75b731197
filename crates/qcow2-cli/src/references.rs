//! Which other files may be opened for an image.

use std::path::Path;

use hostdisk::Disk;
use qcow2_reader::DiskGate;

use crate::args::ReferenceArgs;
use crate::failure::Failure;

/// Returns the gate for the image `top`, as the command line asks for it.
pub(crate) fn gate(args: &ReferenceArgs, top: &Disk) -> DiskGate {
    DiskGate::new(top, args.references.into())
        .with_backing_files(args.backing_files.clone())
        .with_data_file(args.data_file.clone())
        .with_format(args.backing_format.map(Into::into))
}

/// Refuses files on the command line that no image uses.
pub(crate) fn check_use(
    args: &ReferenceArgs,
    image: &Path,
    gate: &DiskGate,
) -> Result<(), Failure> {
    check_layers(args, image, gate)?;
    if args.data_file.is_some() && !gate.has_data_file() {
        return Err(Failure::because(
            image,
            "--data-file was given, but the image has no external data file",
        ));
    }
    Ok(())
}

/// Refuses backing files on the command line that no image uses.
pub(crate) fn check_layers(
    args: &ReferenceArgs,
    image: &Path,
    gate: &DiskGate,
) -> Result<(), Failure> {
    let unused = args.backing_files.get(gate.backing_file_count());
    if let Some(file) = unused {
        let message = format!("no layer of it uses --backing {}", file.display());
        return Err(Failure::because(image, message));
    }
    Ok(())
}
