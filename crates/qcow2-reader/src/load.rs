//! From stored bytes to guest bytes, batch by batch: first what is read, then
//! what is decoded.

use std::ops::Range;

use blockio::{ReadAt, len_u64, nonzero_runs};
use pipeline::{BufferPool, PooledBuffer};
use qcow2_format::{ClusterBits, HostOffset};

use crate::batch::{BLOCK_BYTES, Batch, Segment, Stored};
use crate::decompress::Decoder;
use crate::places::Stream;
use crate::{Error, Structure};

/// Where the stored bytes of batches come from.
pub(crate) trait Source {
    /// Fills `bytes` with the plain bytes at `host`, which are those of `guest`.
    fn plain(&mut self, guest: &Range<u64>, host: u64, bytes: &mut [u8]) -> Result<(), Error>;

    /// Fills `bytes` with the streams at `host`, the first of which is for the
    /// guest offset `guest`, and says how many bytes there are: fewer only where
    /// the file ends.
    fn streams(&mut self, guest: u64, host: u64, bytes: &mut [u8]) -> Result<usize, Error>;

    /// Length of the file, or the largest number while that is not known.
    fn file_bytes(&self) -> u64;
}

/// Storage that is read at any place.
pub(crate) struct Stationary<'s, S: ?Sized>(pub(crate) &'s S);

impl<S: ReadAt + ?Sized> Stationary<'_, S> {
    fn read(&self, structure: Structure, host: u64, bytes: &mut [u8]) -> Result<(), Error> {
        self.0.read_at(host, bytes).map_err(|source| Error::Read {
            structure,
            host: HostOffset(host),
            source,
        })
    }
}

impl<S: ReadAt + ?Sized> Source for Stationary<'_, S> {
    fn plain(&mut self, _guest: &Range<u64>, host: u64, bytes: &mut [u8]) -> Result<(), Error> {
        self.read(Structure::Data, host, bytes)
    }

    fn streams(&mut self, _guest: u64, host: u64, bytes: &mut [u8]) -> Result<usize, Error> {
        self.read(Structure::Stream, host, bytes)?;
        Ok(bytes.len())
    }

    fn file_bytes(&self) -> u64 {
        self.0.size()
    }
}

/// The buffers of loaded batches.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    guest: BufferPool,
    streams: BufferPool,
}

/// A batch that was read: its plain bytes are in their place, and its streams
/// wait to be decoded.
#[derive(Debug)]
pub(crate) struct Loaded<'p> {
    /// Guest offset of the first byte.
    start: u64,
    bytes: PooledBuffer<'p>,
    stored: PooledBuffer<'p>,
    streams: Vec<LoadedStream>,
    file_bytes: u64,
}

#[derive(Debug)]
struct LoadedStream {
    guest: Range<u64>,
    stream: Stream,
    /// Its place among the stored bytes.
    place: Range<usize>,
}

impl<'p> Loaded<'p> {
    /// Reads `batch` in the order of its segments; streams that follow each
    /// other are read at once.
    pub(crate) fn read(
        source: &mut impl Source,
        batch: &Batch,
        buffers: &'p Buffers,
    ) -> Result<Self, Error> {
        let stored_bytes = batch.streams().map(|stream| stream.bytes).sum();
        let mut loaded = Self {
            start: batch.guest.start,
            bytes: buffers.guest.take(distance(&batch.guest)),
            stored: buffers.streams.take(in_memory(stored_bytes)),
            streams: Vec::new(),
            file_bytes: 0,
        };
        let (mut filled, mut stored) = (0, 0);
        for group in batch.segments.chunk_by(Segment::is_followed_by) {
            for segment in group {
                let place = loaded.place(&segment.guest);
                loaded.bytes[filled..place.start].fill(0);
                filled = place.end;
            }
            stored = loaded.read_group(source, group, stored)?;
        }
        loaded.file_bytes = source.file_bytes();
        Ok(loaded)
    }

