//! An image whose disk is wanted in its order, whatever the order of the file.
//!
//! What comes before it is wanted is kept. So are compressed clusters, as several lie in one host
//! cluster; other data that is wanted when it comes is not, if its refcount says that
//! nothing else uses it.

use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;

use blockio::{Store, WriteAt, len_u64};
use pipeline::ordered_map_with;
use qcow2_codec::Decoders;
use qcow2_format::{ClusterBits, Header, HostOffset};
use qcow2_map::{Error as ImageError, Joined, L1Reader, Run, Structure, Tables, Walk, in_memory};

use crate::error::Error;
use crate::image::Image;
use crate::options::{OpenOptions, UnpackOptions, UnpackReport};
use crate::source::Source;
use crate::source::pipe::Forward;
use crate::unpack::batch::{Batch, Batches};
use crate::unpack::load::{Buffers, Loaded};
use crate::unpack::output::Output;

use super::checks::Checks;
use super::hints::Hints;
use super::pending::host_bytes;

/// Most threads, as for an image in a file.
const THREADS_MAX: NonZeroUsize = NonZeroUsize::new(24).unwrap();

/// Batches of the disk, up to the end of a table.
type OfTable = Batches<'static, std::iter::Map<std::vec::IntoIter<Run>, fn(Run) -> Item>>;
type Item = Result<Run, ImageError>;

/// An image whose disk is read one part after the other.
pub(super) struct Pulling<'s, R, K> {
    from: From<'s, R, K>,
    tables: &'s Tables,
    l1: L1Reader<'s, K>,
    /// The next L1 entry.
    l1_index: u64,
    batches: Option<OfTable>,
    data_bytes: u64,
    checks: Checks,
}

/// Where the bytes come from.
struct From<'s, R, K> {
    input: &'s mut Forward<R, K>,
    hints: Hints<'s>,
    cluster_bits: ClusterBits,
}

impl<'s, R: io::Read + Send, K: Store> Pulling<'s, R, K> {
    /// The image with this header and L1 table, read up to a place.
    pub(super) fn new(
        input: &'s mut Forward<R, K>,
        spool: &'s K,
        header: &'s Header,
        tables: &'s Tables,
        checks: Checks,
    ) -> Self {
        Self {
            from: From {
                input,
                hints: Hints::new(header),
                cluster_bits: header.cluster_bits,
            },
            tables,
            l1: L1Reader::new(spool, tables),
            l1_index: 0,
            batches: None,
            data_bytes: 0,
            checks,
        }
    }

    /// Writes the disk, of `size` bytes, in its order, and reads the input to its end.
    pub(super) fn unpack<T: WriteAt + ?Sized>(
        mut self,
        size: u64,
        target: &T,
        options: &UnpackOptions<'_>,
    ) -> Result<UnpackReport, Error> {
        let mut output = Output::new(target, size, false)?;
        let zeroes_min = output.zeroes_min();
        let buffers = Buffers::default();
        ordered_map_with(
            options.threads.min(THREADS_MAX),
            std::iter::from_fn(|| self.next(&buffers).transpose()),
            Decoders::default,
            |decoders, loaded| loaded.decode(decoders, zeroes_min),
            |piece| {
                output.put(&piece)?;
                options.report(piece.end(), size)
            },
        )?;
        output.zero_to(size)?;
        let input = self.from.input;
        input.keep_all()?;
        let image = Image::open(input.arrived(), &OpenOptions::default())?;
        self.checks.references(&image)?;
        let report = output.finish(size)?;
        options.report(size, size)?;
        Ok(report)
    }

