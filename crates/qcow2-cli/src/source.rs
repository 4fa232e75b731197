//! Opens a source: a disk as its bytes lie there, or the disk in a qcow2 image.

mod chain;
mod format;
mod mmp;
mod secret;
pub(crate) mod steady;

use std::error::Error;
use std::io;
use std::ops::Range;
use std::path::Path;

use blockio::{Handle, ReadAt};
use hostdisk::{Disk, Identity, Stamp};

use crate::args::{InputArgs, SourceFormatArg, is_stream};
use crate::failure::Failure;
use crate::input::{Input, Spooled, Unasked, Whole};

pub(crate) use chain::{Ask, Chain, ImageReport};
use format::Format;
pub(crate) use format::is_raw;
pub(crate) use mmp::mmp;
pub(crate) use secret::secret;

/// What is said of a source that has become shorter since it was opened.
pub(crate) const SHORTER: &str = "it became shorter while it was read";

/// Returns the failure that `error` is: one that comes from the image that is asked for
/// is reported as `unpack` reports it.
pub(crate) fn failure(ask: &Ask<'_>, error: &(dyn Error + 'static)) -> Failure {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let inner = inner.and_then(|inner| inner.downcast_ref());
        if let Some(error) = error.downcast_ref().or(inner) {
            return ask.failure(error);
        }
        next = error.source();
    }
    Failure::about(ask.name, error)
}

/// A source, open to be read.
pub(crate) struct Opened {
    pub(crate) disk: Opening,
    /// What of it was kept in a temporary file, if it came from a pipe.
    pub(crate) spooled: Option<Spooled>,
    /// What it is, if it is an image.
    pub(crate) image: Option<ImageReport>,
    /// The file that arrived through a pipe, if it is one.
    file: Identity,
}

/// The disk of a source.
pub(crate) enum Opening {
    /// The bytes of this file or device.
    Raw(Disk),
    /// The disk in an image.
    Image(Box<Chain>),
}

impl Opened {
    /// Opens the source at `path`, which has the format that is `meant`.
    pub(crate) fn open(
        path: &Path,
        ask: &Ask<'_>,
        meant: SourceFormatArg,
        input: &InputArgs,
        quiet: bool,
    ) -> Result<Self, Failure> {
        let is_alone = is_stream(path) && ask.args.references.is_given();
        if is_alone && !ask.has_base {
            return Err(not_alone());
        }
        let unasked = Unasked::of_source(meant);
        let whole = Input::open(path, input, unasked)?.into_disk(input, quiet)?;
        let Whole { disk, file, spool } = whole;
        let disk = match format::of(meant, ask.name, &disk)? {
            Format::Qcow2 if is_alone => return Err(not_alone()),
            Format::Qcow2 => Opening::Image(Box::new(Chain::open(ask, disk)?)),
            Format::Raw => Opening::raw_disk(ask, disk)?,
        };
        // Finds all that is wrong with its tables, as unpacking it would.
        let image = disk.image().map(Chain::report).transpose();
        Ok(Self {
            image: image.map_err(|error| ask.failure(&error))?,
            disk,
            spooled: spool,
            file,
        })
    }

    /// Returns the files and devices that the source is read from. None of them must
    /// become a target.
    pub(crate) fn identities(&self) -> Vec<Identity> {
        let files = self.disk.files().iter().map(Disk::identity);
        files.chain([self.file]).collect()
    }
}

/// Returns the refusal to open other files for an image that has no place.
fn not_alone() -> Failure {
    let message = "an image from the standard input is read without other files";
    Failure::Usage(message.into())
}

impl Opening {
    /// Opens the source at `path`, which has the format that is `meant`, to tell what its
    /// tables say: an image is not checked.
    pub(crate) fn unchecked(
        path: &Path,
        ask: &Ask<'_>,
        meant: SourceFormatArg,
        input: &InputArgs,
    ) -> Result<Self, Failure> {
        if is_stream(path) && ask.args.references.is_given() {
            return Err(not_alone());
        }
        let unasked = Unasked::of_source(meant);
        let disk = Input::open(path, input, unasked)?
            .into_disk(input, true)?
            .disk;
        match format::of(meant, ask.name, &disk)? {
            Format::Qcow2 => Ok(Self::Image(Box::new(Chain::unchecked(ask, disk)?))),
            Format::Raw => Self::raw_disk(ask, disk),
        }
    }

    /// Takes `disk` as it is, for which no option of an image makes sense.
    fn raw_disk(ask: &Ask<'_>, disk: Disk) -> Result<Self, Failure> {
        match ask.given_in_vain() {
            Some(option) => {
                let message = format!("it is read as a raw disk, without {option}");
                Err(Failure::because(ask.name, message))
            }
            None => Ok(Self::Raw(disk)),
        }
    }

    /// Returns the name of the format.
    pub(crate) fn format(&self) -> &'static str {
        match self {
            Self::Raw(_) => "raw",
            Self::Image(_) => "qcow2",
        }
    }

    /// Returns the files, that of an image first.
    pub(crate) fn files(&self) -> &[Disk] {
        match self {
            Self::Raw(disk) => std::slice::from_ref(disk),
            Self::Image(chain) => chain.image.files(),
        }
    }

    /// Returns the image, if it is one.
    pub(crate) fn image(&self) -> Option<&Chain> {
        match self {
            Self::Raw(_) => None,
            Self::Image(chain) => Some(chain),
        }
    }

    /// Returns the file or device, if its bytes are the disk.
    pub(crate) fn raw(&self) -> Option<&Disk> {
        match self {
            Self::Raw(disk) => Some(disk),
            Self::Image(_) => None,
        }
    }

    /// Returns the length in bytes of the sectors that an MBR on the disk counts in, if the
    /// storage says so.
    pub(crate) fn sector_bytes(&self) -> Result<Option<u32>, Failure> {
        let bytes = self.raw().map(Disk::sector_bytes).transpose()?;
        Ok(bytes.and_then(|bytes| u32::try_from(bytes).ok()))
    }

    /// Returns the state of the files when they were opened.
    pub(crate) fn stamps(&self) -> Result<Vec<Stamp>, Failure> {
        match self {
            Self::Raw(disk) => Ok(vec![disk.stamp()?]),
            Self::Image(chain) => Ok(chain.stamps.clone()),
        }
    }

    fn bytes(&self) -> &dyn ReadAt {
        match self {
            Self::Raw(disk) => disk,
            Self::Image(chain) => &**chain,
        }
    }
}

impl ReadAt for Opening {
    fn size(&self) -> u64 {
        self.bytes().size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.bytes().read_at(offset, buf)
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.bytes().next_data(from)
    }

    fn handle(&self) -> Option<&Handle> {
        self.bytes().handle()
    }
}
