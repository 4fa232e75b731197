//! What an image calls its backing file.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use qcow2_reader::has_protocol;

use super::super::place::is_same;
use crate::args::PackArgs;
use crate::failure::Failure;

/// The longest name that an image may have for its backing file, in bytes.
const NAME_BYTES_MAX: usize = 1023;

/// The name asked for, or else the path from the folder of the image to the base at
/// `path`: relative if the base lies in that folder or beneath it, else absolute, and
/// without symbolic links, which may lead elsewhere one day.
pub(super) fn recorded(args: &PackArgs, path: &Path) -> Result<Vec<u8>, Failure> {
    if let Some(name) = &args.base.base_name {
        if leads_to_image(Path::new(name), args) {
            let message = "--base-name leads to the new image, which cannot be its own base";
            return Err(Failure::Usage(message.into()));
        }
        return checked(name.as_bytes().to_vec(), args);
    }
    let base = fs::canonicalize(path).map_err(|error| Failure::about(path, &error))?;
    let relative = folder(args).and_then(|folder| {
        let rest = base.strip_prefix(folder).ok()?;
        Some(rest.as_os_str().as_bytes().to_vec())
    });
    let name = match relative {
        // What stands before a colon would be a protocol.
        Some(name) if has_protocol(&name) => [b"./", name.as_slice()].concat(),
        Some(name) => name,
        None => base.as_os_str().as_bytes().to_vec(),
    };
    checked(name, args)
}

/// The folder that the image will be found in, where that is certain.
fn folder(args: &PackArgs) -> Option<PathBuf> {
    let image = &args.image;
    let is_file = fs::symlink_metadata(image).map_or(true, |there| there.is_file());
    if args.to_stdout() || !is_file {
        return None;
    }
    let folder = image.parent()?;
    let here = folder.as_os_str().is_empty();
    fs::canonicalize(if here { Path::new(".") } else { folder }).ok()
}

/// Whether `name`, seen from the folder of the image, leads to the image.
fn leads_to_image(name: &Path, args: &PackArgs) -> bool {
    let folder = args.image.parent().filter(|_| !args.to_stdout());
    folder.is_some_and(|folder| is_same(&folder.join(name), &args.image))
}

fn checked(name: Vec<u8>, args: &PackArgs) -> Result<Vec<u8>, Failure> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        let message = format!(
            "the name of its base has {} bytes, and 1 to {NAME_BYTES_MAX} are allowed: --base-name \
             records another",
            name.len()
        );
        return Err(Failure::because(&args.image, message));
    }
    Ok(name)
}
