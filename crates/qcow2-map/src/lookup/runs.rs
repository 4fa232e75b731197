//! Runs: guest bytes in a row, and where they are.

use std::ops::Range;

use qcow2_format::HostOffset;

use crate::Error;
use crate::image::stream::Stream;

/// Where the bytes of a run are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// Nowhere. They read as zeros.
    Unallocated,
    /// Nowhere that matters: an entry says that they read as zeros.
    Zero,
    /// In the file, one after the other from here on.
    Data {
        /// Where the first of them is.
        host: HostOffset,
    },
    /// In a compressed stream, which gives the cluster that they lie in.
    Compressed(Stream),
    /// Nowhere that is known: the image is damaged. They read as zeros.
    Lost,
}

/// Guest bytes in a row that are mapped alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The guest bytes.
    pub guest: Range<u64>,
    /// Index of the file that they are in. Of those in none, that of the layer that says
    /// so: the last that was asked.
    pub file: usize,
    /// Where they are.
    pub mapping: Mapping,
}

impl Run {
    /// Bytes that are in no file.
    #[inline]
    #[must_use]
    pub fn empty(guest: Range<u64>, mapping: Mapping) -> Self {
        Self {
            guest,
            file: 0,
            mapping,
        }
    }

    /// How many guest bytes they are.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> u64 {
        self.guest.end.saturating_sub(self.guest.start)
    }

    /// Appends `next`, which starts where this ends, if it is more of the same.
    #[inline]
    fn join(&mut self, next: &Self) -> bool {
        let continues = match (self.mapping, next.mapping) {
            (Mapping::Zero, Mapping::Zero) | (Mapping::Lost, Mapping::Lost) => true,
            (Mapping::Unallocated, Mapping::Unallocated) => self.file == next.file,
            (Mapping::Data { host }, Mapping::Data { host: next_host }) => {
                self.file == next.file && host.0.checked_add(self.bytes()) == Some(next_host.0)
            }
            _ => false,
        };
        if continues {
            self.guest.end = next.guest.end;
        }
        continues
    }
}

/// Bytes of `runs` that are stored; above `most` they are counted no further.
pub fn data_bytes(runs: impl Iterator<Item = Result<Run, Error>>, most: u64) -> Result<u64, Error> {
    let mut data_bytes: u64 = 0;
    for run in runs {
        let run = run?;
        if matches!(run.mapping, Mapping::Data { .. } | Mapping::Compressed(_)) {
            data_bytes = data_bytes.saturating_add(run.bytes());
        }
        if data_bytes > most {
            break;
        }
    }
    Ok(data_bytes)
}

/// An iterator that joins runs, so that they are maximal. The runs ascend
/// without gaps; an error ends them, after those in front of it.
#[derive(Debug)]
pub struct Joined<I> {
    /// `None` past its end.
    runs: Option<I>,
    /// The run that the next one may belong to.
    held: Option<Run>,
    failure: Option<Error>,
}

impl<I> Joined<I> {
    /// Joins `runs`.
    pub fn new(runs: I) -> Self {
        Self {
            runs: Some(runs),
            held: None,
            failure: None,
        }
    }
}

impl<I: Iterator<Item = Result<Run, Error>>> Iterator for Joined<I> {
    type Item = Result<Run, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(runs) = &mut self.runs {
            match runs.next() {
                Some(Ok(run)) => {
                    if self.held.as_mut().is_some_and(|held| held.join(&run)) {
                        continue;
                    }
                    if let Some(whole) = self.held.replace(run) {
                        return Some(Ok(whole));
                    }
                }
                Some(Err(error)) => {
                    self.runs = None;
                    self.failure = Some(error);
                }
                None => self.runs = None,
            }
        }
        match self.held.take() {
            Some(run) => Some(Ok(run)),
            None => self.failure.take().map(Err),
        }
    }
}
