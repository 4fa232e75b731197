//! Guest bytes on their way to host clusters.

use std::ops::Range;

use blockio::{Store, len_u64};
use qcow2_format::HostOffset;

use crate::error::Error;
use crate::image::file::{Floor, ImageFile};
use crate::units::to_usize;

/// One write of the caller; a run of it that is contiguous in the guest and
/// in the image waits to be written at once.
#[derive(Debug)]
pub(crate) struct DataRun<'b> {
    bytes: &'b [u8],
    /// Guest offset of `bytes`.
    offset: u64,
    /// Guest bytes that wait.
    waiting: Range<u64>,
    /// Where the first of them goes.
    host: HostOffset,
    /// Whether they are the first to be written there.
    is_new: bool,
}

impl<'b> DataRun<'b> {
    /// A write of `bytes` at guest offset `offset`; nothing of it waits yet.
    pub(crate) fn new(bytes: &'b [u8], offset: u64) -> Self {
        Self {
            bytes,
            offset,
            waiting: offset..offset,
            host: HostOffset(0),
            is_new: false,
        }
    }

    /// The guest bytes of the whole write.
    pub(crate) fn range(&self) -> Range<u64> {
        self.offset..self.offset + len_u64(self.bytes.len())
    }

    /// The bytes of `guest`, a part of the range of this write.
    pub(crate) fn part(&self, guest: &Range<u64>) -> &'b [u8] {
        &self.bytes[to_usize(guest.start - self.offset)..to_usize(guest.end - self.offset)]
    }

    /// Writes the bytes of `guest` at `host`, where nothing was written before
    /// if it `is_new`, now or later.
    pub(crate) fn push<T: Store>(
        &mut self,
        guest: Range<u64>,
        host: HostOffset,
        is_new: bool,
        file: &ImageFile<T>,
        floor: &mut Floor,
    ) -> Result<(), Error> {
        let host_end = self.host.0 + (self.waiting.end - self.waiting.start);
        if (guest.start, host.0, is_new) == (self.waiting.end, host_end, self.is_new) {
            self.waiting.end = guest.end;
        } else {
            self.write(file, floor)?;
            self.waiting = guest;
            self.host = host;
            self.is_new = is_new;
        }
        Ok(())
    }

    /// Writes what waits. Zeros stay holes where nothing else can be. What is new must
    /// come after all that was new before: `floor` is the end of that.
    pub(crate) fn write<T: Store>(
        &self,
        file: &ImageFile<T>,
        floor: &mut Floor,
    ) -> Result<(), Error> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let bytes = self.part(&self.waiting);
        if self.is_new {
            floor.check("data", self.host)?;
            floor.rise(self.host.0 + len_u64(bytes.len()));
            file.write_new("data", self.host, bytes)
        } else {
            file.write("data", self.host, bytes)
        }
    }
}
