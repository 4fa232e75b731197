//! An image with the files that it depends on, opened to read its disk.

mod again;
mod report;

use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use blockio::{ExtentKind, ReadAt, len_u64};
use hostdisk::{Disk, Stamp, Uncached, in_use};
use qcow2_format::extension::Extension;
use qcow2_format::feature::IncompatibleFeatures;
use qcow2_reader::{BackingFormat, Checked, Error, Image, OpenOptions};

use super::secret;
use crate::args::ImageArgs;
use crate::failure::Failure;
use crate::references;
use crate::remedy::{self, Reading};
use crate::text::Foreign;

use again::Recorded;
pub(crate) use report::ImageReport;

/// What is asked of an image.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) args: &'a ImageArgs,
    /// The name of the image for messages.
    pub(crate) name: &'a Path,
    /// Whether damage is tolerated; `None` where the command has no such option.
    pub(crate) salvage: Option<bool>,
    /// Whether the command reads another image, which may be the one that the options for
    /// other files are for.
    pub(crate) has_base: bool,
}

impl Ask<'_> {
    /// Returns the first option that makes no sense if the source is a raw disk.
    pub(crate) fn given_in_vain(&self) -> Option<&'static str> {
        if self.has_base {
            self.args.given_of_one_file()
        } else {
            self.args.given()
        }
    }

    /// Returns the failure that `error` is, of the image.
    pub(crate) fn failure(&self, error: &Error) -> Failure {
        let reading = Reading {
            references: self.args.references.references,
            snapshot: self.args.snapshot.is_some(),
            salvage: (self.salvage == Some(false)).then_some(remedy::SALVAGE),
        };
        remedy::of_image(self.name, error, reading)
    }

    /// Returns how the image is opened, as far as its bytes do not matter for that.
    pub(crate) fn options(&self) -> OpenOptions {
        let snapshot = self.args.snapshot.as_ref();
        let mut options = OpenOptions::default();
        options.snapshot = snapshot.map(|name| name.as_bytes().to_vec());
        options.salvage = self.is_salvaged();
        options
    }

    fn is_salvaged(&self) -> bool {
        self.salvage == Some(true)
    }
}

/// An image with the files that it depends on. As bytes it is the disk in it; where
/// damage is tolerated, bytes that are lost fail to be read.
pub(crate) struct Chain {
    pub(crate) image: Image<Disk>,
    /// The state of its files before they were read.
    pub(super) stamps: Vec<Stamp>,
    /// The formats of its backing files, in the order in which they were opened.
    formats: Vec<BackingFormat>,
    options: OpenOptions,
    /// What was seen of its tables.
    pub(crate) checked: Checked,
    /// Why it is refused where damage is not tolerated.
    pub(crate) damage: Option<String>,
}

impl Chain {
    /// Opens the image on `disk` and checks it: its refcounts against its tables, or
    /// what is damaged where that is tolerated.
    pub(crate) fn open(ask: &Ask<'_>, disk: Disk) -> Result<Self, Failure> {
        let options = options(ask, &disk)?;
        let damage = match ask.is_salvaged() {
            true => damage(ask, &disk, &options)?,
            false => None,
        };
        let mut chain = open(ask, disk, &options)?;
        chain.damage = damage;
        if !ask.is_salvaged() {
            let checked = chain.image.check_references();
            chain.checked = checked.map_err(|error| ask.failure(&error))?;
        }
        Ok(chain)
    }

    /// Opens the image on `disk` without checking it: what its tables say is reported as
    /// they say it.
    pub(crate) fn unchecked(ask: &Ask<'_>, disk: Disk) -> Result<Self, Failure> {
        let options = options(ask, &disk)?;
        open(ask, disk, &options)
    }

    /// Fails if one of the files is no longer what it was.
    pub(crate) fn check_unchanged(&self) -> Result<(), Failure> {
        for (file, stamp) in self.image.files().iter().zip(&self.stamps) {
            if file.stamp()? != *stamp {
                let message = "the image changed while it was read";
                return Err(Failure::because(file.path(), message));
            }
        }
        Ok(())
    }

