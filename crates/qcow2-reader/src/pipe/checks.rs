//! What an image that arrives on a pipe is held against.

use blockio::ReadAt;
use qcow2_check::Checked;

use crate::error::Error;
use crate::image::Image;

/// What an image is held against.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Checks {
    /// Most bytes of data that are restored.
    pub(super) data_max: Option<u64>,
    /// Whether its refcounts must be those of what the disk uses.
    pub(super) references: bool,
}

impl Checks {
    /// Holds the image against its refcounts, once it is here.
    pub(super) fn references<S: ReadAt>(self, image: &Image<S>) -> Result<Checked, Error> {
        match self.references {
            true => image.check_references(),
            false => Ok(Checked::default()),
        }
    }

    /// Refuses more data than is wanted.
    pub(super) fn data(self, count: impl FnOnce(u64) -> Result<u64, Error>) -> Result<(), Error> {
        match self.data_max {
            Some(max) if count(max)? > max => Err(Error::TooMuchData { max }),
            _ => Ok(()),
        }
    }
}