    /// The next part of the disk.
    fn next<'b>(&mut self, buffers: &'b Buffers) -> Result<Option<Loaded<'b>>, Error> {
        loop {
            let batch: Option<Batch> = match &mut self.batches {
                Some(batches) => batches.next().transpose()?,
                None => None,
            };
            if let Some(batch) = batch {
                return Loaded::read(&mut self.from, &batch, buffers, false).map(Some);
            }
            if self.l1_index >= self.tables.l1_entries() {
                return Ok(None);
            }
            self.next_table()?;
        }
    }

    /// Goes on to the next L1 entry that names a table.
    fn next_table(&mut self) -> Result<(), Error> {
        let l1_index = self.l1_index;
        let Some((host, bytes)) = self.l1.l2_place(l1_index)? else {
            self.l1_index = self.l1.zeros_end(l1_index);
            return Ok(());
        };
        self.l1_index = l1_index.saturating_add(1);
        let guest = self.tables.l1_coverage(l1_index);
        let end = host.0.saturating_add(bytes);
        self.from.input.keep_to(end)?;
        let file_bytes = self.from.input.position();
        if file_bytes < end {
            return Err(Error::Image(ImageError::Truncated {
                structure: Structure::L2Table,
                guest,
                host,
                end,
                file_bytes,
            }));
        }
        let arrived = self.from.input.arrived();
        let runs = Joined::new(Walk::new(&arrived, self.tables, guest));
        let runs = runs.filter(|run| !run.as_ref().is_ok_and(|run| host_bytes(run).is_none()));
        let runs = runs.collect::<Result<Vec<_>, _>>()?;
        let data_bytes = runs.iter().map(Run::bytes);
        self.data_bytes = data_bytes.fold(self.data_bytes, u64::saturating_add);
        self.checks.data(|_| Ok(self.data_bytes))?;
        let to_item: fn(Run) -> Item = Ok;
        self.batches = Some(Batches::new(runs.into_iter().map(to_item)));
        Ok(())
    }
}

impl<R: io::Read, K: Store> From<'_, R, K> {
    /// Keeps of `bytes`, which came at `host`, what is used once more.
    fn keep_shared(&mut self, host: u64, bytes: &[u8]) -> Result<(), Error> {
        let mut rest = bytes;
        let mut at = host;
        while !rest.is_empty() {
            let to_end = self.cluster_bits.bytes() - self.cluster_bits.offset_in_cluster(at);
            let (part, after) = rest.split_at(in_memory(to_end).min(rest.len()));
            let cluster = at / self.cluster_bits.bytes();
            if self.hints.are_all(self.input, cluster, 1) {
                self.input.drop_read(at, part)?;
            } else {
                self.input.keep(at, part)?;
            }
            at = at.saturating_add(len_u64(part.len()));
            rest = after;
        }
        Ok(())
    }
}

impl<R: io::Read, K: Store> Source for From<'_, R, K> {
    fn plain(
        &mut self,
        guest: &Range<u64>,
        file: usize,
        host: u64,
        bytes: &mut [u8],
    ) -> Result<(), Error> {
        self.input.keep_to(host)?;
        let position = self.input.position();
        let kept = in_memory(position.saturating_sub(host)).min(bytes.len());
        let (kept, coming) = bytes.split_at_mut(kept);
        if !kept.is_empty() {
            self.input.arrived().plain(guest, file, host, kept)?;
        }
        let there = self.input.fill(coming)?;
        self.keep_shared(position, &coming[..there])?;
        if there == coming.len() {
            return Ok(());
        }
        Err(Error::Image(ImageError::Truncated {
            structure: Structure::Data,
            guest: guest.clone(),
            host: HostOffset(host),
            end: host.saturating_add(len_u64(kept.len().saturating_add(coming.len()))),
            file_bytes: self.input.position(),
        }))
    }

    fn streams(
        &mut self,
        guest: u64,
        file: usize,
        host: u64,
        bytes: &mut [u8],
    ) -> Result<usize, Error> {
        self.input
            .keep_to(host.saturating_add(len_u64(bytes.len())))?;
        self.input.arrived().streams(guest, file, host, bytes)
    }

    fn file_bytes(&self, _file: usize) -> u64 {
        match self.input.has_ended() {
            true => self.input.position(),
            false => u64::MAX,
        }
    }
}
