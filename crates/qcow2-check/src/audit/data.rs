//! Decompresses compressed clusters, to see whether they give what they must.

use std::num::NonZeroUsize;

use blockio::ReadAt;
use pipeline::{available_threads, ordered_map_with};
use qcow2_codec::{Decoder, StreamFault};
use qcow2_format::{EntryContext, Header, HostOffset, L2Words};
use qcow2_map::{Structure, in_memory};

use crate::error::Error;

use super::census::InTable;
use super::entry::Rules;
use super::fault::{Entry, Fault, FaultKind, Owner, Repair};
use super::journal::Journal;
use super::roots::L1;
use super::walk::{Table, TableUse, Visitor};

/// Streams that are decoded in one go: those that several entries share, once.
const STREAMS_AT_ONCE: usize = 1 << 16;

/// Streams that a thread decodes at a time.
const STREAMS_EACH: usize = 32;

/// An entry with a stream.
#[derive(Clone, Copy, Debug)]
struct InStream {
    start: u64,
    bytes: u64,
    table: TableUse,
    index: u64,
    words: L2Words,
}

/// Decodes streams.
pub(crate) struct Streams<'d, S> {
    storage: &'d S,
    header: &'d Header,
    context: EntryContext,
    journal: &'d mut Journal,
    streams: Vec<InStream>,
    is_used: bool,
}

/// What a thread decodes with.
struct Worker {
    decoder: Decoder,
    stored: Vec<u8>,
    cluster: Vec<u8>,
}

impl Worker {
    fn new(header: &Header) -> Self {
        let codec = crate::audit::Codec::of(header);
        Self {
            decoder: Decoder::new(codec.compression),
            stored: Vec::new(),
            cluster: vec![0; in_memory(codec.cluster_bits.bytes())],
        }
    }

    /// Decodes the stream in `bytes` bytes at `start`, as far as they are in the file.
    fn decode(
        &mut self,
        storage: &impl ReadAt,
        start: u64,
        bytes: u64,
    ) -> Result<Result<(), StreamFault>, Error> {
        let there = storage.size().saturating_sub(start).min(bytes);
        self.stored.resize(in_memory(there), 0);
        storage
            .read_at(start, &mut self.stored)
            .map_err(|source| qcow2_map::Error::Read {
                structure: Structure::Stream,
                host: HostOffset(start),
                source,
            })?;
        Ok(self.decoder.decode(&self.stored, &mut self.cluster))
    }
}

impl<'d, S: ReadAt> Streams<'d, S> {
    pub(crate) fn new(storage: &'d S, header: &'d Header, journal: &'d mut Journal) -> Self {
        Self {
            storage,
            header,
            context: header.entry_context(),
            journal,
            streams: Vec::new(),
            is_used: false,
        }
    }

    fn rules(&self) -> Rules<'d> {
        Rules {
            header: self.header,
            context: self.context,
            file_bytes: self.storage.size(),
        }
    }

    /// Decodes what is left; if nothing was decoded before, those in `tail`.
    pub(crate) fn finish(mut self, tail: Vec<Owner>) -> Result<(), Error> {
        self.decode_all()?;
        if self.is_used || tail.is_empty() {
            return Ok(());
        }
        let mut worker = Worker::new(self.header);
        for owner in tail {
            let (start, end) = (owner.host.start, owner.host.end);
            let decoded = worker.decode(self.storage, start, end.saturating_sub(start))?;
            if let Err(fault) = decoded {
                self.report(owner, fault);
            }
        }
        Ok(())
    }

    fn report(&mut self, owner: Owner, fault: StreamFault) {
        let file_bytes = self.storage.size();
        let is_cut = owner.host.end > file_bytes;
        let kind = match fault {
            StreamFault::Ends { .. } if is_cut => FaultKind::PastEnd { file_bytes },
            fault => FaultKind::Stream(fault),
        };
        self.journal.add(Fault::in_entry(kind, owner, Repair::No));
    }

    /// Decodes the streams that were gathered, each once.
    fn decode_all(&mut self) -> Result<(), Error> {
        let mut streams = std::mem::take(&mut self.streams);
        if streams.is_empty() {
            return Ok(());
        }
        self.is_used = true;
        streams.sort_by_key(|stream| (stream.start, stream.bytes));
        let is_same = |next: &mut InStream, kept: &mut InStream| {
            (next.start, next.bytes) == (kept.start, kept.bytes)
        };
        streams.dedup_by(is_same);
        let lots = streams.chunks(STREAMS_EACH);
        let threads = match lots.len() {
            0 | 1 => NonZeroUsize::MIN,
            _ => available_threads(),
        };
        let (storage, header, rules) = (self.storage, self.header, self.rules());
        ordered_map_with(
            threads,
            lots.map(Ok),
            || Worker::new(header),
            |worker, lot: &[InStream]| {
                let mut faults = Vec::new();
                for stream in lot {
                    let decoded = worker.decode(storage, stream.start, stream.bytes)?;
                    faults.extend(decoded.err().map(|fault| (*stream, fault)));
                }
                Ok(faults)
            },
            |faults| {
                for (stream, fault) in faults {
                    let place = InTable {
                        header,
                        table: &stream.table,
                        index: stream.index,
                    };
                    let judged = rules.judge(&place, stream.words);
                    self.report(place.owner(&judged, stream.words), fault);
                }
                Ok(())
            },
        )
    }
}

impl<S: ReadAt> Visitor for Streams<'_, S> {
    fn place(&mut self, _: &Owner) -> Result<(), Error> {
        Ok(())
    }

    fn l1_entry(&mut self, _: &L1, _: Entry) -> Result<(), Error> {
        Ok(())
    }

    fn table(&mut self, table: &Table<'_>) -> Result<(), Error> {
        let rules = self.rules();
        let entries = L2Words::all(table.bytes, self.header.geometry().extended_l2);
        for (index, words) in (0..).zip(entries) {
            if words.first & qcow2_format::entry::COMPRESSED == 0 {
                continue;
            }
            let place = InTable {
                header: self.header,
                table: &table.used,
                index,
            };
            let judged = rules.judge(&place, words);
            if !judged.is_counted {
                continue;
            }
            self.streams.push(InStream {
                start: judged.host.start,
                bytes: judged.host.end.saturating_sub(judged.host.start),
                table: table.used,
                index,
                words,
            });
            if self.streams.len() >= STREAMS_AT_ONCE {
                self.decode_all()?;
            }
        }
        Ok(())
    }
}
