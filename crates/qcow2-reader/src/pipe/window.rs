//! The bytes that came last, from which data is taken.

use std::ops::Range;

use blockio::len_u64;
use qcow2_format::HostOffset;
use qcow2_map::{Error as ImageError, Structure, in_memory};

use crate::error::Error;
use crate::source::Source;

/// The bytes that came last.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Host offset of the first.
    start: u64,
    bytes: Vec<u8>,
    /// Whether the file ends here.
    pub(super) ended: bool,
}

impl Window {
    /// An empty window at `start`.
    pub(super) fn new(start: u64) -> Self {
        Self {
            start,
            ..Self::default()
        }
    }

    /// Host offset after the last byte.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(len_u64(self.bytes.len()))
    }

    /// Forgets what lies before `host`.
    pub(super) fn forget_to(&mut self, host: u64) {
        let host = host.clamp(self.start, self.end());
        self.bytes
            .drain(..in_memory(host.saturating_sub(self.start)));
        self.start = host;
    }

    /// Makes room for `length` more bytes, which `fill` fills; it says how many there
    /// are.
    pub(super) fn grow(
        &mut self,
        length: u64,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, Error>,
    ) -> Result<Range<u64>, Error> {
        let (done, start) = (self.bytes.len(), self.end());
        self.bytes.resize(done.saturating_add(in_memory(length)), 0);
        let there = fill(&mut self.bytes[done..])?;
        self.bytes.truncate(done.saturating_add(there));
        Ok(start..self.end())
    }

    /// Those of the bytes `host` that are here.
    pub(super) fn get(&self, host: &Range<u64>) -> &[u8] {
        let place = |at: u64| in_memory(at.saturating_sub(self.start)).min(self.bytes.len());
        if host.start < self.start {
            return &[];
        }
        self.bytes
            .get(place(host.start)..place(host.end))
            .unwrap_or_default()
    }

    fn copy(&self, host: u64, bytes: &mut [u8]) -> usize {
        let there = self.get(&(host..host.saturating_add(len_u64(bytes.len()))));
        bytes[..there.len()].copy_from_slice(there);
        there.len()
    }
}

impl Source for Window {
    fn plain(
        &mut self,
        guest: &Range<u64>,
        _file: usize,
        host: u64,
        bytes: &mut [u8],
    ) -> Result<(), Error> {
        if self.copy(host, bytes) == bytes.len() {
            return Ok(());
        }
        Err(Error::Image(ImageError::Truncated {
            structure: Structure::Data,
            guest: guest.clone(),
            host: HostOffset(host),
            end: host.saturating_add(len_u64(bytes.len())),
            file_bytes: self.end(),
        }))
    }

    fn streams(
        &mut self,
        _guest: u64,
        _file: usize,
        host: u64,
        bytes: &mut [u8],
    ) -> Result<usize, Error> {
        Ok(self.copy(host, bytes))
    }

    fn file_bytes(&self, _file: usize) -> u64 {
        if self.ended { self.end() } else { u64::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_moves_over_a_file() {
        let mut window = Window::new(100);
        let fill = |value| {
            move |bytes: &mut [u8]| {
                bytes.fill(value);
                Ok(bytes.len() - 2)
            }
        };
        assert_eq!(window.grow(12, fill(1)).unwrap(), 100..110);
        assert_eq!(window.grow(12, fill(2)).unwrap(), 110..120);
        window.forget_to(105);
        window.forget_to(50);
        assert_eq!(window.end(), 120);
        let mut bytes = [0; 8];
        window.plain(&(0..8), 0, 106, &mut bytes).unwrap();
        assert_eq!(bytes, [1, 1, 1, 1, 2, 2, 2, 2]);
        assert_eq!(window.streams(0, 0, 115, &mut bytes).unwrap(), 5);
        assert_eq!(window.file_bytes(0), u64::MAX);
        window.ended = true;
        let error = window.plain(&(0..8), 0, 115, &mut bytes).unwrap_err();
        assert_eq!(
            error.to_string(),
            "data at host offset 0x73, for guest bytes 0x0..0x8, ends at 0x7b, past the end of the file at 0x78: the image is truncated"
        );
        // What was forgotten is not there.
        assert_eq!(window.streams(0, 0, 104, &mut bytes).unwrap(), 0);
    }
}
