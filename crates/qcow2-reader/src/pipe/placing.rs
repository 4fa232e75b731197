//! An image whose data is placed as it comes.
//!
//! Tables are kept as they come, and name the data that is still to come: that is
//! written to its place on the disk when it is there. All else is kept, for a later
//! table may name it, and so is data that its refcount says is used once more. When
//! the file ends, what was kept is a file with all that is not written yet.

use std::io;
use std::iter;
use std::num::NonZeroUsize;
use std::ops::Range;

use blockio::{Store, WriteAt};
use pipeline::ordered_map_with;
use qcow2_codec::Decoders;
use qcow2_format::{ClusterBits, Header};
use qcow2_map::{Error as ImageError, Joined, L1Reader, Run, Tables, Walk};

use crate::error::Error;
use crate::image::Image;
use crate::options::{OpenOptions, UnpackOptions, UnpackReport};
use crate::source::pipe::Forward;
use crate::unpack::batch::{Batch, Batches};
use crate::unpack::load::{Buffers, Loaded, Piece};
use crate::unpack::output::Output;

use super::checks::Checks;
use super::hints::Hints;
use super::pending::{Pending, cut, host_bytes};
use super::tables::{TableList, place};
use super::window::Window;

/// Bytes that are read at once, unless clusters are larger.
const PART_BYTES: u64 = 512 << 10;

/// Most runs that are waited for: 16 MiB of them, with their keys. The data of tables
/// that name more is kept.
const RUNS_MAX: usize = (16 << 20) / (size_of::<Run>() + 32);

/// Most threads, as for an image in a file: each has three batches.
const THREADS_MAX: NonZeroUsize = NonZeroUsize::new(24).unwrap();

/// An image on its way.
pub(super) struct Placing<'s, R, K> {
    input: &'s mut Forward<R, K>,
    spool: &'s K,
    tables: &'s Tables,
    list: TableList,
    l1: L1Reader<'s, K>,
    cluster_bits: ClusterBits,
    /// Host offset from which on data is placed.
    start: u64,
    /// Tables that have arrived: the first of the list.
    known: usize,
    /// Those that name data which is placed when it comes.
    followed: usize,
    pending: Pending,
    window: Window,
    hints: Hints<'s>,
    /// Bytes of data that the tables name.
    data_bytes: u64,
    checks: Checks,
    ready: Vec<Batch>,
}

impl<'s, R: io::Read + Send, K: Store> Placing<'s, R, K> {
    /// The image with this header and L1 table, read up to a place.
    pub(super) fn new(
        input: &'s mut Forward<R, K>,
        spool: &'s K,
        header: &'s Header,
        tables: &'s Tables,
        list: TableList,
        checks: Checks,
    ) -> Self {
        let start = input.position();
        Self {
            input,
            spool,
            tables,
            list,
            l1: L1Reader::new(spool, tables),
            cluster_bits: header.cluster_bits,
            start,
            known: 0,
            followed: usize::MAX,
            pending: Pending::default(),
            window: Window::new(start),
            hints: Hints::new(header),
            data_bytes: 0,
            checks,
            ready: Vec::new(),
        }
    }

    /// Writes the disk, of `size` bytes, and reads the input to its end.
    pub(super) fn unpack<T: WriteAt + ?Sized>(
        mut self,
        size: u64,
        target: &T,
        options: &UnpackOptions<'_>,
    ) -> Result<UnpackReport, Error> {
        let mut output = Output::new(target, size, options.only_allocated)?;
        let mut done: u64 = 0;
        let buffers = Buffers::default();
        let loaded = iter::from_fn(|| self.next(&buffers).transpose());
        decode(loaded, options, &mut output, size, &mut done)?;
        self.input.keep_all()?;

        // What is wrong is found as in a file, and the rest is in one.
        let image = Image::open(self.input.arrived(), &OpenOptions::default())?;
        self.checks.references(&image)?;
        let zeros = output.zero_all(image.runs(0..size))?;
        done = done.saturating_add(zeros);
        let arrived = self.input.arrived();
        let (list, tables) = (&self.list, self.tables);
        let mut l1 = L1Reader::new(self.spool, tables);
        let rest = list.named().iter().enumerate();
        let rest = rest.flat_map(|(index, l1_index)| {
            let placed_from = match index < self.followed {
                true => placed_from(&mut l1, *l1_index, self.start, self.cluster_bits),
                false => Ok(u64::MAX),
            };
            let guest = tables.l1_coverage(u64::from(*l1_index));
            let runs = Joined::new(Walk::new(&arrived, tables, guest));
            let (runs, failure, from) = match placed_from {
                Ok(from) => (Some(runs), None, from),
                Err(error) => (None, Some(Err(error)), 0),
            };
            let rest = runs.into_iter().flatten();
            let rest = rest.filter_map(move |run| run.map(|run| cut(run, from).0).transpose());
            failure.into_iter().chain(rest)
        });
        let mut source = self.input.arrived();
        let batches = Batches::scattered(rest);
        let loaded = batches.map(|batch| Loaded::read(&mut source, &batch?, &buffers, false));
        decode(loaded, options, &mut output, size, &mut done)?;
        let report = output.finish(size)?;
        options.report(size, size)?;
        Ok(report)
    }

