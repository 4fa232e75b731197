//! Decompresses compressed clusters, to see whether they give what they must.
//!
//! The streams are decoded in the order of the file, each up to the start of the next
//! one. If one of them needs more than that, it reaches into the next: entries alone do
//! not tell, as they count whole sectors, which the streams that follow each other share.

use std::num::NonZeroUsize;
use std::ops::Range;

use blockio::ReadAt;
use pipeline::{available_threads, ordered_map_with};
use qcow2_codec::{Decoder, StreamFault};
use qcow2_format::entry::COMPRESSED;
use qcow2_format::{EntryContext, Header, HostOffset, L2Words};
use qcow2_map::{Codec, Structure, in_memory};

use crate::error::Error;

use super::entry::Rules;
use super::fault::{Entry, Fault, FaultKind, Owner, Repair};
use super::journal::Journal;
use super::place::InTable;
use super::roots::L1;
use super::walk::{Table, Visitor, Walker};

/// Most streams that are decoded in one go, 32 MiB of offsets; twice as many are
/// gathered.
const STREAMS_MAX: usize = 2 << 20;

/// Streams that a thread decodes at a time.
const STREAMS_EACH: usize = 32;

/// A stream: where it starts, and the end of its last sector.
type Stream = (u64, u64);

/// Decodes all streams, each once.
pub(crate) fn decode_all<S: ReadAt>(
    walker: &Walker<'_, S>,
    journal: &mut Journal,
) -> Result<(), Error> {
    let mut from = 0;
    while from != u64::MAX {
        let mut gather = Gather {
            header: walker.header,
            context: walker.header.entry_context(),
            file_bytes: walker.storage.size(),
            from,
            end: u64::MAX,
            streams_max: STREAMS_MAX,
            streams: Vec::new(),
        };
        walker.tables(&mut gather)?;
        gather.streams.sort_unstable();
        gather.streams.dedup();
        decode_some(walker, &gather.streams, gather.end, journal)?;
        from = gather.end;
    }
    Ok(())
}

/// Decodes `streams`, which are all those before `end`.
fn decode_some<S: ReadAt>(
    walker: &Walker<'_, S>,
    streams: &[Stream],
    end: u64,
    journal: &mut Journal,
) -> Result<(), Error> {
    let (storage, header) = (walker.storage, walker.header);
    // Where the stream after each lot starts.
    let mut behind = streams.chunks(STREAMS_EACH).skip(1);
    let lots = streams.chunks(STREAMS_EACH).map(|lot| {
        let next = behind.next().and_then(<[Stream]>::first);
        Ok((lot, next.map_or(end, |(start, _)| *start)))
    });
    let threads = match streams.len() <= STREAMS_EACH {
        true => NonZeroUsize::MIN,
        false => available_threads(),
    };
    ordered_map_with(
        threads,
        lots,
        || Worker::new(header),
        |worker, (lot, behind): (&[Stream], u64)| {
            let mut faults = Vec::new();
            for (index, &(start, end)) in lot.iter().enumerate() {
                let others = lot.get(index..).unwrap_or_default().iter();
                let next = others.map(|(other, _)| *other).find(|other| *other > start);
                let next = next.unwrap_or(behind);
                faults.extend(worker.fault(storage, start..end, next)?);
            }
            Ok(faults)
        },
        |faults| {
            faults.into_iter().for_each(|fault| journal.add(fault));
            Ok(())
        },
    )
}

/// Decodes streams that the end of the file may cut.
pub(crate) fn decode_tail<S: ReadAt>(
    walker: &Walker<'_, S>,
    mut tail: Vec<Range<u64>>,
    journal: &mut Journal,
) -> Result<(), Error> {
    tail.sort_unstable_by_key(|stream| (stream.start, stream.end));
    tail.dedup();
    if tail.is_empty() {
        return Ok(());
    }
    let mut worker = Worker::new(walker.header);
    for stream in tail {
        let fault = worker.fault(walker.storage, stream, u64::MAX)?;
        fault.into_iter().for_each(|fault| journal.add(fault));
    }
    Ok(())
}

