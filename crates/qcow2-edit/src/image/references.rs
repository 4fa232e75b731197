//! All that uses host clusters of an image, counted. What is wrong is an error: nobody
//! can tell what an entry uses that cannot be read.

use std::ops::Range;

use blockio::ReadAt;
use qcow2_check::Use;
use qcow2_format::bitmap::BitmapTableEntry;
use qcow2_format::refcount::RefcountTableEntry;
use qcow2_format::subcluster::ExtendedL2Entry;
use qcow2_format::{HostOffset, L1Entry, L2Entry, L2Words, Named};

use crate::error::Error;
use crate::image::counts::Counts;
use crate::image::damage::Damage;
use crate::image::judge::Judge;
use crate::image::state::State;
use crate::image::view::{View, table_bytes};

/// L2 tables that are collected before those that are used several times are joined.
const TABLES: usize = 1 << 20;

/// Counts all that `state` uses but its refcounts.
pub(crate) fn count<S: ReadAt>(
    view: View<'_, S>,
    state: &State,
    judge: Judge,
) -> Result<Counts, Error> {
    let mut counts = Counts::new(view.cluster_bits);
    counts.add(&(0..1), Use::Metadata, 1)?;
    count_metadata(view, state, &mut counts)?;
    for (table, times) in l2_tables(view, state, judge)? {
        count_table(view, state, (HostOffset(table), times), judge, &mut counts)?;
    }
    Ok(counts)
}