    /// Reads one plain segment, or streams that follow each other to `at` among
    /// the stored bytes; says where those end.
    fn read_group(
        &mut self,
        source: &mut impl Source,
        group: &[Segment],
        at: usize,
    ) -> Result<usize, Error> {
        let (mut host, mut end) = (u64::MAX, 0);
        for segment in group {
            match segment.stored {
                Stored::Plain { host } | Stored::Shareable { host } => {
                    let place = self.place(&segment.guest);
                    source.plain(&segment.guest, host, &mut self.bytes[place])?;
                }
                Stored::Compressed(stream) => {
                    host = host.min(stream.host.0);
                    end = end.max(stream.end());
                    let start = at + distance(&(host..stream.host.0));
                    self.streams.push(LoadedStream {
                        guest: segment.guest.clone(),
                        stream,
                        place: start..start + in_memory(stream.bytes),
                    });
                }
            }
        }
        let bytes = &mut self.stored[at..at + distance(&(host..end))];
        if bytes.is_empty() {
            return Ok(at);
        }
        let guest = group.first().map_or(self.start, |first| first.guest.start);
        let there = at + source.streams(guest, host, bytes)?;
        let loaded = self.streams.len().saturating_sub(group.len());
        for stream in self.streams.iter_mut().skip(loaded) {
            let Range { start, end } = stream.place;
            stream.place = start.min(there)..end.min(there);
        }
        Ok(there)
    }

    /// The guest bytes, decoded, of which runs of `zeroes_min` zeros need not
    /// be written.
    pub(crate) fn decode(
        mut self,
        decoder: &mut Decoder,
        cluster_bits: ClusterBits,
        zeroes_min: usize,
    ) -> Result<Piece<'p>, Error> {
        let cluster_bytes = in_memory(cluster_bits.bytes());
        for LoadedStream {
            guest,
            stream,
            place,
        } in &self.streams
        {
            let stored = &self.stored[place.clone()];
            let guest_place = self.place(guest);
            let bytes = &mut self.bytes[guest_place];
            let decoded = if bytes.len() == cluster_bytes {
                decoder.decode(stored, bytes)
            } else {
                // The disk ends within this cluster.
                let mut cluster = vec![0; cluster_bytes];
                let decoded = decoder.decode(stored, &mut cluster);
                bytes.copy_from_slice(&cluster[..bytes.len()]);
                decoded
            };
            decoded.map_err(|fault| {
                stream.error(fault, guest.clone(), cluster_bits, self.file_bytes)
            })?;
        }
        Ok(Piece {
            start: self.start,
            parts: parts_to_write(&self.bytes, zeroes_min),
            bytes: self.bytes,
        })
    }

    /// Where the bytes `guest` are in this batch.
    fn place(&self, guest: &Range<u64>) -> Range<usize> {
        distance(&(self.start..guest.start))..distance(&(self.start..guest.end))
    }
}

/// The guest bytes of a batch, and which of them matter.
pub(crate) struct Piece<'p> {
    /// Guest offset of the first byte.
    pub(crate) start: u64,
    bytes: PooledBuffer<'p>,
    /// The parts to write; the others are zero.
    parts: Vec<Range<usize>>,
}

impl Piece<'_> {
    /// Length, of what is not written too.
    pub(crate) fn bytes(&self) -> u64 {
        len_u64(self.bytes.len())
    }

    /// Guest offset behind the last byte.
    pub(crate) fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes())
    }

    /// The parts to write, with their guest offsets.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.parts.iter().map(|part| {
            let start = self.start.saturating_add(len_u64(part.start));
            (start, &self.bytes[part.clone()])
        })
    }
}

/// The parts of `bytes` between runs of at least `zeroes_min` zeros.
fn parts_to_write(bytes: &[u8], zeroes_min: usize) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    for run in nonzero_runs(bytes, in_memory(BLOCK_BYTES)) {
        match parts.last_mut() {
            Some(part) if run.start - part.end < zeroes_min => part.end = run.end,
            _ => parts.push(run),
        }
    }
    parts
}

/// The length of a range within a batch.
fn distance(range: &Range<u64>) -> usize {
    in_memory(range.end.saturating_sub(range.start))
}

/// A length within a batch, which is far below any `usize`.
fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
