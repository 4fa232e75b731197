//! The tables that lead to guest clusters, walked in one way.

use std::ops::Range;

use blockio::Store;
use qcow2_format::{GuestOffset, HostOffset};

use crate::error::Error;
use crate::image::allocator::Allocator;
use crate::image::cluster::Cluster;
use crate::image::file::ImageFile;
use crate::image::l1_table::{L1Table, L2Place};
use crate::image::l2_cache::{Entry, L2Cache};
use crate::image::layout::Layout;
use crate::units::cut;

/// The L1 table, the L2 tables, and what hands out the clusters for these and for
/// data.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) l1: L1Table,
    pub(crate) l2: L2Cache,
    pub(crate) allocator: Allocator,
}

impl Tables {
    /// Keeps the next cluster for the L2 table of entry `l1_index`.
    pub(crate) fn reserve(&mut self, l1_index: u64, layout: &Layout) -> Result<(), Error> {
        let host = self.allocator.take(layout)?;
        self.l1.set(l1_index, L2Place::Reserved(host));
        Ok(())
    }

    /// What is known of the L2 table that maps `guest`.
    pub(crate) fn place_of_table(&self, guest: u64, layout: &Layout) -> L2Place {
        self.l1.get(layout.geometry().l1_index(GuestOffset(guest)))
    }

    /// Calls `visit` for each cluster that `guest` touches, in order: with the bytes of
    /// `guest` in it, with its entry, and with what hands out host clusters. All the
    /// tables on the way are in use from then on.
    pub(crate) fn for_each_entry<T: Store>(
        &mut self,
        guest: Range<u64>,
        layout: &Layout,
        file: &ImageFile<T>,
        mut visit: impl FnMut(Range<u64>, &mut Entry<'_>, &mut Allocator) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (bits, geometry) = (layout.cluster_bits, layout.geometry());
        for part in cut(guest, geometry.l2_coverage_bytes()) {
            let l1_index = geometry.l1_index(GuestOffset(part.start));
            let (host, is_new) = self.use_table(l1_index, layout)?;
            let table = self.l2.get(l1_index, host, is_new, file)?;
            for cluster in cut(part, bits.bytes()) {
                let index = geometry.l2_index(GuestOffset(cluster.start));
                visit(cluster, &mut table.entry(index), &mut self.allocator)?;
            }
        }
        Ok(())
    }

    /// The guest cluster that holds byte `guest`; `None` if it has no table.
    pub(crate) fn cluster<T: Store>(
        &mut self,
        guest: u64,
        layout: &Layout,
        file: &ImageFile<T>,
    ) -> Result<Option<Cluster>, Error> {
        let geometry = layout.geometry();
        let l1_index = geometry.l1_index(GuestOffset(guest));
        let L2Place::InUse(host) = self.l1.get(l1_index) else {
            return Ok(None);
        };
        let table = self.l2.get(l1_index, host, false, file)?;
        let index = geometry.l2_index(GuestOffset(guest));
        table.entry(index).get().map(Some)
    }

    /// The place of the L2 table of entry `l1_index`, which is in use from now
    /// on, and whether it was not before.
    fn use_table(&mut self, l1_index: u64, layout: &Layout) -> Result<(HostOffset, bool), Error> {
        let host = match self.l1.get(l1_index) {
            L2Place::InUse(host) => return Ok((host, false)),
            L2Place::Reserved(host) => host,
            L2Place::None => self.allocator.take(layout)?,
        };
        self.l1.set(l1_index, L2Place::InUse(host));
        Ok((host, true))
    }
}
