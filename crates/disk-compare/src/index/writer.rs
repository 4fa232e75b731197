//! Records, as they are written.

use std::fmt;

use blake3::Hasher;
use blockio::{WriteAt, len_u64};

use crate::error::{Error, IndexFault};
use crate::units::Units;

use super::layout::{Digest, HEADER_BYTES, Header, RECORD_BYTES};

/// Bytes of records that are written at once.
const BUFFER_BYTES: usize = RECORD_BYTES * 2048;

/// Writes an index, of which nothing is one before [`finish`](Self::finish).
pub struct IndexWriter<'f> {
    file: &'f dyn WriteAt,
    header: Header,
    buffer: Vec<u8>,
    /// Where `buffer` goes.
    offset: u64,
    /// Of the records that are written.
    hash: Hasher,
}

impl fmt::Debug for IndexWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexWriter")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

impl<'f> IndexWriter<'f> {
    /// Begins the index of a disk of `disk_bytes` bytes in units of `unit_bytes` in
    /// `file`, which is empty.
    ///
    /// # Errors
    ///
    /// [`Error::Unit`] for a size that is none.
    pub fn new(file: &'f dyn WriteAt, disk_bytes: u64, unit_bytes: u64) -> Result<Self, Error> {
        Units::new(disk_bytes, unit_bytes)?;
        Ok(Self {
            file,
            header: Header {
                unit_bytes: u32::try_from(unit_bytes).unwrap_or(0),
                disk_bytes,
                records: 0,
                binding: [0; 32],
            },
            buffer: Vec::new(),
            offset: len_u64(HEADER_BYTES),
            hash: Hasher::new(),
        })
    }

    /// Adds the digest of `unit`, which is after all others.
    pub(crate) fn push(&mut self, unit: u64, digest: &Digest) -> Result<(), Error> {
        self.buffer.extend_from_slice(&unit.to_be_bytes());
        self.buffer.extend_from_slice(digest);
        self.header.records = self.header.records.saturating_add(1);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.file
            .write_at(self.offset, &self.buffer)
            .map_err(IndexFault::Write)?;
        self.hash.update(&self.buffer);
        self.offset = self.offset.saturating_add(len_u64(self.buffer.len()));
        self.buffer.clear();
        Ok(())
    }

    /// Completes the index. `binding` says which image it is of, so that no other one is
    /// taken for it: normally a [`binding`](crate::binding()).
    ///
    /// # Errors
    ///
    /// [`Error::Index`] if it cannot be written.
    pub fn finish(mut self, binding: [u8; 32]) -> Result<(), Error> {
        self.flush()?;
        self.header.binding = binding;
        let checked = self.header.checked_bytes();
        self.hash.update(&checked);
        let mut header = checked.to_vec();
        header.extend_from_slice(self.hash.finalize().as_bytes());
        self.file.write_at(0, &header).map_err(IndexFault::Write)?;
        Ok(())
    }
}