    /// Opens the same image in the same files again, tables included. It is read from
    /// the storage. `name` is the image in messages.
    pub(crate) fn again(&self, name: &Path) -> Result<Image<Uncached<'_>>, Failure> {
        match again::again(self.image.files(), &self.formats, &self.options) {
            Some(image) => image.map_err(|error| Failure::about(name, &error)),
            None => Err(Failure::because(name, "the image has no file")),
        }
    }

    /// Describes the image, from all of its tables.
    pub(crate) fn report(&self) -> Result<ImageReport, Error> {
        let mut unallocated_bytes = 0;
        for extent in self.image.extents(0..self.size()) {
            let extent = extent?;
            if extent.kind == ExtentKind::Unallocated {
                unallocated_bytes += extent.length;
            }
        }
        let header = self.image.header();
        let snapshot = self.options.snapshot.as_deref();
        let bitmaps = header
            .extensions
            .iter()
            .find_map(|extension| match extension {
                Extension::Bitmaps(bitmaps) => Some(bitmaps.count),
                _ => None,
            });
        Ok(ImageReport {
            layers: self.formats.len().saturating_add(1),
            snapshot: snapshot.map(Foreign::new),
            unallocated_bytes,
            snapshots_left_out: match snapshot {
                Some(_) => 0,
                None => header.snapshot_count,
            },
            bitmaps_left_out: bitmaps.unwrap_or(0),
            dirty: header.incompatible.contains(IncompatibleFeatures::DIRTY),
        })
    }

    /// Whether a part of `bytes` is known to be lost. Never where damage is not
    /// tolerated.
    fn has_lost(&self, bytes: Range<u64>) -> io::Result<bool> {
        for extent in self.image.extents(bytes) {
            if extent.map_err(Error::Image)?.kind == ExtentKind::Unreadable {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl ReadAt for Chain {
    fn size(&self) -> u64 {
        self.image.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.saturating_add(len_u64(buf.len()));
        if self.options.salvage && self.has_lost(offset..end)? {
            let message =
                format!("a part of the image that bytes {offset:#x} to {end:#x} need is lost");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        self.image.read_at(offset, buf)
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        if !self.options.salvage {
            return self.image.next_data(from);
        }
        // What is lost is not known to be zero.
        for extent in self.image.extents(from..self.size()) {
            let extent = extent.map_err(Error::Image)?;
            if matches!(extent.kind, ExtentKind::Data | ExtentKind::Unreadable) {
                return Ok(Some(extent.range()));
            }
        }
        Ok(None)
    }
}

/// Returns how the image on `disk` is opened, with its passphrase if it has one.
fn options(ask: &Ask<'_>, disk: &Disk) -> Result<OpenOptions, Failure> {
    let header = qcow2_reader::read_header(disk).map_err(|error| ask.failure(&error.into()))?;
    let mut options = ask.options();
    options.secret = secret::secret(ask.args.secret_file.as_deref(), ask.name, &header)?;
    Ok(options)
}

/// Opens the image, and records in what state its files are.
fn open(ask: &Ask<'_>, disk: Disk, options: &OpenOptions) -> Result<Chain, Failure> {
    if let Some(user) = in_use::source_in_use(&disk)? {
        let failure = Failure::because(ask.name, &user);
        return Err(match remedy::end_of(&user) {
            Some(remedy) => failure.with(&remedy),
            None => failure,
        });
    }
    let stamp = disk.stamp()?;
    let references = &ask.args.references;
    let mut gate = Recorded::new(references::gate(references, &disk));
    let image = Image::open_with(disk, options, &mut gate).map_err(|error| ask.failure(&error))?;
    let (gate, formats) = gate.into_parts();
    references::check_use(references, ask.name, &gate)?;
    let stamps = image.files().iter().map(Disk::stamp);
    let mut stamps = stamps.collect::<Result<Vec<_>, _>>()?;
    if let Some(first) = stamps.first_mut() {
        *first = stamp;
    }
    Ok(Chain {
        image,
        stamps,
        formats,
        options: options.clone(),
        checked: Checked::default(),
        damage: None,
    })
}

/// Why an image would not be read where damage is not tolerated.
fn damage(ask: &Ask<'_>, disk: &Disk, options: &OpenOptions) -> Result<Option<String>, Failure> {
    let mut strict = options.clone();
    strict.salvage = false;
    let checked = open(ask, disk.try_clone()?, &strict).and_then(|Chain { image, .. }| {
        let wrong = image.extents(0..image.size()).find_map(Result::err);
        let checked = image.check_references();
        wrong
            .map_or(checked.map(drop), |error| Err(error.into()))
            .map_err(|error| Failure::about(ask.name, &error))
    });
    match checked {
        Ok(()) => Ok(None),
        Err(usage @ Failure::Usage(_)) => Err(usage),
        Err(failure) => Ok(Some(failure.to_string())),
    }
}
