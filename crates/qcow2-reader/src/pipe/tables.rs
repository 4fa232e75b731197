//! The L2 tables of an image that arrives on a pipe, in the order of the file.

use std::io;
use std::ops::Range;

use blockio::{ReadAt, Store};
use qcow2_format::{HostOffset, L2Words};
use qcow2_map::{Error as ImageError, L1Reader, Structure, Tables, in_memory};

use crate::error::Error;
use crate::source::pipe::Forward;

/// Bytes of a table that are read at once.
const PART_BYTES: u64 = 64 << 10;

/// The L1 entries that name a table, in the order of the tables in the file.
#[derive(Debug)]
pub(super) struct TableList {
    /// Indices and not places: of a large disk there are millions.
    named: Vec<u32>,
    end: u64,
}

/// What was found when tables were looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    /// All tables, and no data before the last.
    Tables,
    /// Data before the last table.
    Data,
    /// The end of the file.
    Nothing,
}

impl TableList {
    /// Reads the L1 table of `tables`, which `storage` has.
    pub(super) fn new<S: ReadAt>(storage: &S, tables: &Tables) -> Result<Self, Error> {
        let (mut named, mut end) = (Vec::new(), 0);
        let mut l1 = L1Reader::new(storage, tables);
        let mut l1_index = 0;
        while l1_index < tables.l1_entries() {
            if let Some((host, bytes)) = l1.l2_place(l1_index)? {
                end = host.0.saturating_add(bytes).max(end);
                named.extend(u32::try_from(l1_index));
                l1_index = l1_index.saturating_add(1);
            } else {
                l1_index = l1.zeros_end(l1_index);
            }
        }
        let mut place = |l1_index: &u32| {
            let place = l1.l2_place(u64::from(*l1_index)).ok().flatten();
            (place.map(|(host, _)| host), *l1_index)
        };
        named.sort_by_cached_key(&mut place);
        Ok(Self { named, end })
    }

    /// Host offset after the last table.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The L1 entries.
    pub(super) fn named(&self) -> &[u32] {
        &self.named
    }

    /// Reads the tables up to the first that names data before `tables_end`. Wrong
    /// entries are for others to find.
    pub(super) fn keep<R: io::Read, K: Store>(
        &self,
        input: &mut Forward<R, K>,
        spool: &K,
        tables: &Tables,
        tables_end: u64,
    ) -> Result<Ahead, Error> {
        let mut l1 = L1Reader::new(spool, tables);
        for l1_index in &self.named {
            let Some(table) = place(&mut l1, *l1_index)? else {
                continue;
            };
            if table.start < tables_end && input.position() < table.end {
                input.keep_to(table.end)?;
            }
            if input.position() < table.end {
                return Ok(Ahead::Nothing);
            }
            if names_data_before(tables_end, &input.arrived(), tables, table)? {
                return Ok(Ahead::Data);
            }
        }
        Ok(Ahead::Tables)
    }
}

/// Where the table is that L1 entry `l1_index` names.
pub(super) fn place<S: ReadAt>(
    l1: &mut L1Reader<'_, S>,
    l1_index: u32,
) -> Result<Option<Range<u64>>, ImageError> {
    let place = l1.l2_place(u64::from(l1_index))?;
    Ok(place.map(|(host, bytes)| host.0..host.0.saturating_add(bytes)))
}

/// Whether an entry of the table at `table` names data before `tables_end`.
fn names_data_before<S: ReadAt>(
    tables_end: u64,
    storage: &S,
    tables: &Tables,
    table: Range<u64>,
) -> Result<bool, Error> {
    let (context, geometry) = (&tables.context, tables.geometry);
    let mut part = Vec::new();
    let mut at = table.start;
    while at < table.end {
        let part_bytes = table.end.saturating_sub(at).min(PART_BYTES);
        part.resize(in_memory(part_bytes), 0);
        storage.read_at(at, &mut part).map_err(|source| {
            Error::Image(ImageError::Read {
                structure: Structure::L2Table,
                host: HostOffset(at),
                source,
            })
        })?;
        let first = at.saturating_sub(table.start) / geometry.l2_entry_bytes();
        for (index, entry) in (first..).zip(L2Words::all(&part, geometry.extended_l2)) {
            if entry.is_zero() {
                continue;
            }
            let stored = entry.first_stored(context, index);
            if stored.is_ok_and(|stored| stored.is_some_and(|(_, host)| host.0 < tables_end)) {
                return Ok(true);
            }
        }
        at = at.saturating_add(part_bytes);
    }
    Ok(false)
}