/// Counts what lies beside the disk.
fn count_metadata<S: ReadAt>(
    view: View<'_, S>,
    state: &State,
    counts: &mut Counts,
) -> Result<(), Error> {
    let mut tables: Vec<(&'static str, Range<u64>)> = Vec::new();
    tables.extend(state.l1_tables().map(|table| ("L1 table", table)));
    tables.push(("snapshot table", state.snapshot_table_place(view)?));
    let directory = state.bitmap_directory_place();
    tables.extend(directory.map(|place| ("bitmap directory", place)));
    tables.extend(state.luks_header().map(|place| ("LUKS header", place)));
    for (structure, bytes) in tables {
        if !bytes.is_empty() {
            view.check(structure, &bytes)?;
            counts.add(&bytes, Use::Metadata, 1)?;
        }
    }
    for bitmap in &state.bitmaps {
        let table = table_bytes(bitmap.table_offset, bitmap.table_entries.into());
        view.check("bitmap table", &table)?;
        counts.add(&table, Use::Metadata, 1)?;
        view.words("bitmap table", &table, |index, word| {
            let entry = bitmap_entry(view, bitmap.table_offset, index, word)?;
            if let BitmapTableEntry::Data(host) = entry {
                let bytes = view.cluster(host);
                view.check("bitmap", &bytes)?;
                counts.add(&bytes, Use::Metadata, 1)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Decodes an entry of the bitmap table at `table`.
pub(crate) fn bitmap_entry<S>(
    view: View<'_, S>,
    table: HostOffset,
    index: u64,
    word: u64,
) -> Result<BitmapTableEntry, Damage> {
    reserved(
        "bitmap table",
        table,
        index,
        BitmapTableEntry::reserved_bits(word),
    )?;
    let entry = BitmapTableEntry::decode(word, view.cluster_bits, index);
    entry.map_err(|source| Damage::Entry {
        table: "bitmap table",
        host: table,
        index,
        source,
    })
}

/// Counts the refcounts, too.
pub(crate) fn count_refcounts<S: ReadAt>(
    view: View<'_, S>,
    state: &State,
    judge: Judge,
    counts: &mut Counts,
) -> Result<(), Error> {
    let table = refcount_table(view, state);
    let checked = view.check("refcount table", &table);
    if judge.of_refcounts(checked)?.is_none() {
        return Ok(());
    }
    counts.add(&table, Use::Metadata, 1)?;
    refcount_blocks(view, state, judge, |_, block| {
        counts.add(&view.cluster(block), Use::Metadata, 1)
    })
}

/// The bytes of the refcount table.
fn refcount_table<S>(view: View<'_, S>, state: &State) -> Range<u64> {
    let clusters = u64::from(state.header.refcount_table_clusters);
    let start = state.header.refcount_table_offset.0;
    let length = clusters.saturating_mul(view.cluster_bits.bytes());
    start..start.saturating_add(length)
}

/// Shows the refcount blocks to `visit`, with their indexes.
pub(crate) fn refcount_blocks<S: ReadAt>(
    view: View<'_, S>,
    state: &State,
    judge: Judge,
    mut visit: impl FnMut(u64, HostOffset) -> Result<(), Error>,
) -> Result<(), Error> {
    let bytes = refcount_table(view, state);
    let table = state.header.refcount_table_offset;
    let checked = view.check("refcount table", &bytes);
    if judge.of_refcounts(checked)?.is_none() {
        return Ok(());
    }
    view.words("refcount table", &bytes, |index, word| {
        let bits = RefcountTableEntry::reserved_bits(word);
        judge.reserved(reserved("refcount table", table, index, bits))?;
        let entry = RefcountTableEntry::decode(word, view.cluster_bits, index);
        let entry = entry.map_err(|source| Damage::Entry {
            table: "refcount table",
            host: table,
            index,
            source,
        });
        let Some(RefcountTableEntry(Some(block))) = judge.of_refcounts(entry)? else {
            return Ok(());
        };
        let checked = view.check("refcount block", &view.cluster(block));
        match judge.of_refcounts(checked)? {
            Some(()) => visit(index, block),
            None => Ok(()),
        }
    })
}

/// The L2 tables that are in use, ascending, and how often each is.
fn l2_tables<S: ReadAt>(
    view: View<'_, S>,
    state: &State,
    judge: Judge,
) -> Result<Vec<(u64, u32)>, Error> {
    let mut tables = Vec::new();
    let mut room = TABLES;
    for l1 in state.l1_tables() {
        view.words("L1 table", &l1, |index, word| {
            let table = HostOffset(l1.start);
            judge.reserved(reserved(
                "L1 table",
                table,
                index,
                L1Entry::reserved_bits(word),
            ))?;
            if let Some(entry) = l1_entry(view, table, index, word)? {
                tables.push((entry.l2_table.0, 1));
            }
            if tables.len() >= room {
                join(&mut tables);
                room = room.max(tables.len().saturating_mul(2));
            }
            Ok(())
        })?;
    }
    join(&mut tables);
    Ok(tables)
}

/// Sorts, and adds up what is said of the same table.
fn join(tables: &mut Vec<(u64, u32)>) {
    tables.sort_unstable();
    tables.dedup_by(|(next, times), (kept, sum)| {
        let same = next == kept;
        if same {
            *sum = sum.saturating_add(*times);
        }
        same
    });
}

/// Decodes an entry of the L1 table at `table`, and checks that its L2 table is there.
pub(crate) fn l1_entry<S: ReadAt>(
    view: View<'_, S>,
    table: HostOffset,
    index: u64,
    word: u64,
) -> Result<Option<L1Entry>, Damage> {
    let entry = L1Entry::decode(word, view.cluster_bits, index);
    let entry = entry.map_err(|source| Damage::Entry {
        table: "L1 table",
        host: table,
        index,
        source,
    })?;
    if let Some(entry) = &entry {
        view.check("L2 table", &view.cluster(entry.l2_table))?;
    }
    Ok(entry)
}

/// Counts an L2 table that is used so many times, and what it uses.
fn count_table<S: ReadAt>(
    view: View<'_, S>,
    state: &State,
    (table, times): (HostOffset, u32),
    judge: Judge,
    counts: &mut Counts,
) -> Result<(), Error> {
    counts.add(&view.cluster(table), Use::L2Table, times)?;
    let bytes = view.read_cluster("L2 table", table)?;
    let context = state.header.entry_context();
    let entries = L2Words::all(&bytes, state.header.geometry().extended_l2);
    for (index, words) in (0..).zip(entries) {
        if words.is_zero() {
            continue;
        }
        judge.reserved(l2_reserved(words, table, index))?;
        let counted = words.counted(&context, index);
        let counted = counted.map_err(|source| Damage::Entry {
            table: "L2 table",
            host: table,
            index,
            source,
        });
        match counted? {
            Some((Named::Cluster, bytes)) => {
                view.check("data", &bytes)?;
                counts.add(&bytes, Use::Data, times)?;
            }
            Some((Named::Stream, bytes)) => {
                view.check_end("compressed data", &bytes)?;
                counts.add(&bytes, Use::Stream, times)?;
            }
            None => {}
        }
    }
    Ok(())
}

/// Refuses an L2 entry with bits that must be clear.
fn l2_reserved(words: L2Words, table: HostOffset, index: u64) -> Result<(), Damage> {
    let (first, second) = match words.bitmap {
        Some(bitmap) => ExtendedL2Entry::reserved_bits(words.first, bitmap),
        None => (L2Entry::reserved_bits(words.first), 0),
    };
    reserved("L2 table", table, index, first)?;
    reserved("L2 table", table, index, second)
}

fn reserved(table: &'static str, host: HostOffset, index: u64, bits: u64) -> Result<(), Damage> {
    if bits == 0 {
        return Ok(());
    }
    Err(Damage::Reserved {
        table,
        host,
        index,
        bits,
    })
}
