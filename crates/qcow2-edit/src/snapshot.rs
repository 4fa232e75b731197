//! Internal snapshots: taken, applied, deleted.

use blockio::Store;
use qcow2_format::limits::SNAPSHOTS_MAX;
use qcow2_format::snapshot::Snapshot;

use crate::change::transaction::Transaction;
use crate::error::Error;
use crate::image::state::{State, set_size};
use crate::report::Changed;

/// The flag that an L2 table has the refcount one.
const COPIED: u64 = 1 << 63;

/// A snapshot to be taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewSnapshot {
    /// Its name, at most 65,535 bytes.
    pub name: Vec<u8>,
    /// When it is taken, in seconds since 1970.
    pub date_seconds: u32,
    /// The fraction of the second, in nanoseconds.
    pub date_nanoseconds: u32,
}

impl NewSnapshot {
    /// A snapshot called `name`, taken in 1970.
    #[must_use]
    pub fn named(name: &[u8]) -> Self {
        Self {
            name: name.to_vec(),
            ..Self::default()
        }
    }
}

/// Takes a snapshot of the disk.
pub(crate) fn create<S: Store>(storage: &S, wanted: &NewSnapshot) -> Result<Changed, Error> {
    let mut change = Transaction::begin(storage)?;
    refuse_data_file(&change.old, "a snapshot")?;
    let mut new = change.new_state();
    if new.snapshots.iter().any(|known| known.name == wanted.name) {
        return Err(Error::Exists {
            kind: "snapshot",
            name: wanted.name.clone(),
        });
    }
    let count = blockio::len_u64(new.snapshots.len()).saturating_add(1);
    if count > SNAPSHOTS_MAX.into() {
        return Err(Error::Limit {
            what: "the number of snapshots",
            found: count,
            min: 0,
            max: SNAPSHOTS_MAX.into(),
        });
    }
    let l1 = disk_part(&new, change.active_l1()?, new.header.size);
    let l1: Vec<u64> = l1.into_iter().map(|entry| entry & !COPIED).collect();
    let snapshot = Snapshot {
        l1_table_offset: change.store_table("L1 table", &l1)?,
        l1_entries: u32::try_from(l1.len()).unwrap_or(u32::MAX),
        id: next_id(&new.snapshots),
        name: wanted.name.clone(),
        date_seconds: wanted.date_seconds,
        date_nanoseconds: wanted.date_nanoseconds,
        disk_size: Some(new.header.size),
        ..Snapshot::default()
    };
    new.snapshots.push(snapshot);
    change.store_snapshots(&mut new)?;
    change.commit(new)
}

/// The entries of an L1 table that map a disk of `size` bytes: VM state follows them.
fn disk_part(state: &State, mut l1: Vec<u64>, size: u64) -> Vec<u64> {
    let entries = state.header.geometry().l1_entries_for(size).max(1);
    l1.resize(usize::try_from(entries).unwrap_or(usize::MAX), 0);
    l1
}

/// The number after the largest ID, as QEMU numbers them.
fn next_id(snapshots: &[Snapshot]) -> Vec<u8> {
    let number = |snapshot: &Snapshot| -> Option<u64> {
        std::str::from_utf8(&snapshot.id).ok()?.parse().ok()
    };
    let last = snapshots.iter().filter_map(number).max().unwrap_or(0);
    last.saturating_add(1).to_string().into_bytes()
}

/// Makes the disk what it was when the snapshot with this ID, or else this name, was
/// taken.
pub(crate) fn apply<S: Store>(storage: &S, wanted: &[u8]) -> Result<Changed, Error> {
    let mut change = Transaction::begin(storage)?;
    refuse_data_file(&change.old, "a snapshot")?;
    let mut new = change.new_state();
    let index = find(&new.snapshots, wanted)?;
    let Some(snapshot) = new.snapshots.get(index).cloned() else {
        return Err(not_found(wanted));
    };
    if !new.bitmaps.is_empty() {
        return Err(Error::Unsupported {
            operation: "to apply a snapshot",
            because: "the image has bitmaps, which would not know what changed",
        });
    }
    let size = snapshot.disk_size.unwrap_or(new.header.size);
    let max = new.header.geometry().size_max();
    if size > max {
        return Err(Error::Limit {
            what: "the size of the disk in the snapshot in bytes",
            found: size,
            min: 0,
            max,
        });
    }
    let entries = snapshot.l1_entries.into();
    let l1 = change
        .view
        .table("L1 table", snapshot.l1_table_offset, entries)?;
    let l1 = disk_part(&new, l1, size);
    let l1: Vec<u64> = l1.into_iter().map(|entry| entry & !COPIED).collect();
    set_size(&mut new, size);
    change.store_snapshots(&mut new)?;
    new.header.l1_entries = u32::try_from(l1.len()).unwrap_or(u32::MAX);
    new.header.l1_table_offset = change.store_table("L1 table", &l1)?;
    change.commit(new)
}

/// Deletes the snapshot with this ID, or else this name.
pub(crate) fn delete<S: Store>(storage: &S, wanted: &[u8]) -> Result<Changed, Error> {
    let mut change = Transaction::begin(storage)?;
    let mut new = change.new_state();
    let index = find(&new.snapshots, wanted)?;
    new.snapshots.remove(index);
    change.store_snapshots(&mut new)?;
    change.commit(new)
}

/// The index of the snapshot with this ID, or else this name.
pub(crate) fn find(snapshots: &[Snapshot], wanted: &[u8]) -> Result<usize, Error> {
    let by_id = snapshots.iter().position(|known| known.id == wanted);
    let by_name = || snapshots.iter().position(|known| known.name == wanted);
    by_id.or_else(by_name).ok_or_else(|| not_found(wanted))
}

fn not_found(wanted: &[u8]) -> Error {
    Error::NotFound {
        kind: "snapshot",
        name: wanted.to_vec(),
    }
}

fn refuse_data_file(state: &State, operation: &'static str) -> Result<(), Error> {
    if state.has_data_file() {
        return Err(Error::Unsupported {
            operation,
            because: "the image has an external data file, which holds one disk only",
        });
    }
    Ok(())
}
