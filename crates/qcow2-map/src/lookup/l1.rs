//! The L1 table of a disk, entry by entry.

use blockio::ReadAt;
use qcow2_format::HostOffset;

use crate::Error;
use crate::lookup::table_cache::Slice;
use crate::lookup::tables::Tables;

/// A reader of an L1 table: it has the part at hand that it looked at last.
#[derive(Debug)]
pub struct L1Reader<'t, S> {
    storage: &'t S,
    tables: &'t Tables,
    slice: Option<Slice>,
}

impl<'t, S: ReadAt> L1Reader<'t, S> {
    /// Of the L1 table of `tables`, in `storage`.
    pub fn new(storage: &'t S, tables: &'t Tables) -> Self {
        Self {
            storage,
            tables,
            slice: None,
        }
    }

    /// Where the L2 table is that entry `l1_index` names, and how many bytes of it
    /// are in use; `None` where all that the entry maps is unallocated.
    pub fn l2_place(&mut self, l1_index: u64) -> Result<Option<(HostOffset, u64)>, Error> {
        let slice = match &self.slice {
            Some(slice) if slice.covers(l1_index) => slice,
            _ => {
                let slice = self.tables.l1_slice(self.storage, l1_index)?;
                self.slice.insert(slice)
            }
        };
        self.tables.l2_place(slice, l1_index)
    }

    /// Index of the entry up to which all after `l1_index`, which was looked at, are
    /// known to be zero.
    #[inline]
    #[must_use]
    pub fn zeros_end(&self, l1_index: u64) -> u64 {
        let next = l1_index.saturating_add(1);
        let slice = self.slice.as_ref();
        slice.map_or(next, |slice| slice.zeros_end(next))
    }
}