    /// The next data that is placed.
    fn next<'b>(&mut self, buffers: &'b Buffers) -> Result<Option<Loaded<'b>>, Error> {
        loop {
            if let Some(batch) = self.ready.pop() {
                return Loaded::read(&mut self.window, &batch, buffers, false).map(Some);
            }
            if !self.advance()? {
                return Ok(None);
            }
        }
    }

    /// Reads the next part of the file. Returns whether there was one.
    fn advance(&mut self) -> Result<bool, Error> {
        let next_table = self.take_tables()?;
        if self.window.ended || next_table.is_none() && self.pending.is_empty() {
            return Ok(false);
        }
        let (part_end, is_table) = self.part_end(next_table);
        self.window
            .forget_to(self.pending.start().unwrap_or(u64::MAX));
        let length = part_end.saturating_sub(self.window.end());
        let input = &mut *self.input;
        let part = self.window.grow(length, |bytes| input.fill(bytes))?;
        self.window.ended = self.input.has_ended();
        self.keep(&part, is_table)?;
        let taken = self.pending.take(part.end, self.window.ended);
        let batches = Batches::scattered(taken.into_iter().map(Ok));
        self.ready = batches.collect::<Result<_, _>>()?;
        self.ready.reverse();
        Ok(true)
    }

    /// Where the next part of the file ends, and whether it is a table.
    fn part_end(&self, next_table: Option<Range<u64>>) -> (u64, bool) {
        let position = self.window.end();
        let unit = PART_BYTES.max(self.cluster_bits.bytes());
        let part_end = position.saturating_add(1).next_multiple_of(unit);
        match next_table {
            Some(table) if table.start <= position => (self.round_up(table.end), true),
            Some(table) => (part_end.min(table.start), false),
            None => (part_end, false),
        }
    }

    fn round_up(&self, at: u64) -> u64 {
        self.cluster_bits.round_up(at).unwrap_or(u64::MAX)
    }

    /// Takes in the tables that have arrived, and gives the place of the next.
    fn take_tables(&mut self) -> Result<Option<Range<u64>>, Error> {
        while let Some(l1_index) = self.list.named().get(self.known) {
            let l1_index = *l1_index;
            if let Some(table) = place(&mut self.l1, l1_index)? {
                if table.end > self.window.end() {
                    return Ok(Some(table));
                }
                let from = placed_from(&mut self.l1, l1_index, self.start, self.cluster_bits)?;
                if self.followed > self.known && !self.follow(l1_index, from)? {
                    self.followed = self.known;
                }
            }
            self.known = self.known.saturating_add(1);
        }
        Ok(None)
    }

    /// Waits for the data from the host offset `from` on that a table names. Says
    /// whether there is room for that, and the table is right.
    fn follow(&mut self, l1_index: u32, from: u64) -> Result<bool, Error> {
        let guest = self.tables.l1_coverage(u64::from(l1_index));
        let mut runs = Vec::new();
        let arrived = self.input.arrived();
        for run in Joined::new(Walk::new(&arrived, self.tables, guest)) {
            // What is wrong with it is told when the file has ended.
            let Ok(run) = run else {
                return Ok(false);
            };
            if host_bytes(&run).is_some() {
                self.data_bytes = self.data_bytes.saturating_add(run.bytes());
            }
            self.checks.data(|_| Ok(self.data_bytes))?;
            runs.extend(cut(run, from).1);
        }
        if self.pending.len().saturating_add(runs.len()) > RUNS_MAX {
            return Ok(false);
        }
        self.pending.extend(runs);
        Ok(true)
    }

    /// Keeps those bytes of a part that may be needed again.
    fn keep(&mut self, part: &Range<u64>, is_table: bool) -> Result<(), Error> {
        let bits = self.cluster_bits;
        let uses = match is_table {
            true => None,
            false => self.pending.uses(part, bits),
        };
        let Some(uses) = uses else {
            return self.input.keep(part.start, self.window.get(part));
        };
        // After the last table nothing can be named any more.
        let is_complete =
            self.known >= self.list.named().len() && self.followed >= self.list.named().len();
        let first = part.start / bits.bytes();
        let place = |cluster: u64| {
            let start = cluster.saturating_mul(bits.bytes());
            let end = start.saturating_add(bits.bytes());
            start.max(part.start)..end.min(part.end)
        };
        // First what is not data, for it may be refcounts.
        for (cluster, _) in (first..).zip(&uses).filter(|(_, uses)| **uses == 0) {
            let place = place(cluster);
            self.input.keep(place.start, self.window.get(&place))?;
        }
        for (cluster, uses) in (first..).zip(uses).filter(|(_, uses)| *uses > 0) {
            let place = place(cluster);
            let bytes = self.window.get(&place);
            if is_complete || self.hints.are_all(self.input, cluster, uses) {
                self.input.drop_read(place.start, bytes)?;
            } else {
                self.input.keep(place.start, bytes)?;
            }
        }
        Ok(())
    }
}

/// Host offset from which on the data is placed when it comes that the table of L1
/// entry `l1_index` names: that after the table.
fn placed_from<S: blockio::ReadAt>(
    l1: &mut L1Reader<'_, S>,
    l1_index: u32,
    start: u64,
    cluster_bits: ClusterBits,
) -> Result<u64, ImageError> {
    let table_end = place(l1, l1_index)?.map_or(u64::MAX, |table| table.end);
    let table_end = cluster_bits.round_up(table_end).unwrap_or(u64::MAX);
    Ok(table_end.max(start))
}

/// Decodes what was loaded on all threads, and puts it in its place.
fn decode<'b, T: WriteAt + ?Sized>(
    loaded: impl Iterator<Item = Result<Loaded<'b>, Error>> + Send,
    options: &UnpackOptions<'_>,
    output: &mut Output<'_, T>,
    size: u64,
    done: &mut u64,
) -> Result<(), Error> {
    let zeroes_min = output.zeroes_min();
    ordered_map_with(
        options.threads.min(THREADS_MAX),
        loaded,
        Decoders::default,
        |decoders, loaded| loaded.decode(decoders, zeroes_min),
        |piece: Piece<'_>| {
            output.put_anywhere(&piece)?;
            *done = done.saturating_add(piece.bytes());
            options.report((*done).min(size), size)
        },
    )
}
