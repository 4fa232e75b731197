//! An image that arrives on a pipe, restored in one pass.
//!
//! The tables must come before the data. They are kept in a spool, where the
//! code that looks things up in a file finds them at their place. The data is
//! then taken as it comes: where it lies in the order of the disk, however much
//! that is, else in the order of the file, up to a number of runs that fit in
//! memory.

mod order;

use std::cmp::Reverse;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use blockio::{Store, WriteAt, len_u64, nonzero_runs};
use pipeline::ordered_map_with;
use qcow2_format::header::CryptMethod;
use qcow2_format::{GuestOffset, Header};

use crate::batch::{BLOCK_BYTES, Batch, Batches};
use crate::decompress::Decoders;
use crate::forward::Forward;
use crate::header::{CLUSTER_BITS_END, check_supported};
use crate::l1::L1Reader;
use crate::l2::Words;
use crate::layer::{backing_file_of, data_file_of};
use crate::load::{Buffers, Loaded, Piece};
use crate::output::Output;
use crate::places::Places;
use crate::runs::data_bytes;
use crate::share::Sharing;
use crate::slices::Slices;
use crate::tables::{MappedDisk, Tables};
use crate::unpack::look_ahead;
use crate::walk::{ImageRuns, Walk};
use crate::{Error, OpenOptions, Structure, UnpackOptions, UnpackReport};

use order::Order;

/// Bytes of a table that are read at once.
const TABLE_PART_BYTES: u64 = 64 << 10;

/// An image that arrives on a pipe, read up to the end of its tables.
pub struct ImageStream<R, K> {
    input: Forward<R>,
    spool: K,
    header: Header,
    size: u64,
    tables: Tables,
    /// Host offset behind the last table: the data lies behind it.
    tables_end: u64,
}

impl<R: io::Read + Send, K: Store> ImageStream<R, K> {
    /// Reads the header and the tables of the image that arrives on `input`.
    /// The tables are kept in `spool`, which must be empty.
    ///
    /// # Errors
    ///
    /// As [`Image::open`](crate::Image::open), for damaged L2 tables too, and
    /// [`Error::Passed`] for an image whose data lies before its tables.
    pub fn open(input: R, spool: K, options: &OpenOptions) -> Result<Self, Error> {
        let mut input = Forward::new(input);
        let header = read_header(&mut input)?;
        if options.salvage {
            return Err(Error::SalvageFromPipe);
        }
        check_supported(&header, false)?;
        if header.crypt_method != CryptMethod::None {
            return Err(Error::EncryptedFromPipe);
        }
        if let Some(needed) = data_file_of(&header, 0).or_else(|| backing_file_of(&header, 0)) {
            return Err(Error::reference_from_pipe(&needed));
        }
        input.set_cluster_bytes(header.cluster_bits.bytes());
        if options.snapshot.is_some() {
            return Err(Error::SnapshotFromPipe);
        }
        let disk = MappedDisk::active(&header);
        let size = disk.size;

        let l1_bytes = disk.l1_bytes(header.geometry());
        let l1_host = disk.l1_host;
        let places = Places::new(&header, &disk, u64::MAX, false);
        places.check(Structure::L1Table, 0..size, l1_host, l1_bytes)?;
        let l1 = l1_host.0..l1_host.0.saturating_add(l1_bytes);
        keep(
            &mut input,
            &spool,
            &(Structure::L1Table, 0..size),
            l1.clone(),
            |_, _| Ok(()),
        )?;
        let slices = Arc::new(Slices::new(options.l2_cache_bytes, false));
        let tables = Tables::new(places, &header, &disk, slices)?;
        let tables_end = keep_l2_tables(&mut input, &spool, &tables)?.max(l1.end);
        Ok(Self {
            input,
            spool,
            header,
            size,
            tables,
            tables_end,
        })
    }
}

