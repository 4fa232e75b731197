//! What the tables of a disk say of its data, found on the way: whether there is
//! anything to hold against them, and how much data they name.

use std::ops::Range;

use qcow2_format::{HostOffset, L2Words};
use qcow2_map::{Mapping, Tables, run_of_entry};

/// What is known of the tables of a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// Bytes of the disk that they name data for, at most: what a backing file has under
    /// data of its overlay counts too.
    pub(crate) data_bytes: u64,
    /// An entry is wrong, or something cannot be said in passing. Who wants to know looks
    /// the whole disk up.
    pub(crate) is_uneven: bool,
}

impl Survey {
    /// The same with what another says.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            data_bytes: self.data_bytes.saturating_add(other.data_bytes),
            is_uneven: self.is_uneven || other.is_uneven,
        }
    }

    /// The same of a table that several L1 entries name.
    pub(crate) fn times(self, times: u32, tables: &Tables) -> Self {
        // In an external data file, each cluster has its own place.
        let is_external = tables.files.data != tables.files.image;
        Self {
            data_bytes: self.data_bytes.saturating_mul(times.into()),
            is_uneven: self.is_uneven || times > 1 && is_external,
        }
    }

    /// Takes in the entries in `part` of the L2 table at `table`; `first` is the
    /// index of the first, and which maps `guest`.
    pub(crate) fn add(
        &mut self,
        tables: &Tables,
        table: HostOffset,
        guest: &Range<u64>,
        (first, part): (u64, &[u8]),
    ) {
        let bytes = tables.geometry.cluster_bits.bytes();
        let start = guest.start.saturating_add(first.saturating_mul(bytes));
        let mut next = start;
        for words in L2Words::all(part, tables.geometry.extended_l2) {
            let end = next.saturating_add(bytes).min(guest.end);
            let mut cluster = next..end;
            next = next.saturating_add(bytes);
            if words.is_zero() || cluster.is_empty() {
                continue;
            }
            while !cluster.is_empty() {
                let Ok(run) = run_of_entry(tables, table, words, cluster.clone()) else {
                    self.is_uneven = true;
                    return;
                };
                if matches!(run.mapping, Mapping::Data { .. } | Mapping::Compressed(_)) {
                    self.data_bytes = self.data_bytes.saturating_add(run.bytes());
                }
                cluster.start = run.guest.end;
            }
        }
    }
}
