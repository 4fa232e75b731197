//! The bits of bitmaps, and the tables that place them.

use std::collections::BTreeMap;
use std::ops::Range;

use blockio::{ReadAt, Store, is_zero, len_u64};
use qcow2_format::ClusterBits;
use qcow2_format::bitmap::{BitmapDirectoryEntry, BitmapFlags, BitmapTableEntry};
use qcow2_map::in_memory;

use super::rules::{check_length, check_trusted};
use crate::change::transaction::Transaction;
use crate::error::Error;
use crate::image::references::bitmap_entry;
use crate::image::state::{State, size_of};
use crate::image::view::View;

/// Entries of the table of a bitmap of a disk of `size` bytes.
pub(crate) fn table_entries(
    entry: &BitmapDirectoryEntry,
    size: u64,
    cluster_bits: ClusterBits,
) -> usize {
    in_memory(entry.table_entries_for(size, cluster_bits).max(1))
}

/// Writes the table of a bitmap, and names it.
pub(crate) fn store<S: Store>(
    change: &mut Transaction<'_, S>,
    entry: &mut BitmapDirectoryEntry,
    table: &[u64],
) -> Result<(), Error> {
    entry.table_offset = change.store_table("bitmap table", table)?;
    entry.table_entries = u32::try_from(table.len()).unwrap_or(u32::MAX);
    Ok(())
}

/// A bitmap in clusters.
struct Bits<'b> {
    entry: &'b BitmapDirectoryEntry,
    table: Vec<u64>,
}

impl<'b> Bits<'b> {
    fn read<S: ReadAt>(view: View<'_, S>, entry: &'b BitmapDirectoryEntry) -> Result<Self, Error> {
        let entries = entry.table_entries.into();
        let table = view.table("bitmap table", entry.table_offset, entries)?;
        Ok(Self { entry, table })
    }

    fn at<S>(&self, view: View<'_, S>, index: usize) -> Result<BitmapTableEntry, Error> {
        let word = self.table.get(index).copied().unwrap_or(0);
        let entry = bitmap_entry(view, self.entry.table_offset, len_u64(index), word);
        entry.map_err(Into::into)
    }

    /// The bytes of one cluster of the bitmap.
    fn cluster<S: ReadAt>(&self, view: View<'_, S>, index: usize) -> Result<Vec<u8>, Error> {
        let length = in_memory(view.cluster_bits.bytes());
        match self.at(view, index)? {
            BitmapTableEntry::Zeros => Ok(vec![0; length]),
            BitmapTableEntry::Ones => Ok(vec![0xff; length]),
            BitmapTableEntry::Data(host) => view.read_cluster("bitmap", host),
        }
    }
}

/// Stores one cluster of a bitmap, if it has any bit set.
fn store_cluster<S: Store>(change: &mut Transaction<'_, S>, bytes: Vec<u8>) -> Result<u64, Error> {
    if is_zero(&bytes) {
        return Ok(BitmapTableEntry::Zeros.encode());
    }
    let host = change.store("bitmap", bytes)?;
    Ok(BitmapTableEntry::Data(host).encode())
}

/// Makes all bitmaps ones of a disk of `size` bytes. Up to `boundary` they stay what they
/// are, and after it no bit is set.
pub(crate) fn resize_all<S: Store>(
    change: &mut Transaction<'_, S>,
    state: &mut State,
    boundary: u64,
    size: u64,
) -> Result<(), Error> {
    if state.bitmaps.is_empty() {
        return Ok(());
    }
    for entry in &mut state.bitmaps {
        check_trusted(entry)?;
        check_length(entry, size)?;
        resize(change, entry, boundary, size)?;
    }
    change.store_bitmaps(state)
}

