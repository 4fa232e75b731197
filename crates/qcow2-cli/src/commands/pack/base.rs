//! The older image that a new one lies over.

mod name;

use blockio::ReadAt;
use hostdisk::{Disk, Identity, Stamp, Target, in_use};
use qcow2_format::header::CryptMethod;
use qcow2_reader::{
    BackingFormat, DiskGate, Error, Gate, Image, ImageError, LAYERS_MAX, OpenOptions, Reference,
    ReferenceFault, read_header,
};

use super::source::Source;
use crate::args::{PackArgs, ReferenceArgs};
use crate::failure::Failure;
use crate::remedy::{self, Reading};
use crate::{references, remedy::end_of};

/// The older image, open until the new one is done.
pub(super) struct Base<'a> {
    args: &'a PackArgs,
    image: Image<Disk>,
    /// The states of its files.
    stamps: Vec<Stamp>,
    /// What the new image calls it.
    name: Vec<u8>,
    /// Which other files it may bring in.
    references: ReferenceArgs,
}

impl<'a> Base<'a> {
    /// Opens the base, if there is one, and refuses one that `unpack` would not restore,
    /// or that `source` is a part of.
    pub(super) fn open(args: &'a PackArgs, source: &Source<'_>) -> Result<Option<Self>, Failure> {
        let Some(path) = &args.base.base else {
            return Ok(None);
        };
        let disk = Disk::open(path)?;
        if let Some(user) = in_use::source_in_use(&disk)? {
            let failure = Failure::because(path, &user);
            return Err(match end_of(&user) {
                Some(remedy) => failure.with(&remedy),
                None => failure,
            });
        }
        let failed = |error: Error| refused(args, &error);
        let header = read_header(&disk).map_err(|error| failed(error.into()))?;
        if header.crypt_method != CryptMethod::None {
            return Err(encrypted(args));
        }
        let stamp = disk.stamp()?;
        let references = args.base_references(source.is_image());
        let mut gate = references::gate(&references, &disk);
        let image = Image::open_with(disk, &OpenOptions::default(), &mut gate).map_err(failed)?;
        references::check_use(&references, path, &gate)?;
        // Both the new image and the base are layers, too.
        if gate.backing_file_count().saturating_add(2) > LAYERS_MAX {
            let message =
                format!("it has {LAYERS_MAX} layers, and an image over it could not be restored");
            return Err(Failure::because(path, message));
        }
        image.check_references().map_err(failed)?;
        let stamps = image.files().iter().map(Disk::stamp);
        let mut stamps = stamps.collect::<Result<Vec<_>, _>>()?;
        if let Some(first) = stamps.first_mut() {
            *first = stamp;
        }
        let base = Self {
            args,
            image,
            stamps,
            name: name::recorded(args, path)?,
            references,
        };
        if base
            .identities()
            .any(|file| Some(file) == source.identity())
        {
            let message = "the source is a part of it";
            return Err(Failure::because(path, message));
        }
        Ok(Some(base))
    }

    /// The disk in it.
    pub(super) fn image(&self) -> &Image<Disk> {
        &self.image
    }

    /// What the new image calls it.
    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    /// Which files it is in.
    pub(super) fn identities(&self) -> impl Iterator<Item = Identity> {
        self.image.files().iter().map(Disk::identity)
    }

    /// Its files, each with the time of its last change, as far as there is one.
    pub(super) fn files(&self) -> impl Iterator<Item = (&dyn ReadAt, Option<(i64, i64)>)> {
        let files = self.image.files().iter().zip(&self.stamps);
        files.map(|(file, stamp)| {
            let file: &dyn ReadAt = file;
            (file, stamp.modified())
        })
    }

    /// Fails if it is not what it was when it was opened.
    pub(super) fn check_unchanged(&self) -> Result<(), Failure> {
        for (file, stamp) in self.image.files().iter().zip(&self.stamps) {
            if file.stamp()? != *stamp {
                let message = "the base changed while it was read";
                return Err(Failure::because(file.path(), message));
            }
        }
        Ok(())
    }

    /// The finished image in `target`, over this base.
    pub(super) fn below<'t>(&self, target: &'t Target) -> Result<Chain<'t>, Failure> {
        let file = self.image.files().first().map(Disk::try_clone);
        let Some(file) = file.transpose()? else {
            return Err(Failure::because(&self.args.image, "its base is not open"));
        };
        let mut gate = Below {
            gate: references::gate(&self.references, &file),
            base: Some(file),
        };
        let image: Box<dyn ReadAt + 't> = Box::new(target.uncached());
        Image::open_with(image, &OpenOptions::default(), &mut gate)
            .map_err(|error| Failure::about(&self.args.image, &error))
    }
}

/// An image whose files are of different kinds.
pub(super) type Chain<'t> = Image<Box<dyn ReadAt + 't>>;

/// The gate for an image that is not in its place yet, and what lies below it.
struct Below {
    base: Option<Disk>,
    /// That of the base.
    gate: DiskGate,
}

impl<'t> Gate<Box<dyn ReadAt + 't>> for Below {
    fn backing_file(
        &mut self,
        reference: &Reference<'_>,
    ) -> Result<(Box<dyn ReadAt + 't>, BackingFormat), ReferenceFault> {
        if let Some(base) = self.base.take() {
            return Ok((Box::new(base), BackingFormat::Qcow2));
        }
        let (disk, format) = self.gate.backing_file(&of_base(reference))?;
        Ok((Box::new(disk), format))
    }

    fn data_file(
        &mut self,
        reference: &Reference<'_>,
    ) -> Result<Box<dyn ReadAt + 't>, ReferenceFault> {
        let disk = self.gate.data_file(&of_base(reference))?;
        Ok(Box::new(disk))
    }
}

/// The same reference, counted from the base.
fn of_base<'r>(reference: &Reference<'r>) -> Reference<'r> {
    Reference {
        layer: reference.layer.saturating_sub(1),
        ..*reference
    }
}

/// Why the base cannot be used.
fn refused(args: &PackArgs, error: &Error) -> Failure {
    if matches!(error, Error::Image(error) if needs_secret(error)) {
        return encrypted(args);
    }
    let reading = Reading {
        references: args.reading.image.references.references,
        snapshot: false,
        salvage: None,
    };
    remedy::of_image(args.base_name(), error, reading)
}

fn needs_secret(error: &ImageError) -> bool {
    match error {
        ImageError::InLayer { source, .. } => needs_secret(source),
        ImageError::NoSecret { .. } => true,
        _ => false,
    }
}

fn encrypted(args: &PackArgs) -> Failure {
    let message = "it is encrypted, and what is packed over it would not be";
    Failure::because(args.base_name(), message)
}
