//! From stored bytes to guest bytes, batch by batch: first what is read, then
//! what is decoded.

use std::ops::Range;

use blockio::{len_u64, nonzero_runs};
use luks::SECTOR_BYTES;
use pipeline::{BufferPool, PooledBuffer};
use qcow2_codec::Decoders;
use qcow2_map::{Stream, distance, in_memory};

use crate::error::Error;
use crate::source::Source;
use crate::unpack::batch::Batch;
use crate::unpack::segment::{BLOCK_BYTES, Segment, Stored};

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
    /// Whether what cannot be read is lost, and no error.
    salvage: bool,
    /// Guest bytes that could not be read, and are zero.
    lost: Vec<Range<u64>>,
}

#[derive(Debug)]
struct LoadedStream {
    guest: Range<u64>,
    stream: Stream,
    /// Its place among the stored bytes.
    place: Range<usize>,
    /// Length of the file that has it, if that was known.
    file_bytes: u64,
}

impl<'p> Loaded<'p> {
    /// Reads `batch` in the order of its segments; streams that follow each
    /// other are read at once.
    pub(crate) fn read(
        source: &mut impl Source,
        batch: &Batch,
        buffers: &'p Buffers,
        salvage: bool,
    ) -> Result<Self, Error> {
        let stored_bytes = batch.streams().map(|stream| stream.bytes).sum();
        let mut loaded = Self {
            start: batch.guest.start,
            bytes: buffers.guest.take(distance(&batch.guest)),
            stored: buffers.streams.take(in_memory(stored_bytes)),
            streams: Vec::new(),
            salvage,
            lost: Vec::new(),
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
                    let bytes = &mut self.bytes[place];
                    match source.plain(&segment.guest, segment.file, host, bytes) {
                        Err(_) if self.salvage => {
                            let (guest, file) = (&segment.guest, segment.file);
                            self.lost
                                .extend(salvage_plain(source, guest, file, host, bytes));
                        }
                        read => read?,
                    }
                }
                Stored::Compressed(stream) => {
                    host = host.min(stream.host.0);
                    end = end.max(stream.end());
                    let start = at + distance(&(host..stream.host.0));
                    self.streams.push(LoadedStream {
                        guest: segment.guest.clone(),
                        stream,
                        place: start..start + in_memory(stream.bytes),
                        file_bytes: 0,
                    });
                }
            }
        }
        let bytes = &mut self.stored[at..at + distance(&(host..end))];
        if bytes.is_empty() {
            return Ok(at);
        }
        let first = group.first();
        let (guest, file) = first.map_or((self.start, 0), |first| (first.guest.start, first.file));
        let there = match source.streams(guest, file, host, bytes) {
            Err(_) if self.salvage => {
                self.salvage_streams(source, group, at);
                return Ok(at + distance(&(host..end)));
            }
            there => at + there?,
        };
        let loaded = self.streams.len().saturating_sub(group.len());
        for stream in self.streams.iter_mut().skip(loaded) {
            let Range { start, end } = stream.place;
            stream.place = start.min(there)..end.min(there);
            stream.file_bytes = source.file_bytes(file);
        }
        Ok(there)
    }

    /// Reads the streams of a group, which could not be read at once, one by one.
    /// Of those that cannot be read there is nothing.
    fn salvage_streams(&mut self, source: &mut impl Source, group: &[Segment], at: usize) {
        let hosts = group.iter().filter_map(|segment| match segment.stored {
            Stored::Compressed(stream) => Some(stream.host.0),
            Stored::Plain { .. } | Stored::Shareable { .. } => None,
        });
        let host = hosts.min().unwrap_or(0);
        let loaded = self.streams.len().saturating_sub(group.len());
        for (segment, stream) in group.iter().zip(self.streams.iter_mut().skip(loaded)) {
            let start = at + distance(&(host..stream.stream.host.0));
            let place = start..start + in_memory(stream.stream.bytes);
            let bytes = &mut self.stored[place.clone()];
            let guest = segment.guest.start;
            let read = source.streams(guest, segment.file, stream.stream.host.0, bytes);
            let length = read.unwrap_or(0);
            stream.place = start..start + length.min(place.len());
            stream.file_bytes = source.file_bytes(segment.file);
        }
    }

    /// The guest bytes, decoded; runs of `zeroes_min` zeros need not
    /// be written.
    pub(crate) fn decode(
        mut self,
        decoders: &mut Decoders,
        zeroes_min: usize,
    ) -> Result<Piece<'p>, Error> {
        for LoadedStream {
            guest,
            stream,
            place,
            file_bytes,
        } in &self.streams
        {
            let decoder = decoders.of(stream.codec.compression);
            let cluster_bytes = in_memory(stream.codec.cluster_bits.bytes());
            let stored = &self.stored[place.clone()];
            let guest_place = self.place(guest);
            let bytes = &mut self.bytes[guest_place];
            let decoded = if bytes.len() == cluster_bytes {
                decoder.decode(stored, bytes)
            } else {
                // The disk ends within this cluster, or a layer above has parts of it.
                let mut cluster = vec![0; cluster_bytes];
                let decoded = decoder.decode(stored, &mut cluster);
                let skipped = stream.codec.cluster_bits.offset_in_cluster(guest.start);
                let part = in_memory(skipped)..in_memory(skipped) + bytes.len();
                bytes.copy_from_slice(&cluster[part]);
                decoded
            };
            if let Err(fault) = decoded {
                if !self.salvage {
                    return Err(Error::Image(stream.error(
                        fault,
                        guest.clone(),
                        *file_bytes,
                    )));
                }
                let place = self.place(guest);
                self.bytes[place].fill(0);
                self.lost.push(guest.clone());
            }
        }
        Ok(Piece {
            start: self.start,
            parts: parts_to_write(&self.bytes, zeroes_min),
            bytes: self.bytes,
            lost: self.lost,
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
    /// Guest bytes that could not be read, and are zero.
    pub(crate) lost: Vec<Range<u64>>,
}

impl Piece<'_> {
    /// A piece of `bytes` at `start`, all of which are written.
    #[cfg(test)]
    pub(crate) fn of(start: u64, bytes: PooledBuffer<'_>) -> Piece<'_> {
        Piece {
            start,
            parts: std::iter::once(0..bytes.len()).collect(),
            bytes,
            lost: Vec::new(),
        }
    }

    /// Length, of what is not written too.
    pub(crate) fn bytes(&self) -> u64 {
        len_u64(self.bytes.len())
    }

    /// Guest offset after the last byte.
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

/// Reads the plain bytes `guest` at `host` of a file, which could not be read at once,
/// sector by sector. Gives the guest bytes that are lost.
pub(crate) fn salvage_plain(
    source: &mut impl Source,
    guest: &Range<u64>,
    file: usize,
    host: u64,
    bytes: &mut [u8],
) -> Vec<Range<u64>> {
    let mut lost = Vec::new();
    let (mut guest, mut host) = (guest.start, host);
    let mut rest = bytes;
    while !rest.is_empty() {
        let to_boundary = SECTOR_BYTES.saturating_sub(host % SECTOR_BYTES);
        let length = rest.len().min(in_memory(to_boundary));
        let (sector, after) = rest.split_at_mut(length);
        let range = guest..guest.saturating_add(len_u64(length));
        if source.plain(&range, file, host, sector).is_err() {
            sector.fill(0);
            lost.push(range.clone());
        }
        host = host.saturating_add(len_u64(length));
        guest = range.end;
        rest = after;
    }
    lost
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

#[cfg(test)]
mod tests;
