//! What becomes of damage that is met on the way.

use crate::damage::Damage;
use crate::error::Error;

/// Most kinds of damage that are kept one by one.
const LEFT_MAX: usize = 1000;

/// Refuses damage, or notes it and goes on.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    is_tolerant: bool,
    /// What was met that needs a decision.
    pub(crate) left: Vec<Damage>,
    /// Whether some of it hides what it refers to.
    pub(crate) hides: bool,
}

impl Judge {
    /// One that notes damage.
    pub(crate) fn tolerant() -> Self {
        Self {
            is_tolerant: true,
            ..Self::default()
        }
    }

    /// What was found, unless it is damaged; `hides` is whether nobody can tell then what
    /// it refers to.
    pub(crate) fn found<T>(
        &mut self,
        found: Result<T, Damage>,
        hides: bool,
    ) -> Result<Option<T>, Error> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(damage) if self.is_tolerant => {
                self.hides |= hides;
                if self.left.len() < LEFT_MAX {
                    self.left.push(damage);
                }
                Ok(None)
            }
            Err(damage) => Err(damage.into()),
        }
    }

    /// The same of bits that must be clear, and that are cleared in a repair.
    pub(crate) fn cleared(&self, found: Result<(), Damage>) -> Result<(), Error> {
        match found {
            Err(damage) if !self.is_tolerant => Err(damage.into()),
            _ => Ok(()),
        }
    }
}
