//! The file or device the image goes to, and small writes gathered into large ones.

use std::fmt;

use blockio::{Store, is_zero, len_u64};
use qcow2_format::HostOffset;

use crate::error::Error;

/// Bytes of tables that are gathered before they are written.
const GATHER_BYTES: usize = 1 << 20;

/// Where the image goes.
pub(crate) struct Output<'t, T: ?Sized> {
    target: &'t T,
    starts_zeroed: bool,
}

impl<T: ?Sized> fmt::Debug for Output<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("starts_zeroed", &self.starts_zeroed)
            .finish_non_exhaustive()
    }
}

impl<'t, T: Store + ?Sized> Output<'t, T> {
    pub(crate) fn new(target: &'t T) -> Self {
        Self {
            target,
            starts_zeroed: target.starts_zeroed(),
        }
    }

    /// Whether a byte that was not written reads as zero.
    pub(crate) fn starts_zeroed(&self) -> bool {
        self.starts_zeroed
    }

    pub(crate) fn write(
        &self,
        structure: &'static str,
        offset: HostOffset,
        bytes: &[u8],
    ) -> Result<(), Error> {
        self.target
            .write_at(offset.0, bytes)
            .map_err(|source| Error::WriteImage {
                structure,
                offset,
                source,
            })
    }

    /// Makes `length` bytes that were never written read as zeros.
    pub(crate) fn clear(
        &self,
        structure: &'static str,
        offset: HostOffset,
        length: u64,
    ) -> Result<(), Error> {
        if self.starts_zeroed || length == 0 {
            return Ok(());
        }
        self.target
            .write_zeroes(offset.0, length)
            .map_err(|source| Error::WriteImage {
                structure,
                offset,
                source,
            })
    }

    pub(crate) fn read_back(&self, offset: HostOffset, bytes: &mut [u8]) -> Result<(), Error> {
        self.target
            .read_at(offset.0, bytes)
            .map_err(|source| Error::ReadBack { offset, source })
    }

    pub(crate) fn set_size(&self, size: u64) -> Result<(), Error> {
        self.target
            .set_size(size)
            .map_err(|source| Error::WriteImage {
                structure: "the end",
                offset: HostOffset(size),
                source,
            })
    }

    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.target.sync().map_err(|source| Error::WriteImage {
            structure: "all that must be stored before the header",
            offset: HostOffset(0),
            source,
        })
    }
}

/// Gathers writes that follow each other into large ones.
#[derive(Debug)]
pub(crate) struct Gather<'o, 't, T: ?Sized> {
    output: &'o Output<'t, T>,
    structure: &'static str,
    start: HostOffset,
    bytes: Vec<u8>,
}

impl<'o, 't, T: Store + ?Sized> Gather<'o, 't, T> {
    pub(crate) fn new(output: &'o Output<'t, T>, structure: &'static str) -> Self {
        Self {
            output,
            structure,
            start: HostOffset(0),
            bytes: Vec::new(),
        }
    }

    /// Writes `bytes` at `offset`, now or later.
    pub(crate) fn write(&mut self, offset: HostOffset, bytes: &[u8]) -> Result<(), Error> {
        let end = self.start.0.saturating_add(len_u64(self.bytes.len()));
        if offset.0 != end || self.bytes.len().saturating_add(bytes.len()) > GATHER_BYTES {
            self.flush()?;
            self.start = offset;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what is gathered. Zeros are left out where nothing else can be there.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        let there_already = self.output.starts_zeroed && is_zero(&self.bytes);
        if !self.bytes.is_empty() && !there_already {
            self.output.write(self.structure, self.start, &self.bytes)?;
        }
        self.bytes.clear();
        Ok(())
    }
}
