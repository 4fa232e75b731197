//! The backing file of an image that is changed, or made.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use blockio::{AllData, ReadAt, Tiling};
use hostdisk::{Disk, Identity};
use qcow2_reader::{
    BackingFormat, DiskGate, Error, Gate, Image, OpenOptions, Reference, ReferenceFault,
    backing_file_of, read_header,
};

use crate::args::{ReferenceArgs, ReferencesArg};
use crate::failure::Failure;
use crate::references;
use crate::remedy::{self, Reading};

/// The disk of a backing file.
pub(super) enum Backing {
    Raw(Disk),
    Image(Box<Image<Disk>>),
}

impl Backing {
    /// Returns the disk.
    pub(super) fn disk(&self) -> &dyn ReadAt {
        match self {
            Self::Raw(disk) => disk,
            Self::Image(image) => image,
        }
    }

    /// Returns where it may hold anything but zeros.
    pub(super) fn stored(&self) -> &dyn Tiling {
        match self {
            Self::Raw(_) => &AllData,
            Self::Image(image) => image,
        }
    }

    /// Returns which files it is in.
    pub(super) fn identities(&self) -> Vec<Identity> {
        match self {
            Self::Raw(disk) => vec![disk.identity()],
            Self::Image(image) => image.files().iter().map(Disk::identity).collect(),
        }
    }
}

/// Opens the backing file of the image at `path`, if it has one.
pub(super) fn of_image(path: &Path, args: &ReferenceArgs) -> Result<Option<Backing>, Failure> {
    let reading = Reading::of_tables(args.references);
    let failed = |error: Error| remedy::of_image(path, &error, reading);
    let top = Disk::open(path)?;
    let header = read_header(&top).map_err(|error| failed(error.into()))?;
    let mut gate = references::gate(args, &top);
    let Some(reference) = backing_file_of(&header, 0) else {
        return Ok(None);
    };
    let opened = gate.backing_file(&reference);
    let (disk, format) = opened.map_err(|fault| failed(refused(&reference, fault)))?;
    let backing = opened_as(disk, format, &mut Beneath(gate)).map_err(failed)?;
    Ok(Some(backing))
}

/// The backing file `name` of an image that is to be made at `path`: the size of the disk
/// in it, and which file it is. What lies below it is not opened.
pub(super) fn named(
    path: &Path,
    name: &Path,
    format: BackingFormat,
) -> Result<(u64, Identity), Failure> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let place = folder.join(name);
    let disk = Disk::open(&place)?;
    let size = match format {
        BackingFormat::Raw => disk.size(),
        BackingFormat::Qcow2 => {
            let header = read_header(&disk).map_err(|error| {
                let reading = Reading::of_tables(ReferencesArg::Refuse);
                remedy::of_image(&place, &error.into(), reading)
            })?;
            header.exact_size().unwrap_or(header.size)
        }
    };
    Ok((size, disk.identity()))
}

/// Refuses the image at `path` as its own backing file. Another name may lead to nothing.
pub(super) fn check_is_another(path: &Path, name: &OsStr) -> Result<(), Failure> {
    let place = path.parent().unwrap_or(Path::new("")).join(name);
    let same = match (fs::metadata(path), fs::metadata(&place)) {
        (Ok(image), Ok(backing)) => (image.dev(), image.ino()) == (backing.dev(), backing.ino()),
        _ => false,
    };
    if same {
        let message = "it cannot be its own backing file";
        return Err(Failure::because(path, message));
    }
    Ok(())
}

/// Opens the backing file `name` of the image at `path`, which does not name it yet. What
/// it names itself is opened as `args` allow.
pub(super) fn chosen(
    path: &Path,
    name: &Path,
    format: BackingFormat,
    args: &ReferenceArgs,
) -> Result<Backing, Failure> {
    let place = path.parent().unwrap_or(Path::new("")).join(name);
    let disk = Disk::open(&place)?;
    let mut gate = DiskGate::new(&disk, args.references.into());
    opened_as(disk, format, &mut gate).map_err(|error| {
        let reading = Reading::of_tables(args.references);
        remedy::of_image(&place, &error, reading)
    })
}

fn opened_as(
    disk: Disk,
    format: BackingFormat,
    gate: &mut dyn Gate<Disk>,
) -> Result<Backing, Error> {
    match format {
        BackingFormat::Raw => Ok(Backing::Raw(disk)),
        BackingFormat::Qcow2 => {
            let image = Image::open_with(disk, &OpenOptions::default(), gate)?;
            Ok(Backing::Image(Box::new(image)))
        }
    }
}

/// The error that a reference is refused.
fn refused(reference: &Reference<'_>, source: ReferenceFault) -> Error {
    let name = reference.name;
    let name = name.map(|name| String::from_utf8_lossy(name).into_owned());
    Error::Image(qcow2_reader::ImageError::Reference {
        kind: reference.kind,
        name,
        source,
    })
}

/// The gate of an image for what lies below its backing file.
struct Beneath<G>(G);

impl<G: Gate<Disk>> Gate<Disk> for Beneath<G> {
    fn backing_file(
        &mut self,
        reference: &Reference<'_>,
    ) -> Result<(Disk, BackingFormat), ReferenceFault> {
        self.0.backing_file(&below(reference))
    }

    fn data_file(&mut self, reference: &Reference<'_>) -> Result<Disk, ReferenceFault> {
        self.0.data_file(&below(reference))
    }
}

/// The same reference, counted from the image.
fn below<'r>(reference: &Reference<'r>) -> Reference<'r> {
    Reference {
        layer: reference.layer.saturating_add(1),
        ..*reference
    }
}
