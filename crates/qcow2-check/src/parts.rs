//! A table in a file, part by part.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use blockio::{Holes, ReadAt, is_zero, len_u64};
use luks::SECTOR_BYTES;
use qcow2_format::HostOffset;
use qcow2_map::{Error, SLICE_BYTES, Structure, WORD_BYTES, in_memory};

/// Bytes of zeros that are read before looking for holes. The tables of a usual
/// image have no more, and to find where its data ends the filesystem may have to look
/// at all of it.
const ZEROS_BYTES: u64 = 4 << 20;

/// Bytes of a table, and the index of their first word.
pub(crate) type Part = (u64, Vec<u8>);

/// What is known of that in a file which has no entries.
#[derive(Debug)]
pub(crate) struct Nothing<'p> {
    holes: &'p Holes,
    /// Bytes of zeros that were read.
    zeros: AtomicU64,
}

impl<'p> Nothing<'p> {
    pub(crate) fn new(holes: &'p Holes) -> Self {
        Self {
            holes,
            zeros: AtomicU64::new(0),
        }
    }

    /// Notes that so many bytes of zeros were read.
    pub(crate) fn read_zeros(&self, bytes: u64) {
        self.zeros.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whether `bytes` are known to be a hole. Before much of nothing was read, nothing
    /// is known.
    pub(crate) fn is_hole<S: ReadAt>(&self, storage: &S, bytes: &Range<u64>) -> bool {
        if self.zeros.load(Ordering::Relaxed) < ZEROS_BYTES {
            return false;
        }
        match self.holes.next_data(storage, bytes.start) {
            Ok(data) => data.is_none_or(|data| data.start >= bytes.end),
            // To read it may succeed.
            Err(_) => false,
        }
    }
}

/// An iterator over the bytes of a table that are in the file. After much of nothing
/// long holes are left out: they have no entries, and long tables of nothing cost
/// nothing.
pub(crate) struct Parts<'p, S> {
    storage: &'p S,
    nothing: &'p Nothing<'p>,
    structure: Structure,
    /// Where the table begins.
    start: u64,
    /// What is left of it.
    rest: Range<u64>,
    /// What cannot be read at once is read sector by sector.
    by_sectors: bool,
}

impl<'p, S: ReadAt> Parts<'p, S> {
    /// The table at `bytes` of `storage`.
    pub(crate) fn new(
        storage: &'p S,
        nothing: &'p Nothing<'p>,
        structure: Structure,
        bytes: &Range<u64>,
    ) -> Self {
        Self {
            storage,
            nothing,
            structure,
            start: bytes.start,
            rest: bytes.start..bytes.end.min(storage.size()),
            by_sectors: false,
        }
    }

    /// The same without errors: sectors that cannot be read have no entries.
    pub(crate) fn by_sectors(self) -> Self {
        Self {
            by_sectors: true,
            ..self
        }
    }

    /// Goes past what is known to be a hole.
    fn pass_hole(&mut self) {
        let Range { start: at, end } = self.rest;
        if at >= end || self.nothing.zeros.load(Ordering::Relaxed) < ZEROS_BYTES {
            return;
        }
        self.rest.start = match self.nothing.holes.next_data(self.storage, at) {
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
        let mut read = self.storage.read_at(at, &mut bytes);
        if read.is_err() && self.by_sectors {
            read_sectors(self.storage, at, &mut bytes);
            read = Ok(());
        }
        if is_zero(&bytes) {
            self.nothing.read_zeros(length);
        }
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

/// Reads sector by sector what could not be read at once. Those that cannot be read are
/// zeros.
fn read_sectors<S: ReadAt>(storage: &S, at: u64, bytes: &mut [u8]) {
    let mut at = at;
    for sector in bytes.chunks_mut(in_memory(SECTOR_BYTES)) {
        if storage.read_at(at, sector).is_err() {
            sector.fill(0);
        }
        at = at.saturating_add(len_u64(sector.len()));
    }
}
