//! Two tilings of one disk, cut into pieces.

use std::io;
use std::iter::Peekable;
use std::ops::Range;

use blockio::{Extent, ExtentKind};

use crate::error::Error;
use crate::units::usize_of;

/// Bytes compared or hashed in one piece.
pub(crate) const PIECE_BYTES: u64 = 1 << 20;

/// A few bytes of the disk that have to be looked at.
pub(crate) struct Piece {
    pub(crate) range: Range<u64>,
    /// These bytes matter.
    pub(crate) used: bool,
    /// The disk that is looked at holds these bytes.
    pub(crate) stored: bool,
}

impl Piece {
    pub(crate) fn length(&self) -> usize {
        usize_of(self.range.end.saturating_sub(self.range.start))
    }
}

/// Where the next bytes at or after an offset are that may be anything but zeros.
type NextData<'a> = &'a (dyn Fn(u64) -> io::Result<Option<Range<u64>>> + Sync);

/// Two tilings of one disk, cut into pieces on which both are constant; what
/// neither matters nor is held is left out.
pub(crate) struct Pieces<'a, A: Iterator, B: Iterator> {
    used: Peekable<A>,
    stored: Peekable<B>,
    holes: Option<NextData<'a>>,
    at: u64,
}

impl<'a, A, B> Pieces<'a, A, B>
where
    A: Iterator<Item = Result<Extent, Error>>,
    B: Iterator<Item = Result<Extent, Error>>,
{
    pub(crate) fn new(used: A, stored: B) -> Self {
        Self {
            used: used.peekable(),
            stored: stored.peekable(),
            holes: None,
            at: 0,
        }
    }

    /// Leaves out also what matters and is not held, where `next_data` of what is expected
    /// says that it is zeros.
    pub(crate) fn without_holes(self, next_data: NextData<'a>) -> Self {
        Self {
            holes: Some(next_data),
            ..self
        }
    }

    /// The end of the hole that holds the byte `at`, if there is one, at most `end`.
    fn hole(&self, at: u64, end: u64) -> Result<Option<u64>, Error> {
        let Some(next_data) = self.holes else {
            return Ok(None);
        };
        let data = next_data(at).map_err(|error| Error::Expected(error.into()))?;
        let until = data.map_or(end, |data| data.start.min(end));
        Ok((until > at).then_some(until))
    }
}

impl<A, B> Iterator for Pieces<'_, A, B>
where
    A: Iterator<Item = Result<Extent, Error>>,
    B: Iterator<Item = Result<Extent, Error>>,
{
    type Item = Result<Piece, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let used = match extent_at(&mut self.used, self.at)? {
                Ok(extent) => extent,
                Err(error) => return Some(Err(error)),
            };
            let stored = match extent_at(&mut self.stored, self.at)? {
                Ok(extent) => extent,
                Err(error) => return Some(Err(error)),
            };
            let start = self.at;
            let end = used.end().min(stored.end());
            let (used, stored) = (
                used.kind == ExtentKind::Data,
                stored.kind == ExtentKind::Data,
            );
            if used && !stored {
                match self.hole(start, end) {
                    Ok(Some(until)) => {
                        self.at = until;
                        continue;
                    }
                    Ok(None) => {}
                    Err(error) => return Some(Err(error)),
                }
            }
            if used || stored {
                self.at = end.min(start.saturating_add(PIECE_BYTES));
                return Some(Ok(Piece {
                    range: start..self.at,
                    used,
                    stored,
                }));
            }
            self.at = end;
        }
    }
}

/// The extent that holds byte `at`, which never goes back.
fn extent_at<I: Iterator<Item = Result<Extent, Error>>>(
    extents: &mut Peekable<I>,
    at: u64,
) -> Option<Result<Extent, Error>> {
    while let Some(next) = extents.next_if(|next| matches!(next, Ok(extent) if extent.end() <= at))
    {
        drop(next);
    }
    match extents.peek()? {
        Ok(extent) => Some(Ok(*extent)),
        Err(_) => extents.next(),
    }
}
