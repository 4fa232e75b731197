//! One change of an image: everything new is written where nothing is, and one write of
//! the first sector makes it the image.

use std::ops::Range;

use blockio::Store;
use qcow2_check::Use;
use qcow2_format::extension::{BitmapsExtension, Extension};
use qcow2_format::feature::{AutoclearFeatures, IncompatibleFeatures};
use qcow2_format::{Header, HostOffset};
use qcow2_map::in_memory;

use crate::change::allocator::Allocator;
use crate::change::flags::{self, Which};
use crate::change::gate;
use crate::change::refcounts::{self, NewRefcounts};
use crate::change::sector::NewStart;
use crate::error::Error;
use crate::image::counts::Counts;
use crate::image::judge::Judge;
use crate::image::references::{count, count_refcounts};
use crate::image::state::State;
use crate::image::view::{View, bytes_of, padded};
use crate::report::Changed;

/// A change that was begun. Until [`Self::commit`], the image is what it was.
#[derive(Debug)]
pub(crate) struct Transaction<'s, S: Store> {
    pub(crate) view: View<'s, S>,
    /// The image as it is.
    pub(crate) old: State,
    /// What it uses.
    pub(crate) old_counts: Counts,
    allocator: Allocator,
    /// Length of the file before.
    file_bytes: u64,
    /// Whether the header was replaced, or may have been.
    may_be_new: bool,
    judge: Judge,
}

impl<'s, S: Store> Transaction<'s, S> {
    /// Begins a change of the image in `storage`, which must agree with itself.
    pub(crate) fn begin(storage: &'s S) -> Result<Self, Error> {
        let old = State::read(storage)?;
        if old
            .header
            .incompatible
            .contains(IncompatibleFeatures::CORRUPT)
        {
            return Err(qcow2_map::Error::MarkedCorrupt.into());
        }
        gate::check(storage)?;
        let view = View {
            storage,
            cluster_bits: old.header.cluster_bits,
        };
        let mut counts = count(view, &old, Judge::Strict)?;
        count_refcounts(view, &old, Judge::Strict, &mut counts)?;
        counts.check_uses()?;
        // An image that was not closed properly may have wrong refcounts, and is right.
        if !old
            .header
            .incompatible
            .contains(IncompatibleFeatures::DIRTY)
        {
            refcounts::check(view, &old, &counts)?;
        }
        Self::with_counts(view, old, counts)
    }

    /// Begins a change of an image that uses what `old_counts` counts.
    pub(crate) fn with_counts(
        view: View<'s, S>,
        old: State,
        old_counts: Counts,
    ) -> Result<Self, Error> {
        let mut busy = Counts::new(view.cluster_bits);
        for (cluster, _) in old_counts.used() {
            let host = old_counts.host(cluster).0;
            busy.add(&(host..host.saturating_add(1)), Use::Data, 1)?;
        }
        let end = view.end() >> view.cluster_bits.bits();
        Ok(Self {
            allocator: Allocator::new(view.cluster_bits, busy, end),
            file_bytes: view.storage.size(),
            may_be_new: false,
            judge: Judge::Strict,
            view,
            old,
            old_counts,
        })
    }

    /// Makes the change a repair.
    pub(crate) fn into_repair(mut self) -> Self {
        self.judge = Judge::Repair;
        self
    }

    /// A copy of the image as it is, to be changed.
    pub(crate) fn new_state(&self) -> State {
        let mut state = self.old.clone();
        state.drop_stale();
        state
    }

    /// Writes a structure into clusters of its own.
    pub(crate) fn store(
        &mut self,
        structure: &'static str,
        bytes: Vec<u8>,
    ) -> Result<HostOffset, Error> {
        let bytes = padded(bytes, self.view.cluster_bits);
        let host = self.allocator.take(blockio::len_u64(bytes.len()))?;
        self.view.write(structure, host, &bytes)?;
        Ok(host)
    }

    /// Writes a table of words into clusters of its own; an empty one has a cluster too.
    pub(crate) fn store_table(
        &mut self,
        structure: &'static str,
        words: &[u64],
    ) -> Result<HostOffset, Error> {
        let mut bytes = bytes_of(words);
        bytes.resize(bytes.len().max(8), 0);
        self.store(structure, bytes)
    }

    /// Writes the snapshot table of `state`, and names it in the header.
    pub(crate) fn store_snapshots(&mut self, state: &mut State) -> Result<(), Error> {
        let header = &mut state.header;
        header.snapshot_count = u32::try_from(state.snapshots.len()).unwrap_or(u32::MAX);
        header.snapshots_offset = HostOffset(0);
        if !state.snapshots.is_empty() {
            let table = state.snapshot_table()?;
            state.header.snapshots_offset = self.store("snapshot table", table)?;
        }
        Ok(())
    }

