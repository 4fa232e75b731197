//! Records, as they are read.

use blockio::{ReadAt, len_u64};

use crate::error::{Error, IndexFault};
use crate::units::Units;

use super::layout::{Digest, HEADER_BYTES, RECORD_BYTES, take};

/// Records that are read at once.
const BLOCK_RECORDS: u64 = 2048;

/// The records of an index, from the first on.
pub(crate) struct Records<'f> {
    file: &'f dyn ReadAt,
    units: Units,
    /// Records that are not read yet.
    left: u64,
    /// Where they start.
    offset: u64,
    /// Bytes of records that are read, and those of them that are done.
    block: Vec<u8>,
    done: usize,
    held: Option<(u64, Digest)>,
    /// The next unit may be this one, or later.
    next_unit: u64,
}

impl<'f> Records<'f> {
    pub(crate) fn new(file: &'f dyn ReadAt, records: u64, units: Units) -> Self {
        Self {
            file,
            units,
            left: records,
            offset: len_u64(HEADER_BYTES),
            block: Vec::new(),
            done: 0,
            held: None,
            next_unit: 0,
        }
    }

    /// The bytes of some more records.
    pub(super) fn next_block(&mut self) -> Result<Option<&[u8]>, Error> {
        let count = self.left.min(BLOCK_RECORDS);
        if count == 0 {
            return Ok(None);
        }
        let records = usize::try_from(count).unwrap_or(0);
        self.block.resize(records.saturating_mul(RECORD_BYTES), 0);
        self.file
            .read_at(self.offset, &mut self.block)
            .map_err(IndexFault::Read)?;
        self.offset = self.offset.saturating_add(len_u64(self.block.len()));
        self.left = self.left.saturating_sub(count);
        self.done = 0;
        Ok(Some(&self.block))
    }

    /// The next record.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Digest)>, Error> {
        if self.done >= self.block.len() && self.next_block()?.is_none() {
            return Ok(None);
        }
        let mut rest = self.block.get(self.done..).unwrap_or_default();
        self.done = self.done.saturating_add(RECORD_BYTES);
        let unit = u64::from_be_bytes(take(&mut rest));
        if unit < self.next_unit || unit >= self.units.count {
            return Err(IndexFault::Order { found: unit }.into());
        }
        self.next_unit = unit.saturating_add(1);
        Ok(Some((unit, take(&mut rest))))
    }

    /// The unit of the next record.
    pub(crate) fn next_unit(&mut self) -> Result<Option<u64>, Error> {
        if self.held.is_none() {
            self.held = self.next()?;
        }
        Ok(self.held.map(|(unit, _)| unit))
    }

    /// Takes the records of units before `end`.
    pub(crate) fn take_until(&mut self, end: u64) -> Result<Vec<(u64, Digest)>, Error> {
        let mut taken = Vec::new();
        while self.next_unit()?.is_some_and(|unit| unit < end) {
            taken.extend(self.held.take());
        }
        Ok(taken)
    }
}
