//! Where the bytes of a disk are, run by run.

use std::ops::Range;

use blockio::{Holes, ReadAt};
use qcow2_map::{MapEntries, MapEntry, Stored};

use crate::error::Error;
use crate::subject::Storage;

/// Bytes of the disk in a row, and where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) guest: Range<u64>,
    pub(crate) place: Place,
}

/// Where bytes of the disk are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nowhere: they read as zeros.
    Nowhere,
    /// In the file that is drawn, in a row from this offset on.
    Plain(u64),
    /// In a stream of the file that is drawn.
    Stream {
        /// Where it starts.
        host: u64,
        /// Bytes that may belong to it.
        bytes: u64,
    },
    /// In another file.
    Elsewhere,
    /// Unknown.
    Lost,
}

/// The runs of a disk, which tile it.
pub(crate) enum Runs<'s, S> {
    Image(Box<MapEntries<'s, S>>),
    /// What is left of a disk that is a file.
    Raw(&'s S, Holes, Range<u64>),
}

impl<'s, S: ReadAt> Runs<'s, S> {
    pub(crate) fn new(storage: &Storage<'s, S>) -> Self {
        match storage {
            Storage::Image(map) => Self::Image(Box::new(map.entries(0..map.size()))),
            Storage::Raw(disk) => Self::Raw(disk, Holes::new(), 0..disk.size()),
        }
    }
}

fn of_entry(entry: MapEntry) -> Run {
    let is_here = entry.file == Some(0);
    let place = match entry.stored {
        Stored::Data { host } if is_here => Place::Plain(host.0),
        Stored::Compressed { host, bytes, .. } if is_here => Place::Stream {
            host: host.0,
            bytes,
        },
        Stored::Data { .. } | Stored::Compressed { .. } => Place::Elsewhere,
        Stored::Lost => Place::Lost,
        _ => Place::Nowhere,
    };
    Run {
        guest: entry.guest,
        place,
    }
}

impl<S: ReadAt> Iterator for Runs<'_, S> {
    type Item = Result<Run, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (disk, holes, rest) = match self {
            Self::Image(entries) => {
                let entry = entries.next()?;
                return Some(entry.map(of_entry).map_err(Error::Image));
            }
            Self::Raw(disk, holes, rest) => (disk, holes, rest),
        };
        let Range { start, end } = *rest;
        if start >= end {
            return None;
        }
        let (until, place) = match holes.next_data(*disk, start) {
            Ok(Some(data)) if data.start <= start => (data.end.min(end), Place::Plain(start)),
            Ok(Some(data)) => (data.start.min(end), Place::Nowhere),
            Ok(None) => (end, Place::Nowhere),
            Err(error) => {
                rest.start = end;
                return Some(Err(Error::Read(error)));
            }
        };
        rest.start = until.max(start.saturating_add(1));
        Some(Ok(Run {
            guest: start..rest.start,
            place,
        }))
    }
}

impl Place {
    /// The same for what begins `bytes` later: a stream is one, whatever part of it counts.
    pub(crate) fn after(self, bytes: u64) -> Self {
        match self {
            Self::Plain(host) => Self::Plain(host.saturating_add(bytes)),
            other => other,
        }
    }
}
