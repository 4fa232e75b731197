//! Guest bytes that are stored in a row, or in one stream: what batches are made of.

use std::ops::Range;

use qcow2_map::Stream;

/// Batches begin at multiples of this, the usual block size of a filesystem, so
/// that zeros found in them are whole blocks of the file they are left out of; or
/// where the batch before ends, if that is a compressed cluster that reaches into the
/// block.
pub(crate) const BLOCK_BYTES: u64 = 4096;

/// How guest bytes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// In a row, from this host offset on.
    Plain { host: u64 },
    /// As plain bytes, in whole blocks that the output may share.
    Shareable { host: u64 },
    /// At their place in the cluster that this stream gives.
    Compressed(Stream),
}

/// Guest bytes that are stored in a row, or in one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) guest: Range<u64>,
    /// Index of the file that has them.
    pub(crate) file: usize,
    pub(crate) stored: Stored,
}

impl Segment {
    /// Cuts off what lies at or after the guest offset `at`. A compressed
    /// cluster cannot be cut.
    pub(crate) fn split_off(&mut self, at: u64) -> Option<Self> {
        let Stored::Plain { host } = self.stored else {
            return None;
        };
        let kept_bytes = at.checked_sub(self.guest.start)?;
        if at >= self.guest.end {
            return None;
        }
        let after = Self {
            guest: at..self.guest.end,
            file: self.file,
            stored: Stored::Plain {
                host: host.saturating_add(kept_bytes),
            },
        };
        self.guest.end = at;
        Some(after)
    }

    /// Whether this is plain, and guest and host offsets are at the same place
    /// in units of `unit_bytes`.
    pub(crate) fn is_plain_in_step(&self, unit_bytes: u64) -> bool {
        match self.stored {
            Stored::Plain { host } => host % unit_bytes == self.guest.start % unit_bytes,
            Stored::Shareable { .. } | Stored::Compressed(_) => false,
        }
    }

    /// Whether its blocks may become those of the output.
    pub(crate) fn is_shareable(&self) -> bool {
        matches!(self.stored, Stored::Shareable { .. })
    }

    /// Whether both are streams and `next` starts within this one or right
    /// after it, as streams that share a sector do.
    pub(crate) fn is_followed_by(&self, next: &Self) -> bool {
        match (self.stored, next.stored) {
            (Stored::Compressed(stream), Stored::Compressed(next_stream)) => {
                self.file == next.file
                    && (stream.host.0..=stream.end()).contains(&next_stream.host.0)
            }
            _ => false,
        }
    }
}

/// The last multiple of `unit` up to `at`.
pub(crate) fn round_down(at: u64, unit: u64) -> u64 {
    at.saturating_sub(at % unit)
}
