//! What guest bytes are, in the terms of `qemu-img map`.

use std::ops::Range;

use blockio::Holes;
use hostdisk::Disk;
use qcow2_reader::{MapEntries, MapEntry, Stored};
use serde::Serialize;

use crate::source::{Chain, Opening};

/// Guest bytes in a row that are alike, with the keys and types of `qemu-img map`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    pub(crate) start: u64,
    pub(crate) length: u64,
    /// Index of the layer that says so.
    depth: usize,
    /// Whether that layer has anything there, and not the lack of it.
    present: bool,
    zero: bool,
    data: bool,
    pub(super) compressed: bool,
    /// Where the bytes are in their file, as the guest reads them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) offset: Option<u64>,
    /// Index of the file with the bytes.
    #[serde(skip)]
    pub(super) file: Option<usize>,
}

impl Entry {
    /// What is true of entries that hold nothing: the others begin with them.
    fn nothing(guest: &Range<u64>, depth: usize) -> Self {
        Self {
            start: guest.start,
            length: guest.end.saturating_sub(guest.start),
            depth,
            present: false,
            zero: true,
            data: false,
            compressed: false,
            offset: None,
            file: None,
        }
    }

    fn of_image(entry: &MapEntry) -> Self {
        let nothing = Self::nothing(&entry.guest, entry.last);
        let stored = Self {
            present: true,
            zero: false,
            data: true,
            file: entry.file,
            ..nothing.clone()
        };
        match entry.stored {
            Stored::Data { host } => Self {
                offset: (!entry.is_encrypted).then_some(host.0),
                ..stored
            },
            Stored::Compressed { .. } => Self {
                compressed: true,
                ..stored
            },
            Stored::Zero => Self {
                present: true,
                ..nothing
            },
            // Nothing is lost where damage is not tolerated.
            _ => nothing,
        }
    }

    /// Of the bytes of a file that is the disk.
    fn of_raw(guest: &Range<u64>, is_data: bool) -> Self {
        Self {
            present: true,
            zero: !is_data,
            data: is_data,
            offset: Some(guest.start),
            file: Some(0),
            ..Self::nothing(guest, 0)
        }
    }

    /// Whether a person wants to see it: bytes that are stored.
    pub(super) fn is_stored(&self) -> bool {
        self.data
    }

    /// How the bytes are held, wherever that is: `present`, `zero`, `data` and `compressed`.
    pub(crate) fn holds(&self) -> [bool; 4] {
        [self.present, self.zero, self.data, self.compressed]
    }

    /// Appends `next`, which starts where this ends, if it is more of the same.
    fn join(&mut self, next: &Self) -> bool {
        let offset = self.offset.map(|offset| offset.saturating_add(self.length));
        let rest = Self {
            start: next.start,
            length: next.length,
            offset,
            ..self.clone()
        };
        let joined = rest == *next;
        if joined {
            self.length = self.length.saturating_add(next.length);
        }
        joined
    }
}

/// An iterator over the entries of a range of a disk, which tile it and are maximal.
pub(crate) struct Entries<'e> {
    parts: Parts<'e>,
    held: Option<Entry>,
    failure: Option<Error>,
}

/// Why the rest is not known.
pub(crate) enum Error {
    Image(qcow2_reader::Error),
    Raw(std::io::Error),
}

enum Parts<'e> {
    Image(Box<MapEntries<'e, Disk>>),
    /// What is left of a file that is the disk.
    Raw(&'e Disk, Holes, Range<u64>),
}

impl<'e> Entries<'e> {
    /// The entries of the bytes `guest` of a disk.
    pub(crate) fn new(disk: &'e Opening, guest: Range<u64>) -> Self {
        let parts = match disk {
            Opening::Image(chain) => {
                let Chain { image, .. } = &**chain;
                Parts::Image(Box::new(image.map(guest)))
            }
            Opening::Raw(disk) => Parts::Raw(disk, Holes::new(), guest),
        };
        Self {
            parts,
            held: None,
            failure: None,
        }
    }
}

impl Iterator for Parts<'_> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let (disk, holes, rest) = match self {
            Self::Image(entries) => {
                let entry = entries.next()?;
                let entry = entry.map(|entry| Entry::of_image(&entry));
                return Some(entry.map_err(|error| Error::Image(error.into())));
            }
            Self::Raw(disk, holes, rest) => (disk, holes, rest),
        };
        let Range { start, end } = *rest;
        if start >= end {
            return None;
        }
        let (until, is_data) = match holes.next_data(*disk, start) {
            Ok(Some(data)) if data.start <= start => (data.end.min(end), true),
            Ok(Some(data)) => (data.start.min(end), false),
            Ok(None) => (end, false),
            Err(error) => {
                rest.start = end;
                return Some(Err(Error::Raw(error)));
            }
        };
        rest.start = until.max(start.saturating_add(1));
        Some(Ok(Entry::of_raw(&(start..rest.start), is_data)))
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        for entry in &mut self.parts {
            match entry {
                Ok(entry) => {
                    if self.held.as_mut().is_some_and(|held| held.join(&entry)) {
                        continue;
                    }
                    if let Some(whole) = self.held.replace(entry) {
                        return Some(Ok(whole));
                    }
                }
                Err(error) => {
                    self.failure = Some(error);
                    break;
                }
            }
        }
        match self.held.take() {
            Some(entry) => Some(Ok(entry)),
            None => self.failure.take().map(Err),
        }
    }
}
