//! Persistent bitmaps: added, removed, emptied, merged.

pub(crate) mod bits;
mod rules;

use blockio::Store;
use qcow2_format::bitmap::{BitmapDirectoryEntry, BitmapFlags};
use qcow2_format::limits::{
    BITMAP_GRANULARITY_BITS_MAX, BITMAP_GRANULARITY_BITS_MIN, BITMAP_NAME_BYTES_MAX, BITMAPS_MAX,
};
use qcow2_format::{HostOffset, Version};

use crate::change::transaction::Transaction;
use crate::error::Error;
use crate::image::state::{State, size_of};
use crate::report::Changed;
use rules::{check_length, check_trusted, limit};

/// A bitmap to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewBitmap {
    /// Its name, 1 to 1,023 bytes.
    pub name: Vec<u8>,
    /// Bytes of the disk that a bit stands for, a power of two from 512 to 2 GiB; by
    /// default the cluster size, and 4 KiB to 64 KiB.
    pub granularity_bytes: Option<u64>,
    /// Whether it follows all writes to the disk from now on.
    pub enabled: bool,
}

impl NewBitmap {
    /// An enabled bitmap called `name`.
    #[must_use]
    pub fn named(name: &[u8]) -> Self {
        Self {
            name: name.to_vec(),
            granularity_bytes: None,
            enabled: true,
        }
    }
}

/// Adds a bitmap in which no bit is set.
pub(crate) fn add<S: Store>(storage: &S, wanted: &NewBitmap) -> Result<Changed, Error> {
    let mut change = Transaction::begin(storage)?;
    let mut new = change.new_state();
    check_new(&new, wanted)?;
    let mut entry = BitmapDirectoryEntry {
        table_offset: HostOffset(0),
        table_entries: 0,
        flags: match wanted.enabled {
            true => BitmapFlags::AUTO,
            false => BitmapFlags::empty(),
        },
        granularity_bits: granularity_bits(&new, wanted)?,
        extra: Vec::new(),
        name: wanted.name.clone(),
    };
    check_length(&entry, size_of(&new))?;
    let entries = bits::table_entries(&entry, size_of(&new), change.view.cluster_bits);
    bits::store(&mut change, &mut entry, &vec![0; entries])?;
    new.bitmaps.push(entry);
    change.store_bitmaps(&mut new)?;
    change.commit(new)
}

fn check_new(state: &State, wanted: &NewBitmap) -> Result<(), Error> {
    if state.header.version == Version::V2 {
        return Err(Error::Unsupported {
            operation: "a bitmap",
            because: "the image is of version 2 (compat 0.10)",
        });
    }
    if position(state, &wanted.name).is_ok() {
        return Err(Error::Exists {
            kind: "bitmap",
            name: wanted.name.clone(),
        });
    }
    limit(
        "the length of the name in bytes",
        blockio::len_u64(wanted.name.len()),
        1,
        BITMAP_NAME_BYTES_MAX.into(),
    )?;
    let count = blockio::len_u64(state.bitmaps.len()).saturating_add(1);
    limit("the number of bitmaps", count, 0, BITMAPS_MAX.into())
}

fn granularity_bits(state: &State, wanted: &NewBitmap) -> Result<u8, Error> {
    let bytes = wanted
        .granularity_bytes
        .unwrap_or_else(|| state.header.cluster_bits.bytes().clamp(4096, 64 << 10));
    let bits = u8::try_from(bytes.trailing_zeros()).unwrap_or(u8::MAX);
    let range = BITMAP_GRANULARITY_BITS_MIN..=BITMAP_GRANULARITY_BITS_MAX;
    if bytes.is_power_of_two() && range.contains(&bits) {
        return Ok(bits);
    }
    Err(Error::Limit {
        what: "the granularity, which is a power of two in bytes,",
        found: bytes,
        min: 1 << BITMAP_GRANULARITY_BITS_MIN,
        max: 1 << BITMAP_GRANULARITY_BITS_MAX,
    })
}

/// Removes a bitmap.
pub(crate) fn remove<S: Store>(storage: &S, name: &[u8]) -> Result<Changed, Error> {
    let mut change = Transaction::begin(storage)?;
    let mut new = change.new_state();
    let index = position(&new, name)?;
    new.bitmaps.remove(index);
    change.store_bitmaps(&mut new)?;
    change.commit(new)
}

/// Clears all bits of a bitmap.
pub(crate) fn clear<S: Store>(storage: &S, name: &[u8]) -> Result<Changed, Error> {
    change_one(storage, name, |change, entry| {
        let entries = usize::try_from(entry.table_entries).unwrap_or(0);
        bits::store(change, entry, &vec![0; entries])
    })
}

/// Makes a bitmap follow the writes to the disk, or not.
pub(crate) fn enable<S: Store>(storage: &S, name: &[u8], enabled: bool) -> Result<Changed, Error> {
    change_one(storage, name, |_, entry| {
        entry.flags.set(BitmapFlags::AUTO, enabled);
        Ok(())
    })
}

/// Sets the bits of a bitmap for all that another one has set.
pub(crate) fn merge<S: Store>(storage: &S, name: &[u8], source: &[u8]) -> Result<Changed, Error> {
    let mut change = Transaction::begin(storage)?;
    let mut new = change.new_state();
    let source = trusted(&new, source)?;
    let source = new.bitmaps.get(source).cloned();
    let index = trusted(&new, name)?;
    let size = size_of(&new);
    if let (Some(entry), Some(source)) = (new.bitmaps.get_mut(index), source) {
        bits::merge(&mut change, entry, &source, size)?;
    }
    change.store_bitmaps(&mut new)?;
    change.commit(new)
}

/// Changes one bitmap, which must be one that missed nothing.
fn change_one<S: Store>(
    storage: &S,
    name: &[u8],
    alter: impl FnOnce(&mut Transaction<'_, S>, &mut BitmapDirectoryEntry) -> Result<(), Error>,
) -> Result<Changed, Error> {
    let mut change = Transaction::begin(storage)?;
    let mut new = change.new_state();
    let index = trusted(&new, name)?;
    if let Some(entry) = new.bitmaps.get_mut(index) {
        alter(&mut change, entry)?;
    }
    change.store_bitmaps(&mut new)?;
    change.commit(new)
}

fn position(state: &State, name: &[u8]) -> Result<usize, Error> {
    let found = state.bitmaps.iter().position(|known| known.name == name);
    found.ok_or_else(|| Error::NotFound {
        kind: "bitmap",
        name: name.to_vec(),
    })
}

/// The index of a bitmap that missed nothing.
fn trusted(state: &State, name: &[u8]) -> Result<usize, Error> {
    let index = position(state, name)?;
    match state.bitmaps.get(index) {
        Some(entry) => check_trusted(entry).map(|()| index),
        None => Ok(index),
    }
}
