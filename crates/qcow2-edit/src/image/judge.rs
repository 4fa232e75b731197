//! What becomes of damage that is met on the way.

use crate::error::Error;
use crate::image::damage::Damage;

/// Whether an image is changed, which must be right, or repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judge {
    /// Damage is refused.
    Strict,
    /// The refcounts are made anew, and bits that must be clear are cleared. Other damage
    /// is refused: nobody can tell what an entry refers to that cannot be read.
    Repair,
}

impl Judge {
    /// Bits that must be clear.
    pub(crate) fn reserved(self, found: Result<(), Damage>) -> Result<(), Error> {
        match self {
            Self::Strict => Ok(found?),
            Self::Repair => Ok(()),
        }
    }

    /// A part of the refcount structure; `None` if it is damaged and will be replaced.
    pub(crate) fn of_refcounts<T>(self, found: Result<T, Damage>) -> Result<Option<T>, Error> {
        match (self, found) {
            (_, Ok(found)) => Ok(Some(found)),
            (Self::Strict, Err(damage)) => Err(damage.into()),
            (Self::Repair, Err(_)) => Ok(None),
        }
    }
}