    /// Writes the bitmap directory of `state`, and names it in the header.
    pub(crate) fn store_bitmaps(&mut self, state: &mut State) -> Result<(), Error> {
        let is_place = |extension: &Extension| matches!(extension, Extension::Bitmaps(_));
        let at = state.header.extensions.iter().position(is_place);
        state
            .header
            .extensions
            .retain(|extension| !is_place(extension));
        state.header.autoclear -= AutoclearFeatures::BITMAPS;
        if state.bitmaps.is_empty() {
            return Ok(());
        }
        let directory = state.bitmap_directory()?;
        let place = BitmapsExtension {
            count: u32::try_from(state.bitmaps.len()).unwrap_or(u32::MAX),
            directory_bytes: blockio::len_u64(directory.len()),
            directory_offset: self.store("bitmap directory", directory)?,
        };
        let at = at.unwrap_or(0).min(state.header.extensions.len());
        state
            .header
            .extensions
            .insert(at, Extension::Bitmaps(place));
        state.header.autoclear |= AutoclearFeatures::BITMAPS;
        Ok(())
    }

    /// Makes `new` the image. Its tables are written already, its refcounts are not.
    pub(crate) fn commit(mut self, mut new: State) -> Result<Changed, Error> {
        let counts = self.prepare(&mut new)?;
        let start = self.new_start(&new.header)?;
        if let Some((at, bytes)) = &start.before {
            let host = HostOffset(blockio::len_u64(*at));
            self.view.write("backing file name", host, bytes)?;
        }
        self.view.sync()?;
        if flags::correct(self.view, &new, &counts, Which::Clear)? {
            self.view.sync()?;
        }
        // From here on the image may be the new one.
        self.may_be_new = true;
        let storage = self.view.storage;
        let flipped = storage
            .write_at(0, &start.sector)
            .and_then(|()| storage.sync());
        flipped.map_err(Error::Undecided)?;
        Ok(Changed {
            file_bytes_before: self.file_bytes,
            unfinished: self.tidy(&new, &counts).err(),
            file_bytes: storage.size(),
        })
    }

    /// Counts what `new` uses, and writes its refcounts.
    fn prepare(&mut self, new: &mut State) -> Result<Counts, Error> {
        let mut counts = count(self.view, new, self.judge)?;
        counts.check_uses()?;
        refcounts::check_width(new.header.refcount_order, &counts)?;
        let refcounts = NewRefcounts::place(&new.header, &mut counts, &mut self.allocator)?;
        refcounts.write(self.view, &counts, &mut new.header)?;
        Ok(counts)
    }

    fn new_start(&self, header: &Header) -> Result<NewStart, Error> {
        let cluster = self.view.read_cluster("header", HostOffset(0))?;
        NewStart::new(&cluster, header)
    }

    /// Sets the flags that may be set, and gives back what is not used any more. The
    /// image is the new one already.
    fn tidy(&self, new: &State, counts: &Counts) -> Result<(), Error> {
        if flags::correct(self.view, new, counts, Which::Set)? {
            self.view.sync()?;
        }
        let is_repair = self.judge == Judge::Repair;
        if is_repair && flags::correct(self.view, new, counts, Which::Reserved)? {
            self.view.sync()?;
        }
        let storage = self.view.storage;
        let end = counts.end().saturating_mul(self.view.cluster_bits.bytes());
        if end < storage.size() {
            storage.set_size(end).map_err(|source| Error::Write {
                structure: "the end of the file",
                host: HostOffset(end),
                source,
            })?;
        }
        for freed in self.freed(counts) {
            let length = freed.end.saturating_sub(freed.start);
            let zeroed = storage.write_zeroes(freed.start, length);
            zeroed.map_err(|source| Error::Write {
                structure: "unused clusters",
                host: HostOffset(freed.start),
                source,
            })?;
        }
        Ok(())
    }

    /// The bytes of the file that were in use and are not any more.
    fn freed(&self, counts: &Counts) -> Vec<Range<u64>> {
        let size = self.view.storage.size();
        let mut freed: Vec<Range<u64>> = Vec::new();
        for (cluster, _) in self.old_counts.used() {
            let start = counts.host(cluster).0;
            if counts.get(cluster).is_used() || start >= size {
                continue;
            }
            let end = start
                .saturating_add(self.view.cluster_bits.bytes())
                .min(size);
            match freed.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => freed.push(start..end),
            }
        }
        freed
    }

    /// Reads the L1 table of the disk.
    pub(crate) fn active_l1(&self) -> Result<Vec<u64>, Error> {
        let header = &self.old.header;
        let entries = header.l1_entries.into();
        self.view.table("L1 table", header.l1_table_offset, entries)
    }

    /// Bytes of a cluster, in memory.
    pub(crate) fn cluster_length(&self) -> usize {
        in_memory(self.view.cluster_bits.bytes())
    }
}

impl<S: Store> Drop for Transaction<'_, S> {
    /// Takes back what a change that was given up wrote past the end of the file.
    fn drop(&mut self) {
        let storage = self.view.storage;
        if !self.may_be_new && storage.size() > self.file_bytes {
            // It does no harm there.
            let _ = storage.set_size(self.file_bytes);
        }
    }
}
