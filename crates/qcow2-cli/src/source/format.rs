//! Tells a raw disk from a qcow2 image.
//!
//! A guest can write anything into the first bytes of a raw disk. Its bytes alone
//! therefore never make an image of a file: the name has to say so, too, or the user.

use std::path::Path;

use hostdisk::Disk;

use crate::args::SourceFormatArg;
use crate::containers::{self, Start};
use crate::failure::Failure;

/// What the bytes of a source are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Raw,
    Qcow2,
}

/// The two readings, and how each is asked for.
const READINGS: &str = "--source-format qcow2 reads the disk in the image, --source-format raw \
                        uses the file itself as the disk";

/// Decides what the bytes of `disk` are, which `name` names.
pub(super) fn of(meant: SourceFormatArg, name: &Path, disk: &Disk) -> Result<Format, Failure> {
    match meant {
        SourceFormatArg::Raw => return Ok(Format::Raw),
        SourceFormatArg::Qcow2 => return Ok(Format::Qcow2),
        SourceFormatArg::Auto => {}
    }
    match (containers::start_of(disk), is_named_so(name, disk)) {
        (Start::Qcow2, true) => Ok(Format::Qcow2),
        (Start::Qcow2, false) => Err(Failure::because(
            name,
            format_args!("it looks like a qcow2 image, and its name does not say so: {READINGS}"),
        )),
        (Start::Container(found), _) => Err(containers::refused(name, &found)),
        // An image whose first bytes cannot be read is refused as one.
        (Start::Unreadable, true) => Ok(Format::Qcow2),
        (Start::Unknown, true) => Err(Failure::because(
            name,
            "its name is that of a qcow2 image, and its bytes are not; --source-format raw uses \
             the file itself as the disk",
        )),
        (Start::Unknown | Start::Unreadable, false) => Ok(Format::Raw),
    }
}

/// Whether `disk`, which `name` names, is a raw disk for a command that reads images, too:
/// what is on it is known, or it is nothing that could be told from a disk.
pub(crate) fn is_raw(name: &Path, disk: &Disk) -> bool {
    let is_unknown = matches!(containers::start_of(disk), Start::Unknown);
    containers::is_disk(disk) || (is_unknown && !is_named_so(name, disk))
}

/// Whether the name of a file says that it is a qcow2 image. What a device or a pipe is
/// called says nothing of what is in it.
fn is_named_so(name: &Path, disk: &Disk) -> bool {
    let extension = name.extension().and_then(|extension| extension.to_str());
    let is_one = |extension: &str| {
        let extension = extension.to_ascii_lowercase();
        ["qcow2", "qcow2c", "qcow"].contains(&extension.as_str())
    };
    !disk.is_device() && extension.is_some_and(is_one)
}
