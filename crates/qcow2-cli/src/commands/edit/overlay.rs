//! An image with its backing files, of which one is changed.

use std::path::Path;

use hostdisk::Disk;
use qcow2_reader::{Error, Image, OpenOptions};

use crate::args::ReferenceArgs;
use crate::failure::Failure;
use crate::references;
use crate::remedy::{self, Reading};

/// Opens the image at `path` to read the disk, and checks it.
pub(super) fn open(path: &Path, args: &ReferenceArgs) -> Result<Image<Disk>, Failure> {
    let top = Disk::open(path)?;
    let mut gate = references::gate(args, &top);
    let image = Image::open_with(top, &OpenOptions::default(), &mut gate);
    let image = image.map_err(|error| failure(path, args, &error))?;
    references::check_use(args, path, &gate)?;
    let checked = image.check_references();
    checked.map_err(|error| failure(path, args, &error))?;
    Ok(image)
}

/// The failure that `error` is, of the image at `path`.
pub(super) fn failure(path: &Path, args: &ReferenceArgs, error: &Error) -> Failure {
    remedy::of_image(path, error, Reading::of_tables(args.references))
}
