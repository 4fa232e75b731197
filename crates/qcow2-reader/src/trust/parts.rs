//! A table in a file, part by part.

use std::ops::Range;

use blockio::{Holes, ReadAt};
use qcow2_format::HostOffset;

use crate::load::in_memory;
use crate::slices::{SLICE_BYTES, WORD_BYTES};
use crate::{Error, Structure};

/// Bytes that are read as fast as it is found that they are a hole.
const READ_BYTES: u64 = 4096;

/// Bytes of a table, and the index of their first word.
pub(super) type Part = (u64, Vec<u8>);

/// An iterator over the bytes of a table that are in the file. Long holes are left
/// out: they have no entries, and long tables of nothing cost nothing.
pub(super) struct Parts<'p, S> {
    storage: &'p S,
    holes: &'p Holes,
    structure: Structure,
    /// Where the table begins.
    start: u64,
    /// What is left of it.
    rest: Range<u64>,
}

impl<'p, S: ReadAt> Parts<'p, S> {
    /// The table at `bytes` of `storage`, whose holes are known as `holes`.
    pub(super) fn new(
        storage: &'p S,
        holes: &'p Holes,
        structure: Structure,
        bytes: &Range<u64>,
    ) -> Self {
        Self {
            storage,
            holes,
            structure,
            start: bytes.start,
            rest: bytes.start..bytes.end.min(storage.size()),
        }
    }

    /// Goes past what is known to be a hole.
    fn pass_hole(&mut self) {
        let Range { start: at, end } = self.rest;
        if end.saturating_sub(at) <= READ_BYTES {
            return;
        }
        self.rest.start = match self.holes.next_data(self.storage, at) {
            Ok(None) => end,
            Ok(Some(data)) => {
                let hole_bytes = data.start.saturating_sub(at);
                at.saturating_add(hole_bytes / SLICE_BYTES * SLICE_BYTES)
            }
            // To read it may succeed.
            Err(_) => at,
        };
    }
}

impl<S: ReadAt> Iterator for Parts<'_, S> {
    type Item = Result<Part, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pass_hole();
        let Range { start: at, end } = self.rest;
        let length = end.saturating_sub(at).min(SLICE_BYTES);
        if length == 0 {
            return None;
        }
        self.rest.start = at.saturating_add(length);
        let mut bytes = vec![0; in_memory(length)];
        let read = self.storage.read_at(at, &mut bytes);
        let first = at.saturating_sub(self.start) / WORD_BYTES;
        Some(match read {
            Ok(()) => Ok((first, bytes)),
            Err(source) => Err(Error::Read {
                structure: self.structure,
                host: HostOffset(at),
                source,
            }),
        })
    }
}
