//! Places for whole clusters that are not written through the engine.

use std::ops::Range;

use blockio::{Handle, Store};
use qcow2_format::{GuestOffset, HostOffset};

use super::ImageWriter;
use crate::error::Error;
use crate::image::cluster::{Cluster, Mapping};
use crate::image::l1_table::L2Place;
use crate::image::layout::Layout;
use crate::units::cut;

impl<T: Store + ?Sized> ImageWriter<'_, T> {
    /// Stores the whole clusters of `run`, none of which is stored, as the blocks
    /// of the file `source`, if there is one, at the same offsets. A run is a part
    /// that [`run_bytes`](Self::run_bytes) cuts.
    ///
    /// After [`Error::Reflink`] the writer is as if nothing had been tried.
    pub(crate) fn reflink(
        &mut self,
        source: Option<&Handle>,
        run: Range<u64>,
    ) -> Result<(), Error> {
        let mut host = self.next_place();
        if !self.has_tables(&run) {
            host.0 += self.layout.cluster_bits.bytes();
        }
        self.floor.check("data", host)?;
        self.output.reflink(host, source, &run)?;
        self.floor.rise(host.0 + (run.end - run.start));
        self.place(run)
    }

    /// What to cut `guest` at the multiples of, in bytes, for parts whose
    /// clusters follow each other in the image: a table that nobody foresaw lies
    /// between the data of two tables.
    pub(crate) fn run_bytes(&self, guest: &Range<u64>) -> u64 {
        if self.has_tables(guest) {
            u64::MAX
        } else {
            self.layout.geometry().l2_coverage_bytes()
        }
    }

    /// The shape of the image.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where the next cluster of data goes, where no table is missing.
    pub(crate) fn next_place(&self) -> HostOffset {
        self.layout.host_offset(self.allocator.clusters())
    }

    /// Whether the L2 tables that map `guest` have places already.
    pub(crate) fn has_tables(&self, guest: &Range<u64>) -> bool {
        let geometry = self.layout.geometry();
        cut(guest.clone(), geometry.l2_coverage_bytes()).all(|part| {
            let l1_index = geometry.l1_index(GuestOffset(part.start));
            self.l1.get(l1_index) != L2Place::None
        })
    }

    /// Maps the whole clusters of `guest`, none of which is stored, to the next
    /// host clusters, where nothing is written.
    pub(crate) fn place(&mut self, guest: Range<u64>) -> Result<(), Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        self.broken = true;
        let (bits, geometry) = (self.layout.cluster_bits, self.layout.geometry());
        for part in cut(guest, geometry.l2_coverage_bytes()) {
            let l1_index = geometry.l1_index(GuestOffset(part.start));
            let (table_host, is_new) = self.use_table(l1_index)?;
            let table = self.l2.get(l1_index, table_host, is_new, &self.output)?;
            for cluster in cut(part, bits.bytes()) {
                let index = geometry.l2_index(GuestOffset(cluster.start));
                let host = self.allocator.take(&self.layout)?;
                let stored = Cluster::default().with_data(host, self.layout.units(&cluster));
                table.set(index, Mapping::Cluster(stored));
                self.stored.add(cluster.start, &self.layout);
            }
        }
        self.broken = false;
        Ok(())
    }

    /// The host cluster of the guest cluster at `guest`, if it is stored.
    pub(crate) fn place_of(&mut self, guest: u64) -> Result<Option<HostOffset>, Error> {
        let geometry = self.layout.geometry();
        let l1_index = geometry.l1_index(GuestOffset(guest));
        let L2Place::InUse(table_host) = self.l1.get(l1_index) else {
            return Ok(None);
        };
        let table = self.l2.get(l1_index, table_host, false, &self.output)?;
        let cluster = table.get(geometry.l2_index(GuestOffset(guest)))?;
        Ok(cluster.host())
    }
}
