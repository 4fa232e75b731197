//! Zero flags, which version 2 does not have.

use std::collections::BTreeMap;

use blockio::Store;
use qcow2_format::{HostOffset, L1Entry, L2Entry};

use crate::change::transaction::Transaction;
use crate::error::Error;
use crate::image::references::l1_entry;
use crate::image::state::State;
use crate::image::view::bytes_of;

/// The zero flag of a standard entry.
const ZERO: u64 = 1;

/// The L2 tables that were replaced, and by what; `None` if one has no zero flag.
type Replaced = BTreeMap<u64, Option<HostOffset>>;

/// Makes zero clusters unallocated in all tables, which is the same without a backing
/// file.
pub(super) fn remove<S: Store>(
    change: &mut Transaction<'_, S>,
    state: &mut State,
) -> Result<(), Error> {
    let mut replaced = Replaced::new();
    let header = &state.header;
    let (table, entries) = (header.l1_table_offset, header.l1_entries.into());
    state.header.l1_table_offset = replace_l1(change, state, table, entries, &mut replaced)?;
    for index in 0..state.snapshots.len() {
        let Some(snapshot) = state.snapshots.get(index) else {
            continue;
        };
        let (table, entries) = (snapshot.l1_table_offset, snapshot.l1_entries.into());
        let table = replace_l1(change, state, table, entries, &mut replaced)?;
        if let Some(snapshot) = state.snapshots.get_mut(index) {
            snapshot.l1_table_offset = table;
        }
    }
    Ok(())
}

/// Where the L1 table is that replaces the one at `table`, which may be itself.
fn replace_l1<S: Store>(
    change: &mut Transaction<'_, S>,
    state: &State,
    table: HostOffset,
    entries: u64,
    replaced: &mut Replaced,
) -> Result<HostOffset, Error> {
    let view = change.view;
    let mut l1 = view.table("L1 table", table, entries)?;
    let mut is_changed = false;
    for (index, word) in (0..).zip(&mut l1) {
        let Some(entry) = l1_entry(view, table, index, *word)? else {
            continue;
        };
        let known = replaced.get(&entry.l2_table.0).copied();
        let new = match known {
            Some(new) => new,
            None => {
                let new = replace_l2(change, state, entry.l2_table)?;
                replaced.insert(entry.l2_table.0, new);
                new
            }
        };
        if let Some(l2_table) = new {
            let copied = false;
            *word = L1Entry::encode(Some(L1Entry { l2_table, copied }));
            is_changed = true;
        }
    }
    match is_changed {
        true => change.store_table("L1 table", &l1),
        false => Ok(table),
    }
}

/// Where the L2 table is that replaces the one at `table`, if it has a zero flag.
fn replace_l2<S: Store>(
    change: &mut Transaction<'_, S>,
    state: &State,
    table: HostOffset,
) -> Result<Option<HostOffset>, Error> {
    let view = change.view;
    let context = change.old.header.entry_context();
    let mut words = view.table("L2 table", table, view.cluster_bits.bytes() / 8)?;
    let mut is_changed = false;
    for (index, word) in (0..).zip(&mut words) {
        let is_zero = *word & ZERO != 0
            && matches!(
                L2Entry::decode(*word, &context, index),
                Ok(L2Entry::Zero { .. })
            );
        if is_zero {
            *word = L2Entry::Unallocated.encode(view.cluster_bits);
            is_changed = true;
        }
    }
    if !is_changed {
        return Ok(None);
    }
    if state.header.backing_name.is_some() {
        return Err(Error::Unsupported {
            operation: "to amend the image",
            because: "version 2 has no zero clusters, and this image has some over its backing file",
        });
    }
    change.store("L2 table", bytes_of(&words)).map(Some)
}
