//! What arrived on a pipe, as a file: all but what was used at once and not kept.

use std::io;
use std::ops::Range;

use blockio::{ReadAt, Store, len_u64};
use qcow2_format::HostOffset;
use qcow2_map::{Error as ImageError, Structure, in_memory};

use crate::error::Error;
use crate::source::Source;

/// Most ranges that are noted: 16 MiB of them.
const RANGES_MAX: usize = 1 << 20;

/// Bytes of the file that were not kept, ascending.
#[derive(Debug, Default)]
pub(crate) struct Dropped(Vec<Range<u64>>);

impl Dropped {
    /// Notes that `bytes`, which lie after all others, are not kept. Returns whether
    /// there was room for that.
    pub(crate) fn add(&mut self, bytes: Range<u64>) -> bool {
        if bytes.is_empty() {
            return true;
        }
        let count = self.0.len();
        match self.0.last_mut() {
            Some(last) if last.end == bytes.start => last.end = bytes.end,
            _ if count >= RANGES_MAX => return false,
            _ => self.0.push(bytes),
        }
        true
    }

    /// The first of them that has a byte of `bytes`.
    fn overlap(&self, bytes: &Range<u64>) -> Option<&Range<u64>> {
        let first = self.0.partition_point(|range| range.end <= bytes.start);
        let range = self.0.get(first)?;
        (range.start < bytes.end).then_some(range)
    }
}

/// What arrived, as a file. What was not kept cannot be read, and never reads as
/// anything else.
#[derive(Debug)]
pub(crate) struct Arrived<'a, K> {
    spool: &'a K,
    dropped: &'a Dropped,
    size: u64,
}

impl<'a, K: Store> Arrived<'a, K> {
    pub(crate) fn new(spool: &'a K, dropped: &'a Dropped, size: u64) -> Self {
        Self {
            spool,
            dropped,
            size,
        }
    }
}

impl<K: Store> Arrived<'_, K> {
    fn read(&self, structure: Structure, host: u64, bytes: &mut [u8]) -> Result<(), Error> {
        self.read_at(host, bytes).map_err(|source| {
            Error::Image(ImageError::Read {
                structure,
                host: HostOffset(host),
                source,
            })
        })
    }
}

impl<K: Store> ReadAt for Arrived<'_, K> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(len_u64(buf.len()));
        let end = end.filter(|end| *end <= self.size);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        if let Some(Range { start, end }) = self.dropped.overlap(&(offset..end)) {
            return Err(io::Error::other(format!(
                "bytes {start:#x}..{end:#x} came from the pipe as data that nothing else uses, and were not kept: save the image to a file and unpack that"
            )));
        }
        // What was not written to it, up to its end, is zero.
        let there = self.spool.size().saturating_sub(offset);
        let there = usize::try_from(there).unwrap_or(usize::MAX).min(buf.len());
        let (stored, after) = buf.split_at_mut(there);
        after.fill(0);
        if stored.is_empty() {
            return Ok(());
        }
        self.spool.read_at(offset, stored)
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        // What was dropped is a hole in the spool, and may be anything.
        Ok((from < self.size).then_some(from..self.size))
    }
}

impl<K: Store> Source for Arrived<'_, K> {
    fn plain(
        &mut self,
        _guest: &Range<u64>,
        _file: usize,
        host: u64,
        bytes: &mut [u8],
    ) -> Result<(), Error> {
        self.read(Structure::Data, host, bytes)
    }

    /// Entries may count more than their stream has. What was not kept belongs to
    /// something else, as its refcount says, so the stream ends before it.
    fn streams(
        &mut self,
        _guest: u64,
        _file: usize,
        host: u64,
        bytes: &mut [u8],
    ) -> Result<usize, Error> {
        let end = host.saturating_add(len_u64(bytes.len())).min(self.size);
        let dropped = self.dropped.overlap(&(host..end));
        let end = dropped.map_or(end, |dropped| dropped.start.max(host));
        let there = in_memory(end.saturating_sub(host)).min(bytes.len());
        if there > 0 {
            self.read(Structure::Stream, host, &mut bytes[..there])?;
        }
        Ok(there)
    }

    fn file_bytes(&self, _file: usize) -> u64 {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use blockio::{MemoryDisk, WriteAt};

    use super::*;

    #[test]
    fn what_was_not_kept_is_an_error_and_the_rest_is_there() {
        let spool = MemoryDisk::default();
        spool.write_at(10, &[7; 10]).unwrap();
        let mut dropped = Dropped::default();
        for range in [30..40, 40..50, 60..60, 70..80] {
            assert!(dropped.add(range));
        }
        let arrived = Arrived::new(&spool, &dropped, 100);
        let mut bytes = [9; 10];
        arrived.read_at(15, &mut bytes).unwrap();
        assert_eq!(bytes, [7, 7, 7, 7, 7, 0, 0, 0, 0, 0]);
        arrived.read_at(50, &mut bytes).unwrap();
        arrived.read_at(90, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 10]);
        for (at, range) in [(21, "0x1e..0x32"), (49, "0x1e..0x32"), (79, "0x46..0x50")] {
            let error = arrived.read_at(at, &mut bytes).unwrap_err().to_string();
            assert!(error.contains(range), "{error}");
        }
        assert!(arrived.read_at(91, &mut bytes).is_err());
        assert!(arrived.read_at(u64::MAX, &mut bytes).is_err());
    }
}