/// What a thread decodes with.
struct Worker {
    decoder: Decoder,
    stored: Vec<u8>,
    cluster: Vec<u8>,
}

impl Worker {
    fn new(header: &Header) -> Self {
        let codec = Codec::of(header);
        Self {
            decoder: Decoder::new(codec.compression),
            stored: Vec::new(),
            cluster: vec![0; in_memory(codec.cluster_bits.bytes())],
        }
    }

    /// What is wrong with a stream, if the next one starts at `next`.
    fn fault(
        &mut self,
        storage: &impl ReadAt,
        stream: Range<u64>,
        next: u64,
    ) -> Result<Option<Fault>, Error> {
        let file_bytes = storage.size();
        let end = stream.end.min(file_bytes);
        self.stored
            .resize(in_memory(end.saturating_sub(stream.start)), 0);
        storage
            .read_at(stream.start, &mut self.stored)
            .map_err(|source| qcow2_map::Error::Read {
                structure: Structure::Stream,
                host: HostOffset(stream.start),
                source,
            })?;
        let own = in_memory(next.saturating_sub(stream.start)).min(self.stored.len());
        let own = self.stored.get(..own).unwrap_or_default();
        if self.decoder.decode(own, &mut self.cluster).is_ok() {
            return Ok(None);
        }
        let kind = match self.decoder.decode(&self.stored, &mut self.cluster) {
            Ok(()) => FaultKind::StreamsOverlap { other: next },
            Err(StreamFault::Ends { .. }) if stream.end > file_bytes => {
                FaultKind::PastEnd { file_bytes }
            }
            Err(fault) => FaultKind::Stream(fault),
        };
        let repair = match kind {
            FaultKind::StreamsOverlap { .. } => Repair::Doubtful,
            _ => Repair::No,
        };
        Ok(Some(Fault {
            host: Some(stream),
            ..Fault::of(kind, Structure::Stream, repair)
        }))
    }
}

/// Gathers the first streams from a host offset on.
struct Gather<'g> {
    header: &'g Header,
    context: EntryContext,
    file_bytes: u64,
    from: u64,
    /// Streams from here on are left for later.
    end: u64,
    streams_max: usize,
    streams: Vec<Stream>,
}

impl Gather<'_> {
    fn add(&mut self, stream: Stream) {
        if stream.0 < self.from || stream.0 >= self.end {
            return;
        }
        self.streams.push(stream);
        if self.streams.len() < self.streams_max.saturating_mul(2) {
            return;
        }
        self.streams.sort_unstable();
        self.streams.dedup();
        // Of streams that start at one place all are kept, or none.
        let last = self.streams.get(self.streams_max).copied();
        if let Some((end, _)) = last.filter(|(end, _)| *end > self.from) {
            self.end = end;
            self.streams.retain(|(start, _)| *start < end);
        }
    }
}

impl Visitor for Gather<'_> {
    fn place(&mut self, _: &Owner) -> Result<(), Error> {
        Ok(())
    }

    fn l1_entry(&mut self, _: &L1, _: Entry) -> Result<(), Error> {
        Ok(())
    }

    fn table(&mut self, table: &Table<'_>) -> Result<(), Error> {
        let rules = Rules {
            header: self.header,
            context: self.context,
            file_bytes: self.file_bytes,
        };
        let entries = L2Words::all(table.bytes, self.header.geometry().extended_l2);
        for (index, words) in (0..).zip(entries) {
            if words.first & COMPRESSED == 0 {
                continue;
            }
            let place = InTable {
                header: self.header,
                table: &table.used,
                index,
            };
            let judged = rules.judge(&place, words);
            if judged.is_counted {
                self.add((judged.host.start, judged.host.end));
            }
        }
        Ok(())
    }
}
