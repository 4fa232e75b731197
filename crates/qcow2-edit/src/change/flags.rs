//! The flags of the disk's tables that say that a cluster has the refcount one.

use std::ops::Range;

use blockio::{Store, len_u64};
use qcow2_format::subcluster::ExtendedL2Entry;
use qcow2_format::{HostOffset, L1Entry, L2Entry, L2Words, Named};
use qcow2_map::in_memory;

use crate::error::Error;
use crate::image::counts::Counts;
use crate::image::references::l1_entry;
use crate::image::state::State;
use crate::image::view::{View, WORD_BYTES};

/// The flag, in entries of both tables.
const COPIED: u64 = 1 << 63;

/// Bytes of an L1 table that are looked at at once.
const PART_BYTES: u64 = 64 << 10;

/// Which flags are made right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that are set and must not be. A clear flag is never wrong: a writer then
    /// looks at the refcount.
    Clear,
    /// Those that are clear and may be set.
    Set,
    /// Bits that must be clear, in the tables of snapshots too.
    Reserved,
}

/// Makes the flags in the tables of the disk of `state` right, in place, and returns
/// whether any was wrong.
pub(crate) fn correct<S: Store>(
    view: View<'_, S>,
    state: &State,
    counts: &Counts,
    which: Which,
) -> Result<bool, Error> {
    let flags = Flags {
        view,
        state,
        counts,
        which,
    };
    let tables = match which {
        Which::Reserved => usize::MAX,
        Which::Clear | Which::Set => 1,
    };
    let mut changed = false;
    for l1 in state.l1_tables().take(tables) {
        let mut at = l1.start;
        while at < l1.end {
            let part = at..at.saturating_add(PART_BYTES).min(l1.end);
            at = part.end;
            changed |= flags.correct_l1(&l1, &part)?;
        }
    }
    Ok(changed)
}

struct Flags<'f, S> {
    view: View<'f, S>,
    state: &'f State,
    counts: &'f Counts,
    which: Which,
}

impl<S: Store> Flags<'_, S> {
    /// Corrects a part of the L1 table, and the L2 tables that it names.
    fn correct_l1(&self, l1: &Range<u64>, part: &Range<u64>) -> Result<bool, Error> {
        let mut bytes = self.view.read("L1 table", part)?;
        let first = part.start.saturating_sub(l1.start) / WORD_BYTES;
        let mut wrong = Wrong::default();
        let mut changed = false;
        let (words, _) = bytes.as_chunks_mut::<8>();
        for (index, word) in words.iter_mut().enumerate() {
            let raw = u64::from_be_bytes(*word);
            if raw == 0 {
                continue;
            }
            let at = first.saturating_add(len_u64(index));
            let entry = l1_entry(self.view, HostOffset(l1.start), at, raw)?;
            let table = entry.map(|entry| entry.l2_table);
            let new = self.corrected(raw, table, L1Entry::reserved_bits(raw));
            if new != raw {
                *word = new.to_be_bytes();
                wrong.add(index.saturating_mul(8));
            }
            if let Some(table) = table
                && !self.state.has_data_file()
            {
                changed |= self.correct_l2(table)?;
            }
        }
        changed |= self.write("L1 table", HostOffset(part.start), &bytes, &wrong)?;
        Ok(changed)
    }

    fn correct_l2(&self, table: HostOffset) -> Result<bool, Error> {
        let mut bytes = self.view.read_cluster("L2 table", table)?;
        let header = &self.state.header;
        let extended = header.geometry().extended_l2;
        let entry_bytes = in_memory(header.l2_entry_bytes());
        let context = header.entry_context();
        let mut wrong = Wrong::default();
        for (index, entry) in bytes.chunks_exact_mut(entry_bytes).enumerate() {
            let Some(words) = L2Words::read(entry, extended).filter(|words| !words.is_zero())
            else {
                continue;
            };
            // What is wrong was refused when it was counted.
            let counted = words.counted(&context, len_u64(index)).ok().flatten();
            let host = match (counted, self.which) {
                (Some((Named::Stream, _)), Which::Clear | Which::Set) => continue,
                (counted, _) => counted.map(|(_, host)| HostOffset(host.start)),
            };
            let reserved = match words.bitmap {
                Some(bitmap) => ExtendedL2Entry::reserved_bits(words.first, bitmap).0,
                None => L2Entry::reserved_bits(words.first),
            };
            let new = self.corrected(words.first, host, reserved);
            if new != words.first
                && let Some(first) = entry.first_chunk_mut()
            {
                *first = new.to_be_bytes();
                wrong.add(index.saturating_mul(entry_bytes));
            }
        }
        self.write("L2 table", table, &bytes, &wrong)
    }

    /// The entry `raw`, which names the cluster at `host` or none, with the flag it should
    /// have.
    fn corrected(&self, raw: u64, host: Option<HostOffset>, reserved: u64) -> u64 {
        let is_single = host.map(|host| self.counts.is_single(host.0));
        match (self.which, is_single) {
            (Which::Clear, Some(false)) => raw & !COPIED,
            (Which::Set, Some(true)) => raw | COPIED,
            (Which::Reserved, _) => raw & !reserved,
            _ => raw,
        }
    }

    /// Writes the words that were wrong, and those between them.
    fn write(
        &self,
        structure: &'static str,
        table: HostOffset,
        bytes: &[u8],
        wrong: &Wrong,
    ) -> Result<bool, Error> {
        let Some(range) = &wrong.0 else {
            return Ok(false);
        };
        let part = bytes.get(range.clone()).unwrap_or_default();
        let host = HostOffset(table.0.saturating_add(len_u64(range.start)));
        self.view.write(structure, host, part)?;
        Ok(true)
    }
}

/// The bytes of a table from the first wrong word to the last.
#[derive(Debug, Default)]
struct Wrong(Option<Range<usize>>);

impl Wrong {
    fn add(&mut self, at: usize) {
        let end = at.saturating_add(8);
        let start = self.0.as_ref().map_or(at, |range| range.start);
        self.0 = Some(start..end);
    }
}
