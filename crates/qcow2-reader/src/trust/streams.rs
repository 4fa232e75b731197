//! How long compressed streams are.

use std::ops::Range;

use blockio::ReadAt;

use crate::decompress::Decoder;
use crate::load::in_memory;
use crate::places::Codec;

/// How the clusters that a stream uses are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Streams {
    /// By the sectors that its entry counts, which may be too many.
    Counted,
    /// By decoding it.
    Measured,
}

/// Measures streams.
pub(super) struct Measure<'s, S> {
    storage: &'s S,
    decoder: Decoder,
    stored: Vec<u8>,
    cluster: Vec<u8>,
    /// The last one, and its end: many clusters may share it.
    last: (Range<u64>, u64),
}

impl<'s, S: ReadAt> Measure<'s, S> {
    pub(super) fn new(storage: &'s S, codec: Codec) -> Self {
        Self {
            storage,
            decoder: Decoder::new(codec.compression),
            stored: Vec::new(),
            cluster: vec![0; in_memory(codec.cluster_bits.bytes())],
            last: (0..0, 0),
        }
    }

    /// Host offset behind the last byte that the stream in `counted` needs; the end
    /// of what is counted where it cannot be decoded.
    pub(super) fn end(&mut self, counted: &Range<u64>) -> u64 {
        if self.last.0 != *counted {
            let end = self.decode(counted).unwrap_or(counted.end);
            self.last = (counted.clone(), end);
        }
        self.last.1
    }

    fn decode(&mut self, counted: &Range<u64>) -> Option<u64> {
        // At most two clusters.
        let end = counted.end.min(self.storage.size());
        let length = end.checked_sub(counted.start)?;
        self.stored.resize(in_memory(length), 0);
        self.storage.read_at(counted.start, &mut self.stored).ok()?;
        let needed = self.decoder.measure(&self.stored, &mut self.cluster).ok()?;
        counted.start.checked_add(needed)
    }
}