fn resize<S: Store>(
    change: &mut Transaction<'_, S>,
    entry: &mut BitmapDirectoryEntry,
    boundary: u64,
    size: u64,
) -> Result<(), Error> {
    let view = change.view;
    let granule = 1u64.checked_shl(entry.granularity_bits.into()).unwrap_or(1);
    let bits = boundary.div_ceil(granule.max(1));
    let cluster_bits = view.cluster_bits.bytes().saturating_mul(8);
    let whole = in_memory(bits.checked_div(cluster_bits).unwrap_or(0));
    let rest = bits.checked_rem(cluster_bits).unwrap_or(0);
    let old = Bits::read(view, entry)?;
    let mut table = old.table.clone();
    table.truncate(whole);
    if rest > 0 {
        let mut bytes = old.cluster(view, whole)?;
        let stored = bytes.clone();
        keep_bits(&mut bytes, rest);
        let word = old.table.get(whole).copied().unwrap_or(0);
        table.push(match bytes == stored {
            true => word,
            false => store_cluster(change, bytes)?,
        });
    }
    table.resize(table_entries(entry, size, view.cluster_bits), 0);
    store(change, entry, &table)
}

/// Clears all bits from `bits` on.
fn keep_bits(bytes: &mut [u8], bits: u64) {
    let at = in_memory(bits / 8);
    let tail = u32::try_from(bits % 8).unwrap_or(0);
    if let Some(byte) = bytes.get_mut(at) {
        *byte &= !(u8::MAX.checked_shl(tail).unwrap_or(0));
    }
    bytes
        .iter_mut()
        .skip(at.saturating_add(1))
        .for_each(|byte| *byte = 0);
}

/// Sets the bits of `entry` that stand for anything that `source` has a bit set for.
pub(crate) fn merge<S: Store>(
    change: &mut Transaction<'_, S>,
    entry: &mut BitmapDirectoryEntry,
    source: &BitmapDirectoryEntry,
    size: u64,
) -> Result<(), Error> {
    let view = change.view;
    let from = Bits::read(view, source)?;
    let to = Bits::read(view, entry)?;
    let mut marks = Marks::new(view, entry, size);
    let bits_each = view.cluster_bits.bytes().saturating_mul(8);
    for index in 0..from.table.len() {
        if from.at(view, index)? == BitmapTableEntry::Zeros {
            continue;
        }
        let first = len_u64(index).saturating_mul(bits_each);
        for run in runs(&from.cluster(view, index)?) {
            let byte = |bit: u64| {
                let bit = first.saturating_add(bit);
                bit.saturating_mul(1 << source.granularity_bits.min(63))
                    .min(size)
            };
            marks.set(byte(run.start)..byte(run.end), |index| {
                to.cluster(view, index)
            })?;
        }
    }
    let table = to.table;
    store_marks(change, entry, table, marks)
}

/// Sets the bits of all bitmaps that follow writes for the guest bytes of `written`.
pub(crate) fn mark_all<S: Store>(
    change: &mut Transaction<'_, S>,
    state: &mut State,
    written: &[Range<u64>],
) -> Result<(), Error> {
    let view = change.view;
    let size = size_of(state);
    let follows = |entry: &BitmapDirectoryEntry| {
        entry.flags.contains(BitmapFlags::AUTO) && !entry.flags.contains(BitmapFlags::IN_USE)
    };
    if written.is_empty() || !state.bitmaps.iter().any(follows) {
        return Ok(());
    }
    for entry in state.bitmaps.iter_mut().filter(|entry| follows(entry)) {
        check_trusted(entry)?;
        let to = Bits::read(view, entry)?;
        let mut marks = Marks::new(view, entry, size);
        for guest in written {
            marks.set(guest.clone(), |index| to.cluster(view, index))?;
        }
        let table = to.table;
        store_marks(change, entry, table, marks)?;
    }
    change.store_bitmaps(state)
}

/// Writes the clusters of a bitmap that changed, and its `table`.
fn store_marks<S: Store>(
    change: &mut Transaction<'_, S>,
    entry: &mut BitmapDirectoryEntry,
    mut table: Vec<u64>,
    marks: Marks,
) -> Result<(), Error> {
    table.resize(
        table_entries(entry, marks.size, change.view.cluster_bits),
        0,
    );
    for (index, bytes) in marks.changed {
        let word = store_cluster(change, bytes)?;
        if let Some(entry) = table.get_mut(index) {
            *entry = word;
        }
    }
    store(change, entry, &table)
}