/// Reads the header.
fn read_header<R: io::Read>(input: &mut Forward<R>) -> Result<Header, Error> {
    let mut read = |from: u64, length: usize| {
        let mut bytes = vec![0; length];
        let there = input.read(Structure::Header, 0, from, &mut bytes)?;
        bytes.truncate(there);
        Ok::<_, Error>(bytes)
    };
    let mut cluster = read(0, CLUSTER_BITS_END)?;
    let cluster_bytes = Header::cluster_bits_of(&cluster)?.bytes();
    let rest = cluster_bytes.saturating_sub(len_u64(CLUSTER_BITS_END));
    let rest = usize::try_from(rest).unwrap_or(usize::MAX);
    cluster.extend(read(len_u64(CLUSTER_BITS_END), rest)?);
    Ok(Header::decode(&cluster)?)
}

/// Puts the table at `host`, of the structure and for the guest bytes `what`,
/// into the spool. Each part of it is shown to `look` first, with its offset in
/// the table.
fn keep<R: io::Read, K: Store>(
    input: &mut Forward<R>,
    spool: &K,
    what: &(Structure, Range<u64>),
    host: Range<u64>,
    mut look: impl FnMut(u64, &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    if host.is_empty() {
        return Ok(());
    }
    let failed = |source| Error::Spool { source };
    let block_bytes = usize::try_from(BLOCK_BYTES).unwrap_or(usize::MAX);
    let mut part = Vec::new();
    let mut at = host.start;
    while at < host.end {
        let part_bytes = host.end.saturating_sub(at).min(TABLE_PART_BYTES);
        part.resize(usize::try_from(part_bytes).unwrap_or(usize::MAX), 0);
        input.read_exact(what.0, &what.1, at, &mut part)?;
        look(at.saturating_sub(host.start), &part)?;
        for run in nonzero_runs(&part, block_bytes) {
            let run_at = at.saturating_add(len_u64(run.start));
            spool.write_at(run_at, &part[run]).map_err(failed)?;
        }
        at = at.saturating_add(part_bytes);
    }
    spool.set_size(host.end.max(spool.size())).map_err(failed)
}

/// Puts the L2 tables into the spool, in the order of the file, and gives the
/// host offset behind the last. Refuses as soon as a table names data that lies
/// before that.
fn keep_l2_tables<R: io::Read, K: Store>(
    input: &mut Forward<R>,
    spool: &K,
    tables: &Tables,
) -> Result<u64, Error> {
    let mut end = 0;
    // Indices and not places: of a large disk there are millions.
    let mut named = Vec::new();
    let mut l1 = L1Reader::new(spool, tables);
    for l1_index in 0..tables.l1_entries() {
        if let Some((host, bytes)) = l1.l2_place(l1_index)? {
            end = end.max(host.0.saturating_add(bytes));
            named.extend(u32::try_from(l1_index));
        }
    }
    let mut place = |l1_index: &u32| l1.l2_place(u64::from(*l1_index)).ok().flatten();
    // Of a table that is shared, the longest use first.
    named.sort_unstable_by_key(|l1_index| {
        place(l1_index).map(|(host, bytes)| (host, Reverse(bytes)))
    });
    named.dedup_by_key(|l1_index| place(l1_index).map(|(host, _)| host));
    for l1_index in &named {
        let Some((host, bytes)) = place(l1_index) else {
            continue;
        };
        let guest = tables.l1_coverage(u64::from(*l1_index));
        keep(
            input,
            spool,
            &(Structure::L2Table, guest.clone()),
            host.0..host.0.saturating_add(bytes),
            |at, entries| data_is_behind(end, tables, guest.start, at, entries),
        )?;
    }
    Ok(end)
}

/// Refuses the first of `entries` that names data in front of `tables_end`. The
/// entries are those from byte `at` on of the table that maps the disk from
/// `guest` on. Wrong entries are for others to find.
fn data_is_behind(
    tables_end: u64,
    tables: &Tables,
    guest: u64,
    at: u64,
    entries: &[u8],
) -> Result<(), Error> {
    let (context, geometry) = (&tables.context, tables.geometry);
    let first = at / geometry.l2_entry_bytes();
    for (index, entry) in (first..).zip(Words::all(entries, geometry.extended_l2)) {
        if entry.is_zero() {
            continue;
        }
        let Ok(Some((structure, host))) = entry.first_stored(context, index) else {
            continue;
        };
        if host.0 < tables_end {
            let before = index.saturating_mul(context.cluster_bits.bytes());
            return Err(Error::Passed {
                structure,
                guest: GuestOffset(guest.saturating_add(before)),
                host,
                position: tables_end,
            });
        }
    }
    Ok(())
}

impl<R: io::Read + Send, K: Store> ImageStream<R, K> {
    /// Exact length of the disk, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Bytes of the disk that the image has data for, as its tables say; above `most`
    /// they are counted no further.
    ///
    /// # Errors
    ///
    /// A wrong entry of a table.
    pub fn data_bytes(&self, most: u64) -> Result<u64, Error> {
        data_bytes(Walk::new(&self.spool, &self.tables, 0..self.size), most)
    }

    /// Writes the whole disk to `target` as
    /// [`Image::unpack`](crate::Image::unpack) does, and reads the input to its
    /// end.
    ///
    /// The order is ascending where the data in the image is. Else a target
    /// that can be written at any place is needed.
    ///
    /// # Errors
    ///
    /// As [`Image::unpack`](crate::Image::unpack), and before anything is
    /// written: a wrong entry of a table, [`Error::Scattered`], and
    /// [`Error::Passed`] for data that is needed twice.
    pub fn unpack<T: WriteAt + ?Sized>(
        self,
        target: &T,
        options: &UnpackOptions<'_>,
    ) -> Result<UnpackReport, Error> {
        let Self {
            mut input,
            spool,
            header,
            size,
            tables,
            tables_end,
        } = self;
        Sharing::new(options.reflink, &[], header.cluster_bits)?;
        let runs = || ImageRuns::new(Walk::new(&spool, &tables, 0..size));
        let order = Order::of(runs, header.cluster_bits, tables_end)?;
        let mut output = Output::new(target, size, options.only_allocated)?;
        let mut job = Job {
            input: &mut input,
            threads: options.threads,
            zeroes_min: output.zeroes_min(),
        };
        if matches!(order, Order::Disk) && !options.only_allocated {
            job.run(Batches::new(runs()), |piece| {
                output.put(piece)?;
                options.report(piece.end(), size);
                Ok(())
            })?;
            output.zero_to(size)?;
        } else {
            let mut done = output.zero_all(runs())?;
            let put = |piece: &Piece<'_>| {
                output.put_anywhere(piece)?;
                done = done.saturating_add(piece.bytes());
                options.report(done, size);
                Ok(())
            };
            match order {
                Order::Disk => job.run(Batches::scattered(runs()), put),
                Order::File(sorted) => job.run(Batches::scattered(sorted.into_iter().map(Ok)), put),
            }?;
        }
        input.finish()?;
        let report = output.finish(size)?;
        options.report(size, size);
        Ok(report)
    }
}

/// Data on its way from the pipe.
struct Job<'s, R> {
    input: &'s mut Forward<R>,
    threads: NonZeroUsize,
    zeroes_min: usize,
}

impl<R: io::Read + Send> Job<'_, R> {
    /// Reads `batches` one by one, decodes them on all threads and hands them to
    /// `emit` in their order.
    fn run(
        &mut self,
        batches: impl Iterator<Item = Result<Batch, Error>> + Send,
        mut emit: impl FnMut(&Piece<'_>) -> Result<(), Error> + Send,
    ) -> Result<(), Error> {
        let (threads_max, batches) = look_ahead(batches);
        let buffers = Buffers::default();
        let input = &mut *self.input;
        let loaded = batches.map(|batch| Loaded::read(input, &batch?, &buffers, false));
        let zeroes_min = self.zeroes_min;
        ordered_map_with(
            self.threads.min(threads_max),
            loaded,
            Decoders::default,
            |decoders, loaded| loaded.decode(decoders, zeroes_min),
            |piece| emit(&piece),
        )
    }
}

impl<R, K> fmt::Debug for ImageStream<R, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageStream")
            .field("size", &self.size)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}
