//! How long compressed streams are.

use std::ops::Range;

use blockio::ReadAt;
use qcow2_codec::Decoder;
use qcow2_format::ClusterBits;
use qcow2_map::{Codec, in_memory};

/// How the clusters that a stream uses are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Streams {
    /// By the sectors that its entry counts, which may be too many.
    Counted,
    /// By decoding it.
    Measured,
}

/// Measures streams.
pub(crate) struct Measure<'s, S> {
    storage: &'s S,
    decoder: Decoder,
    cluster_bits: ClusterBits,
    stored: Vec<u8>,
    cluster: Vec<u8>,
    /// The last one, and its end: many clusters may share it.
    last: (Range<u64>, u64),
}

impl<'s, S: ReadAt> Measure<'s, S> {
    pub(crate) fn new(storage: &'s S, codec: Codec) -> Self {
        Self {
            storage,
            decoder: Decoder::new(codec.compression),
            cluster_bits: codec.cluster_bits,
            stored: Vec::new(),
            cluster: vec![0; in_memory(codec.cluster_bits.bytes())],
            last: (0..0, 0),
        }
    }

    /// Host offset after the last byte that the stream in `counted` needs; the end
    /// of what is counted where it cannot be decoded.
    pub(crate) fn end(&mut self, counted: &Range<u64>) -> u64 {
        if self.last.0 != *counted {
            let end = self.decode(counted).unwrap_or(counted.end);
            self.last = (counted.clone(), end);
        }
        self.last.1
    }

    /// Reads stored bytes, if there are any.
    fn read(&mut self, bytes: Range<u64>) -> Option<()> {
        let length = bytes
            .end
            .checked_sub(bytes.start)
            .filter(|length| *length > 0)?;
        self.stored.resize(in_memory(length), 0);
        self.storage.read_at(bytes.start, &mut self.stored).ok()
    }

    fn decode(&mut self, counted: &Range<u64>) -> Option<u64> {
        // At most two clusters.
        let end = counted.end.min(self.storage.size());
        // A count that is too high may be for bytes of a pipe that were not kept.
        let bits = self.cluster_bits;
        let shorter = bits.round_down(end.saturating_sub(1));
        let mut ends = [end, shorter, shorter.saturating_sub(bits.bytes())].into_iter();
        ends.find_map(|end| self.read(counted.start..end))?;
        let needed = self.decoder.measure(&self.stored, &mut self.cluster).ok()?;
        counted.start.checked_add(needed)
    }
}
