//! The size of the disk.

mod tail;

use std::fmt;

use blockio::{ReadAt, Store};
use qcow2_format::Version;
use qcow2_format::header::CryptMethod;

use crate::bitmap::bits;
use crate::change::transaction::Transaction;
use crate::error::Error;
use crate::guest_tables::GuestTables;
use crate::image::state::{State, set_size, size_of};
use crate::report::Changed;
use tail::Tail;

/// How the size of a disk changes.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct Resize<'r> {
    /// The new size, in bytes. One that is not a multiple of 512 is rounded up in the
    /// header, and kept in a header extension.
    pub size: u64,
    /// Whether the disk may become smaller, and lose its end.
    pub shrink: bool,
    /// The disk that the image leaves its unallocated clusters to. If the image has a
    /// backing file, a larger size needs it: what is new reads as zeros, whatever the
    /// backing file has there.
    pub backing: Option<&'r dyn ReadAt>,
}

impl Resize<'_> {
    /// To `size` bytes, no fewer than before.
    #[must_use]
    pub fn to(size: u64) -> Self {
        Self {
            size,
            ..Self::default()
        }
    }
}

impl fmt::Debug for Resize<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resize")
            .field("size", &self.size)
            .field("shrink", &self.shrink)
            .field("backing", &self.backing.map(ReadAt::size))
            .finish()
    }
}

/// Changes the size of the disk.
pub(crate) fn resize<S: Store>(storage: &S, wanted: &Resize<'_>) -> Result<Changed, Error> {
    let mut change = Transaction::begin(storage)?;
    let mut new = change.new_state();
    let mut tables = GuestTables::read(&change)?;
    apply(&mut change, &mut new, &mut tables, wanted)?;
    tables.store(&mut change, &mut new)?;
    change.store_snapshots(&mut new)?;
    change.commit(new)
}

/// Changes the size in `new` and `tables`, which are not stored then.
pub(crate) fn apply<S: Store>(
    change: &mut Transaction<'_, S>,
    new: &mut State,
    tables: &mut GuestTables,
    wanted: &Resize<'_>,
) -> Result<(), Error> {
    let old_size = size_of(new);
    check(new, wanted, old_size)?;
    let boundary = old_size.min(wanted.size);
    // What the backing file has there must not be seen.
    let hidden = match wanted.backing {
        Some(backing) if wanted.size > old_size => backing.size().min(wanted.size),
        _ => 0,
    };
    if hidden > boundary && new.header.version == Version::V2 {
        return Err(unsupported(
            "version 2 cannot mark as zeros what the backing file has past the end of the disk",
        ));
    }
    tables.cut(change, boundary)?;
    let tail = Tail {
        boundary,
        backing: wanted.backing.filter(|_| hidden > boundary),
        is_grown: wanted.size > old_size,
    };
    tail.clear(change, tables)?;
    tables.resize(wanted.size);
    tables.fill_zeros(change, boundary..hidden)?;
    bits::resize_all(change, new, boundary, wanted.size)?;
    set_size(new, wanted.size);
    Ok(())
}

/// Refuses what cannot be done.
fn check(state: &State, wanted: &Resize<'_>, old_size: u64) -> Result<(), Error> {
    let header = &state.header;
    if state.has_data_file() {
        return Err(unsupported(
            "the image has an external data file, which would have to change too",
        ));
    }
    if wanted.size < old_size && !wanted.shrink {
        return Err(Error::WouldShrink {
            found: old_size,
            wanted: wanted.size,
        });
    }
    let max = header.geometry().size_max();
    if wanted.size > max {
        return Err(Error::Limit {
            what: "the size of the disk in bytes",
            found: wanted.size,
            min: 0,
            max,
        });
    }
    if wanted.size > old_size && header.backing_name.is_some() && wanted.backing.is_none() {
        return Err(unsupported(
            "what its backing file has past the end of the disk must not be seen, and the \
             backing file is not open",
        ));
    }
    let ends_in_cluster = !header.cluster_bits.is_aligned(old_size);
    if wanted.size > old_size && ends_in_cluster && header.crypt_method != CryptMethod::None {
        return Err(unsupported(
            "the image is encrypted, and its disk ends within a cluster",
        ));
    }
    Ok(())
}

fn unsupported(because: &'static str) -> Error {
    Error::Unsupported {
        operation: "to change the size of the disk",
        because,
    }
}
