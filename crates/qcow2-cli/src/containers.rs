//! What a file is that is not the disk itself: an image in another format, a
//! compressed file, an archive. Found by its first bytes, or by its last ones if
//! the format has no others.

mod archive;
mod formats;
mod raw;

use std::fmt::{self, Display};
use std::io;
use std::path::Path;

use blockio::{ReadAt, len_u64};

use crate::args::SourceFormatArg;
use crate::failure::Failure;
use formats::FORMATS;

/// How much of the start of a file is looked at. The last thing that tells anything
/// is the superblock of btrfs.
const HEAD_BYTES: usize = 68 << 10;

/// How much of its end: a footer.
const TAIL_BYTES: usize = 512;

/// A format that wraps disks.
#[derive(Debug)]
pub(crate) struct Format {
    /// Its name with an article, as in "it is …".
    pub(crate) name: &'static str,
    /// The command that makes the disk of it, with FILE and DISK for the names.
    pub(crate) remedy: &'static str,
    /// Where its magic is, and what.
    magic: &'static [(usize, &'static [u8])],
    /// What must hold beside the magic.
    check: fn(&Ends) -> bool,
}

/// The first and the last bytes of a file.
#[derive(Debug)]
struct Ends {
    head: Vec<u8>,
    tail: Vec<u8>,
    size: u64,
}

impl Ends {
    fn read(disk: &(impl ReadAt + ?Sized)) -> io::Result<Self> {
        let size = disk.size();
        let part = |length: usize| {
            let length = len_u64(length).min(size);
            vec![0; usize::try_from(length).unwrap_or(0)]
        };
        let (mut head, mut tail) = (part(HEAD_BYTES), part(TAIL_BYTES));
        disk.read_at(0, &mut head)?;
        disk.read_at(size.saturating_sub(len_u64(tail.len())), &mut tail)?;
        Ok(Self { head, tail, size })
    }

    /// Whether the head has `bytes` at `at`.
    fn has(&self, at: usize, bytes: &[u8]) -> bool {
        let found = self.head.get(at..).unwrap_or_default();
        found.starts_with(bytes)
    }

    /// The byte at `at`; zero past the end of the head.
    fn byte(&self, at: usize) -> u8 {
        self.head.get(at).copied().unwrap_or(0)
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut array = [0; N];
        for (index, byte) in array.iter_mut().enumerate() {
            *byte = self.byte(at.saturating_add(index));
        }
        array
    }

    fn le32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    fn be32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.array(at))
    }
}

impl Format {
    fn fits(&self, ends: &Ends) -> bool {
        let mut magic = self.magic.iter();
        magic.all(|(at, bytes)| ends.has(*at, bytes)) && (self.check)(ends)
    }
}

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
