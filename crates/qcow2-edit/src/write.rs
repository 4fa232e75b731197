//! What the disk holds, written into clusters of its own.

use std::fmt;
use std::io;
use std::ops::Range;

use blockio::{ReadAt, Store, is_zero, len_u64};
use qcow2_format::header::CryptMethod;
use qcow2_format::subcluster::{ExtendedL2Entry, SubclusterBitmap};
use qcow2_format::{GuestOffset, HostOffset, L2Entry, L2Words, Version};
use qcow2_map::in_memory;

use crate::amend::{NewBacking, set_backing};
use crate::bitmap::bits;
use crate::change::transaction::Transaction;
use crate::error::Error;
use crate::guest_tables::GuestTables;
use crate::image::damage::Damage;
use crate::image::state::{State, size_of};
use crate::report::Changed;
use crate::resize::{self, Resize};

/// Bytes of the disk that are read at once.
const PIECE_BYTES: u64 = 1 << 20;

/// What the disk of an image is to hold.
#[derive(Clone)]
#[non_exhaustive]
pub struct DiskWrite<'d> {
    /// The disk, at least as long as that of the image will be. Whole clusters are read of it.
    pub disk: &'d dyn ReadAt,
    /// Whether clusters that the image has already stay as they are.
    pub only_unallocated: bool,
    /// The backing file from now on; `None` if it stays the same.
    pub backing: Option<NewBacking>,
    /// The size of the disk from now on; `None` if it stays the same.
    pub resize: Option<Resize<'d>>,
}

impl<'d> DiskWrite<'d> {
    /// What `disk` holds.
    #[must_use]
    pub fn of(disk: &'d dyn ReadAt) -> Self {
        Self {
            disk,
            only_unallocated: false,
            backing: None,
            resize: None,
        }
    }
}

impl fmt::Debug for DiskWrite<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskWrite")
            .field("disk", &self.disk.size())
            .field("only_unallocated", &self.only_unallocated)
            .field("backing", &self.backing)
            .field("resize", &self.resize)
            .finish()
    }
}

/// Makes the disk hold what is wanted in `ranges`.
pub(crate) fn write<S: Store>(
    storage: &S,
    wanted: &DiskWrite<'_>,
    ranges: impl IntoIterator<Item = io::Result<Range<u64>>>,
) -> Result<Changed, Error> {
    let mut change = Transaction::begin(storage)?;
    let mut new = change.new_state();
    check(&new)?;
    if let Some(backing) = &wanted.backing {
        if !new.snapshots.is_empty() {
            return Err(unsupported(
                "the image has snapshots, which would show the new backing file",
            ));
        }
        set_backing(&mut new.header, backing)?;
    }
    let mut tables = GuestTables::read(&change)?;
    if let Some(resize) = &wanted.resize {
        resize::apply(&mut change, &mut new, &mut tables, resize)?;
    }
    let mut writer = Writer {
        tables,
        wanted,
        zero: Zero::of(&new),
        size: size_of(&new),
        done: 0,
        table: None,
        written: Vec::new(),
    };
    for range in ranges {
        let at = writer.done;
        let range = range.map_err(|source| Error::Source { offset: at, source })?;
        writer.write(&mut change, range)?;
    }
    let written = std::mem::take(&mut writer.written);
    writer.tables.store(&mut change, &mut new)?;
    if !wanted.only_unallocated {
        bits::mark_all(&mut change, &mut new, &written)?;
    }
    change.store_snapshots(&mut new)?;
    change.commit(new)
}

/// Forgets all clusters of the disk.
pub(crate) fn empty<S: Store>(storage: &S) -> Result<Changed, Error> {
    let mut change = Transaction::begin(storage)?;
    let mut new = change.new_state();
    refuse_data_file(&new)?;
    let mut tables = GuestTables::read(&change)?;
    tables.clear();
    tables.store(&mut change, &mut new)?;
    change.store_snapshots(&mut new)?;
    change.commit(new)
}

fn check(state: &State) -> Result<(), Error> {
    refuse_data_file(state)?;
    if state.header.crypt_method != CryptMethod::None {
        return Err(unsupported("the image is encrypted"));
    }
    Ok(())
}

fn refuse_data_file(state: &State) -> Result<(), Error> {
    if state.has_data_file() {
        return Err(unsupported(
            "the image has an external data file, which would have to change too",
        ));
    }
    Ok(())
}

fn unsupported(because: &'static str) -> Error {
    Error::Unsupported {
        operation: "to write what the disk holds",
        because,
    }
}

/// How an image says that a cluster reads as zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zero {
    /// It is unallocated: there is no backing file.
    Unallocated,
    /// By a flag.
    Flag,
    /// It cannot: the zeros are stored.
    Stored,
}

impl Zero {
    fn of(state: &State) -> Self {
        match (state.header.backing_name.is_some(), state.header.version) {
            (false, _) => Self::Unallocated,
            (true, Version::V3) => Self::Flag,
            (true, Version::V2) => Self::Stored,
        }
    }
}

/// A change of what the disk holds.
struct Writer<'w> {
    tables: GuestTables,
    wanted: &'w DiskWrite<'w>,
    zero: Zero,
    /// Size of the disk.
    size: u64,
    /// The end of the last cluster that was looked at.
    done: u64,
    /// Which L2 table was changed last.
    table: Option<u64>,
    /// What was written, in whole clusters.
    written: Vec<Range<u64>>,
}

