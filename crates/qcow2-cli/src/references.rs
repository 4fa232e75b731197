//! Files that an image brings in.

use std::path::Path;

use hostdisk::Disk;
use qcow2_reader::DiskGate;

use crate::args::ReferenceArgs;
use crate::failure::Failure;

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
