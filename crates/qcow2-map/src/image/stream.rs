//! Compressed streams: where they are, and what they give.

use std::ops::Range;

use qcow2_codec::StreamFault;
use qcow2_format::header::CompressionType;
use qcow2_format::{ClusterBits, GuestOffset, Header, HostOffset};

use crate::{Error, Structure};

/// A compressed stream in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    /// Its first byte.
    pub host: HostOffset,
    /// Bytes to read: all that can belong to it and are there.
    pub bytes: u64,
    /// Bytes up to the end of its last sector, which can lie past the end of
    /// the file: entries count whole sectors, and too many of them do no harm.
    pub bytes_max: u64,
    /// What it gives.
    pub codec: Codec,
}

/// What the streams of an image give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Codec {
    /// How they are compressed.
    pub compression: CompressionType,
    /// The length of what each of them gives.
    pub cluster_bits: ClusterBits,
}

impl Codec {
    /// What the streams of the image with this header give.
    #[must_use]
    pub fn of(header: &Header) -> Self {
        Self {
            compression: header.compression_type,
            cluster_bits: header.cluster_bits,
        }
    }
}

impl Stream {
    /// Host offset after the bytes to read.
    #[inline]
    #[must_use]
    pub fn end(&self) -> u64 {
        self.host.0.saturating_add(self.bytes)
    }

    /// The error that `fault` is in this stream of a file of `file_bytes`
    /// bytes, needed for the bytes `guest`, which are in one cluster.
    #[must_use]
    pub fn error(&self, fault: StreamFault, guest: Range<u64>, file_bytes: u64) -> Error {
        let end = self.host.0.saturating_add(self.bytes_max);
        if end > file_bytes && matches!(fault, StreamFault::Ends { .. }) {
            return Error::Truncated {
                structure: Structure::Stream,
                guest,
                host: self.host,
                end,
                file_bytes,
            };
        }
        Error::Compressed {
            host: self.host,
            guest: GuestOffset(self.codec.cluster_bits.round_down(guest.start)),
            source: fault,
        }
    }
}
