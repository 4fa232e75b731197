//! The file of an image, read as tables.

use std::ops::Range;

use blockio::{Holes, ReadAt};

use crate::error::Error;

/// Bytes of a table that are read at once.
const CHUNK_BYTES: u64 = 64 << 10;

/// The file of an image.
pub(crate) struct File<'s> {
    storage: &'s dyn ReadAt,
    holes: Holes,
}

impl<'s> File<'s> {
    pub(crate) fn new(storage: &'s dyn ReadAt) -> Self {
        Self {
            storage,
            holes: Holes::new(),
        }
    }

    /// What it is read from.
    pub(crate) fn storage(&self) -> &'s dyn ReadAt {
        self.storage
    }

    /// Length in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.storage.size()
    }

    /// The part of `range` that is in the file.
    pub(crate) fn within(&self, range: Range<u64>) -> Range<u64> {
        range.start.min(self.size())..range.end.min(self.size())
    }

    /// The bytes `range`, at most a cluster; zeros past the end.
    pub(crate) fn read(&self, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let length = |range: &Range<u64>| range.end.saturating_sub(range.start);
        let in_memory = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut bytes = vec![0; in_memory(length(&range))];
        let there = self.within(range.clone());
        if let Some(bytes) = bytes.get_mut(..in_memory(length(&there)))
            && !bytes.is_empty()
        {
            let read = self.storage.read_at(there.start, bytes);
            read.map_err(|source| self.failed(&there, source))?;
        }
        Ok(bytes)
    }

    /// Shows the 64-bit words of a table that are not zero, with their indexes. Holes in the
    /// file are passed over.
    pub(crate) fn words(
        &self,
        table: Range<u64>,
        mut visit: impl FnMut(u64, u64),
    ) -> Result<(), Error> {
        let there = self.within(table.clone());
        let mut at = there.start;
        while at < there.end {
            let data = self.data_from(at, &there)?;
            // Words begin at multiples of eight from the start of the table on.
            let start = data.saturating_sub(data.saturating_sub(table.start) % 8);
            at = start.saturating_add(CHUNK_BYTES).min(there.end);
            if start >= there.end {
                break;
            }
            let first = start.saturating_sub(table.start) / 8;
            let bytes = self.read(start..at)?;
            for (index, word) in (first..).zip(bytes.as_chunks::<8>().0) {
                let word = u64::from_be_bytes(*word);
                if word != 0 {
                    visit(index, word);
                }
            }
        }
        Ok(())
    }

    /// Whether all of `range` is a hole.
    pub(crate) fn is_hole(&self, range: &Range<u64>) -> Result<bool, Error> {
        let there = self.within(range.clone());
        Ok(self.data_from(there.start, &there)? >= there.end)
    }

    /// Where the file may hold anything but zeros next from `at` on; the end of `range` if not
    /// in it.
    fn data_from(&self, at: u64, range: &Range<u64>) -> Result<u64, Error> {
        if at >= range.end {
            return Ok(range.end);
        }
        let data = self.holes.next_data(self.storage, at);
        let data = data.map_err(|source| self.failed(range, source))?;
        Ok(data.map_or(range.end, |data| data.start.max(at).min(range.end)))
    }

    fn failed(&self, range: &Range<u64>, source: std::io::Error) -> Error {
        Error::Read {
            offset: range.start,
            length: range.end.saturating_sub(range.start),
            source,
        }
    }
}
