//! The L1 table, in memory as long as the image is written.

use blockio::Store;
use qcow2_format::{HostOffset, L1Entry};

use crate::error::Error;
use crate::image::file::{Gather, ImageFile};
use crate::image::layout::Layout;
use crate::units::to_usize;

/// Marks a table in [`L1Table::tables`] that is in use. Tables start at cluster
/// boundaries, so this bit is never part of an offset.
const IN_USE: u64 = 1;

/// What is known of the L2 table of one L1 entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum L2Place {
    /// There is none.
    None,
    /// It has a place but no content yet.
    Reserved(HostOffset),
    /// It is there.
    InUse(HostOffset),
}

/// The L1 table.
#[derive(Debug)]
pub(crate) struct L1Table {
    /// Host offset of the L2 table of each entry, or zero, and [`IN_USE`].
    /// Plain numbers, because memory for a table of zeros is not touched until
    /// it is written: a large disk with few tables costs next to nothing.
    tables: Vec<u64>,
}

impl L1Table {
    pub(crate) fn new(entries: u64) -> Self {
        Self {
            tables: vec![0; to_usize(entries)],
        }
    }

    pub(crate) fn get(&self, index: u64) -> L2Place {
        match self.tables.get(to_usize(index)) {
            None | Some(0) => L2Place::None,
            Some(&raw) if raw & IN_USE == 0 => L2Place::Reserved(HostOffset(raw)),
            Some(&raw) => L2Place::InUse(HostOffset(raw & !IN_USE)),
        }
    }

    /// Sets what is known of table `index`, which is less than the number of entries.
    pub(crate) fn set(&mut self, index: u64, place: L2Place) {
        if let Some(raw) = self.tables.get_mut(to_usize(index)) {
            *raw = match place {
                L2Place::None => 0,
                L2Place::Reserved(host) => host.0,
                L2Place::InUse(host) => host.0 | IN_USE,
            };
        }
    }

    /// Places that were reserved and are not in use, in the order of their entries.
    pub(crate) fn unused(&self) -> impl Iterator<Item = HostOffset> {
        self.tables
            .iter()
            .filter(|&&raw| raw != 0 && raw & IN_USE == 0)
            .map(|&raw| HostOffset(raw))
    }

    /// Places of the tables in use, in the order of their entries.
    pub(crate) fn in_use(&self) -> impl Iterator<Item = HostOffset> {
        self.tables
            .iter()
            .filter(|&&raw| raw & IN_USE != 0)
            .map(|&raw| HostOffset(raw & !IN_USE))
    }

    /// Writes the table, padded to a cluster.
    pub(crate) fn write<T: Store>(
        &self,
        layout: &Layout,
        file: &ImageFile<T>,
    ) -> Result<(), Error> {
        let cluster_entries = to_usize(layout.cluster_bits.l2_entries());
        let mut gather = Gather::new("the L1 table");
        let mut cluster = vec![0; to_usize(layout.cluster_bits.bytes())];
        for (tables, number) in self.tables.chunks(cluster_entries).zip(1..) {
            cluster.fill(0);
            for (raw, &table) in cluster.chunks_exact_mut(8).zip(tables) {
                if table & IN_USE != 0 {
                    let entry = L1Entry {
                        l2_table: HostOffset(table & !IN_USE),
                        copied: true,
                    };
                    raw.copy_from_slice(&L1Entry::encode(Some(entry)).to_be_bytes());
                }
            }
            gather.write(layout.host_offset(number), &cluster, file)?;
        }
        gather.flush(file)
    }
}