impl Writer<'_> {
    /// Writes the clusters that `range` touches.
    fn write<S: Store>(
        &mut self,
        change: &mut Transaction<'_, S>,
        range: Range<u64>,
    ) -> Result<(), Error> {
        let bits = change.view.cluster_bits;
        let start = bits.round_down(range.start);
        if start < self.done.saturating_sub(bits.bytes()) {
            return Err(unsupported("the ranges do not ascend"));
        }
        let mut at = start.max(self.done);
        let end = range.end.min(self.size);
        while at < end {
            let geometry = change.old.header.geometry();
            let index = geometry.l1_index(GuestOffset(at));
            let table_end = index
                .saturating_add(1)
                .saturating_mul(geometry.l2_coverage_bytes());
            let piece_end = at.saturating_add(PIECE_BYTES.max(bits.bytes()));
            let piece = at..bits
                .round_up(end)
                .unwrap_or(end)
                .min(piece_end)
                .min(table_end);
            if let Some(full) = self.table.filter(|table| *table != index) {
                // Many tables do not stay in memory.
                self.tables.store_table(change, full)?;
            }
            self.table = Some(index);
            self.write_piece(change, &piece)?;
            at = piece.end;
            self.done = at;
        }
        Ok(())
    }

    /// Writes whole clusters that one L2 table maps.
    fn write_piece<S: Store>(
        &mut self,
        change: &mut Transaction<'_, S>,
        piece: &Range<u64>,
    ) -> Result<(), Error> {
        let cluster_bytes = change.view.cluster_bits.bytes();
        let mut bytes = vec![0; in_memory(piece.end.saturating_sub(piece.start))];
        let there = self.size.min(piece.end).saturating_sub(piece.start);
        let part = bytes.get_mut(..in_memory(there)).unwrap_or_default();
        let read = self.wanted.disk.read_at(piece.start, part);
        read.map_err(|source| Error::Source {
            offset: piece.start,
            source,
        })?;
        let clusters = bytes.chunks_exact(in_memory(cluster_bytes));
        // Clusters in a row that are stored in a row.
        let mut run = Run::default();
        for (index, cluster) in (0u64..).zip(clusters) {
            let guest = piece
                .start
                .saturating_add(index.saturating_mul(cluster_bytes));
            let is_kept = self.wanted.only_unallocated && self.is_allocated(change, guest)?;
            if is_kept || is_zero(cluster) && self.zero != Zero::Stored {
                self.store(change, &mut run)?;
            }
            if is_kept {
                continue;
            }
            if is_zero(cluster) && self.zero != Zero::Stored {
                let entry = self.entry(change, None);
                self.tables.set_entry(change, guest, entry)?;
            } else {
                if run.bytes.is_empty() {
                    run.guest = guest;
                }
                run.bytes.extend_from_slice(cluster);
            }
            self.mark(guest..guest.saturating_add(cluster_bytes));
        }
        self.store(change, &mut run)
    }

    /// Notes that guest bytes were written.
    fn mark(&mut self, guest: Range<u64>) {
        match self.written.last_mut() {
            Some(last) if last.end == guest.start => last.end = guest.end,
            _ => self.written.push(guest),
        }
    }

    /// Stores the clusters of `run`, which is empty then.
    fn store<S: Store>(
        &mut self,
        change: &mut Transaction<'_, S>,
        run: &mut Run,
    ) -> Result<(), Error> {
        if run.bytes.is_empty() {
            return Ok(());
        }
        let Run { guest, bytes } = std::mem::take(run);
        let cluster_bytes = change.view.cluster_bits.bytes();
        let clusters = len_u64(bytes.len()) / cluster_bytes;
        let host = change.store("data", bytes)?;
        for index in 0..clusters {
            let at = index.saturating_mul(cluster_bytes);
            let entry = self.entry(change, Some(HostOffset(host.0.saturating_add(at))));
            self.tables
                .set_entry(change, guest.saturating_add(at), entry)?;
        }
        Ok(())
    }

    /// The L2 entry of a cluster at `host`, or of zeros.
    fn entry<S: Store>(&self, change: &Transaction<'_, S>, host: Option<HostOffset>) -> L2Words {
        let bits = change.view.cluster_bits;
        let is_marked = host.is_none() && self.zero == Zero::Flag;
        if change.old.header.geometry().extended_l2 {
            let allocated = if host.is_some() { u32::MAX } else { 0 };
            let zero = if is_marked { u32::MAX } else { 0 };
            let entry = ExtendedL2Entry::Standard {
                host,
                copied: false,
                subclusters: SubclusterBitmap::new(allocated, zero).unwrap_or_default(),
            };
            let (first, bitmap) = entry.encode(bits);
            return L2Words {
                first,
                bitmap: Some(bitmap),
            };
        }
        let copied = false;
        let entry = match host {
            Some(host) => L2Entry::Data { host, copied },
            None if is_marked => L2Entry::Zero { host, copied },
            None => L2Entry::Unallocated,
        };
        L2Words {
            first: entry.encode(bits),
            bitmap: None,
        }
    }

    /// Whether the image says itself what all of a cluster holds.
    fn is_allocated<S: Store>(
        &mut self,
        change: &Transaction<'_, S>,
        guest: u64,
    ) -> Result<bool, Error> {
        let context = change.old.header.entry_context();
        let words = self.tables.entry(change, guest)?;
        let entry = words.decode(&context, 0).map_err(|source| Damage::Entry {
            table: "L2 table",
            host: HostOffset(0),
            index: 0,
            source,
        })?;
        Ok(match entry {
            ExtendedL2Entry::Compressed(_) => true,
            ExtendedL2Entry::Standard { subclusters, .. } => {
                let known = subclusters.allocated() | subclusters.zero();
                match words.bitmap {
                    Some(_) => known == u32::MAX,
                    None => known != 0,
                }
            }
        })
    }
}

/// Clusters in a row.
#[derive(Default)]
struct Run {
    /// Where they begin on the disk.
    guest: u64,
    bytes: Vec<u8>,
}
