//! Recognizes files that contain a disk instead of being one: images in other
//! formats, compressed files and archives. They are recognized by their first bytes,
//! or by their last bytes if the format has no magic at the start.

mod archive;
mod ends;
mod format;
mod formats;
mod raw;

use std::fmt::{self, Display};
use std::path::Path;

use blockio::ReadAt;

use crate::failure::Failure;
use ends::Ends;
use format::Format;
use formats::FORMATS;

fn format_of(ends: &Ends) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.fits(ends))
}

/// What a file that is to be read as a disk looks like.
pub(crate) enum Start {
    /// A qcow2 image: its first bytes are the magic of one.
    Qcow2,
    /// Another container.
    Container(Container),
    /// No container that is known.
    Unknown,
    /// Its ends cannot be read, which is left to the code that needs them.
    Unreadable,
}

/// A container that is no disk.
pub(crate) struct Container(&'static Format);

/// Returns what `disk` looks like.
pub(crate) fn start_of(disk: &(impl ReadAt + ?Sized)) -> Start {
    let Ok(ends) = Ends::read(disk) else {
        return Start::Unreadable;
    };
    match format_of(&ends) {
        Some(format) if format.name == formats::QCOW2 => Start::Qcow2,
        Some(format) => Start::Container(Container(format)),
        None => Start::Unknown,
    }
}

/// Returns the refusal to use a container at `path` as a disk.
pub(crate) fn refused(path: &Path, Container(format): &Container) -> Failure {
    let Format { name, remedy, .. } = format;
    Failure::because(
        path,
        format_args!(
            "it looks like {name}, not like a disk; extract its contents with `{remedy}`, \
             or use the file itself as the disk with --source-format raw"
        ),
    )
}

/// Names what is on a disk, if it is something other than an ext filesystem.
pub(crate) fn on_disk(disk: &(impl ReadAt + ?Sized)) -> Option<&'static str> {
    let ends = Ends::read(disk).ok()?;
    raw::disk(&ends).filter(|&what| what != raw::EXT)
}

/// Names what is on a disk without a filesystem that is looked into, or what the file of one
/// looks like.
pub(crate) fn looks_like(disk: &(impl ReadAt + ?Sized)) -> Option<&'static str> {
    let ends = Ends::read(disk).ok()?;
    match look(&ends) {
        Look::Disk(what) | Look::Other(what) => Some(what),
        Look::Container(_) | Look::Unknown(_) => None,
    }
}

/// Returns whether the file is a disk outside any container. A file that may be anything,
/// such as one that begins with zeros, is none.
pub(crate) fn is_disk(disk: &(impl ReadAt + ?Sized)) -> bool {
    let ends = Ends::read(disk).ok();
    matches!(ends.map(|ends| look(&ends)), Some(Look::Disk(_)))
}

/// What a file that is not a qcow2 image looks like.
enum Look {
    Container(&'static Format),
    /// Something else with this name.
    Other(&'static str),
    /// A disk outside any container, with this on it.
    Disk(&'static str),
    /// An unknown format, with these first bytes.
    Unknown([u8; 4]),
}

impl Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(Format { name, remedy, .. }) => {
                write!(
                    f,
                    "it looks like {name}; extract its contents with `{remedy}`"
                )
            }
            Self::Other(name) => write!(f, "it looks like {name}"),
            Self::Disk(what) => write!(
                f,
                "it looks like a raw disk with {what}, which needs no unpacking; \
                 pack makes an image of it"
            ),
            Self::Unknown(start) => write!(
                f,
                "its format is unknown (it begins with {:08x})",
                u32::from_be_bytes(*start)
            ),
        }
    }
}

/// Returns the failure that the file at `path` is not a qcow2 image, with what it
/// looks like.
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