/// The clusters of a bitmap in which bits are set.
struct Marks {
    /// Bits in a cluster.
    cluster_bits: u64,
    granularity_bits: u32,
    size: u64,
    changed: BTreeMap<usize, Vec<u8>>,
}

impl Marks {
    fn new<S>(view: View<'_, S>, entry: &BitmapDirectoryEntry, size: u64) -> Self {
        Self {
            cluster_bits: view.cluster_bits.bytes().saturating_mul(8),
            granularity_bits: entry.granularity_bits.into(),
            size,
            changed: BTreeMap::new(),
        }
    }

    /// Sets the bits for the guest bytes `guest`.
    fn set(
        &mut self,
        guest: Range<u64>,
        read: impl Fn(usize) -> Result<Vec<u8>, Error>,
    ) -> Result<(), Error> {
        let last = guest.end.min(self.size);
        if guest.start >= last {
            return Ok(());
        }
        let bit_of = |byte: u64| byte.checked_shr(self.granularity_bits).unwrap_or(0);
        let end = bit_of(last.saturating_sub(1)).saturating_add(1);
        let mut bit = bit_of(guest.start);
        while bit < end {
            let index = in_memory(bit.checked_div(self.cluster_bits).unwrap_or(0));
            let within = bit.checked_rem(self.cluster_bits).unwrap_or(0);
            let length = end
                .saturating_sub(bit)
                .min(self.cluster_bits.saturating_sub(within));
            let bytes = match self.changed.entry(index) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => new.insert(read(index)?),
            };
            set_bits(bytes, within..within.saturating_add(length));
            bit = bit.saturating_add(length.max(1));
        }
        Ok(())
    }
}

fn set_bits(bytes: &mut [u8], bits: Range<u64>) {
    let mut bit = bits.start;
    while bit < bits.end {
        let Some(byte) = bytes.get_mut(in_memory(bit / 8)) else {
            return;
        };
        if bit.is_multiple_of(8) && bits.end.saturating_sub(bit) >= 8 {
            *byte = u8::MAX;
            bit = bit.saturating_add(8);
        } else {
            *byte |= 1 << (bit % 8);
            bit = bit.saturating_add(1);
        }
    }
}

/// The runs of bits that are set.
fn runs(bytes: &[u8]) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    let mut add = |run: Range<u64>| match runs.last_mut() {
        Some(last) if last.end == run.start => last.end = run.end,
        _ => runs.push(run),
    };
    for (index, byte) in (0u64..).zip(bytes) {
        let first = index.saturating_mul(8);
        match byte {
            0 => {}
            0xff => add(first..first.saturating_add(8)),
            byte => (0..8)
                .filter(|bit| byte >> bit & 1 == 1)
                .for_each(|bit| add(first.saturating_add(bit)..first.saturating_add(bit + 1))),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_numbered_from_the_least_significant() {
        let mut bytes = [0; 4];
        set_bits(&mut bytes, 3..26);
        assert_eq!(bytes, [0xf8, 0xff, 0xff, 3]);
        assert_eq!(runs(&bytes), vec![3..26]);
        keep_bits(&mut bytes, 9);
        assert_eq!(bytes, [0xf8, 1, 0, 0]);
        keep_bits(&mut bytes, 8);
        assert_eq!(bytes, [0xf8, 0, 0, 0]);
        assert_eq!(runs(&[0b101, 0x80, 1]), [0..1, 2..3, 15..17]);
    }

    #[test]
    fn a_coarser_bitmap_has_a_bit_for_each_it_touches() {
        let mut marks = Marks {
            cluster_bits: 16,
            granularity_bits: 10,
            size: 40_000,
            changed: BTreeMap::new(),
        };
        marks.set(1023..1025, |_| Ok(vec![0; 2])).unwrap();
        marks.set(16_383..50_000, |_| Ok(vec![0; 2])).unwrap();
        let want = [
            (0, vec![3, 0x80]),
            (1, vec![0xff, 0xff]),
            (2, vec![0xff, 0]),
        ];
        assert_eq!(marks.changed.into_iter().collect::<Vec<_>>(), want);
    }
}
