//! What a file is that is not the disk itself: an image in another format, a
//! compressed file, an archive. Found by its first bytes, or by its last ones if
//! the format has no others.

mod archive;
mod ends;
mod format;
mod formats;
mod raw;

use std::fmt::{self, Display};
use std::path::Path;

use blockio::ReadAt;

use crate::args::SourceFormatArg;
use crate::failure::Failure;
use ends::Ends;
use format::Format;
use formats::FORMATS;

fn format_of(ends: &Ends) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.fits(ends))
}

/// Refuses to take a container at `path` for the disk in it, unless the command
/// line says that it is meant. What cannot be read is found by whoever needs it.
pub(crate) fn refuse(
    meant: SourceFormatArg,
    path: &Path,
    disk: &(impl ReadAt + ?Sized),
) -> Result<(), Failure> {
    if meant == SourceFormatArg::Raw {
        return Ok(());
    }
    let found = Ends::read(disk).ok();
    match found.as_ref().and_then(format_of) {
        None => Ok(()),
        Some(Format { name, remedy, .. }) => Err(Failure::because(
            path,
            format_args!(
                "it looks like {name}, not like a disk; unwrap it with `{remedy}`, or take \
                 the file as it is with --source-format raw"
            ),
        )),
    }
}

/// What is on a disk, if it has something other than an ext filesystem.
pub(crate) fn on_disk(disk: &(impl ReadAt + ?Sized)) -> Option<&'static str> {
    let ends = Ends::read(disk).ok()?;
    raw::disk(&ends).filter(|&what| what != raw::EXT)
}

/// What a file looks like that is not a qcow2 image.
enum Look {
    Container(&'static Format),
    /// Something else that is known by this name.
    Other(&'static str),
    /// A disk that is not in any container, and what is on it.
    Disk(&'static str),
    /// Nothing that is known, and its first bytes.
    Unknown([u8; 4]),
}

impl Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(Format { name, remedy, .. }) => {
                write!(f, "it looks like {name}; unwrap it with `{remedy}`")
            }
            Self::Other(name) => write!(f, "it looks like {name}"),
            Self::Disk(what) => write!(
                f,
                "it looks like a raw disk with {what}, which needs no unpacking; \
                 pack makes an image of it"
            ),
            Self::Unknown(start) => write!(
                f,
                "it looks like nothing that is known (it begins with {:08x})",
                u32::from_be_bytes(*start)
            ),
        }
    }
}

/// The failure that the file at `path` is not a qcow2 image, with what it looks
/// like.
pub(crate) fn not_an_image(path: &Path) -> Failure {
    let message = "not a qcow2 image";
    let disk = hostdisk::Disk::open(path).ok();
    let looked = disk
        .and_then(|disk| Ends::read(&disk).ok())
        .map(|ends| look(&ends));
    match looked {
        Some(look) => Failure::because(path, format_args!("{message}: {look}")),
        None => Failure::because(path, message),
    }
}

fn look(ends: &Ends) -> Look {
    if ends.size == 0 {
        return Look::Other("an empty file");
    }
    if let Some(format) = format_of(ends) {
        return Look::Container(format);
    }
    match (raw::disk(ends), raw::text(ends)) {
        (Some(what), _) => Look::Disk(what),
        (None, Some(name)) => Look::Other(name),
        (None, None) if ends.head.iter().all(|&byte| byte == 0) => {
            Look::Other("a file that begins with zeros")
        }
        (None, None) => Look::Unknown(ends.array(0)),
    }
}

#[cfg(test)]
mod tests;
